"""``python -m tests.siege.nameserver``: a quick nameserver of hostile and of ordinary zones, over UDP and TCP.

Below ``witness.test`` each name is a domain with SPF and DMARC whose only sender is the witness. Below ``silent.test``
and ``mute``, no question is answered. Below ``big.test`` each name has a TXT record of 7 KiB, below ``huge.test`` one
of 31 KiB. All other names do not exist. Answers are made by bytes: the nameserver must not be what is slow.
"""

import asyncio
import socket
import struct
from functools import cache
from typing import Final

import uvloop

from tests.siege.aim import WITNESS

LOOPBACK: Final = "127.0.0.1"
_A, _TXT = 1, 16
_LARGEST_DATAGRAM: Final = 1232
_TTL: Final = 300
_ANSWERED, _TRUNCATED, _NO_NAME = 0x8180, 0x8380, 0x8183
_BUFFER: Final = 4 * 1024 * 1024


def labels_of(query: bytes) -> tuple[list[bytes], int, int]:
    """The labels of the question in lower case, its type, and where it ends. Raises IndexError, struct.error."""
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].lower())
        at += 1 + size
    (kind,) = struct.unpack_from("!H", query, at + 1)
    return labels, kind, at + 5


@cache
def text_of(first: bytes, zone: tuple[bytes, ...]) -> bytes | None:
    """The TXT record of a name in one of the zones; None for none. *first* is its first label, if that matters."""
    match zone:
        case (b"witness", b"test"):
            return b"v=DMARC1; p=reject" if first == b"_dmarc" else b"v=spf1 ip4:127.0.0.0/24 -all"
        case (b"big", b"test"):
            return b"v=DKIM1; p=" + b"A" * 7000
        case (b"huge", b"test"):
            return b"v=DKIM1; p=" + b"A" * 31_000
    return None


@cache
def data_of(text: bytes) -> bytes:
    """*text* as the data of a TXT record: strings of at most 255 bytes (RFC 1035 §3.3.14)."""
    pieces = [text[start : start + 255] for start in range(0, len(text), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def answer(query: bytes, *, largest: int = 65_535) -> bytes | None:
    """The response to *query* within *largest* bytes; None for silence."""
    try:
        labels, kind, end = labels_of(query)
    except (IndexError, struct.error):
        return None
    if labels[-1:] == [b"mute"] or labels[-2:] == [b"silent", b"test"]:
        return None
    first = b"_dmarc" if labels[:1] == [b"_dmarc"] else b""
    text = text_of(first, tuple(labels[-2:]))
    data = []
    if text is not None and kind == _TXT:
        data = [data_of(text)]
    elif text is not None and kind == _A:
        data = [socket.inet_aton(WITNESS)]
    flags = _NO_NAME if text is None else _ANSWERED
    records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, _TTL, len(each)) + each for each in data)
    if end + len(records) > largest:
        flags, data, records = _TRUNCATED, [], b""
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(data), 0, 0) + query[12:end] + records


class _Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def datagram_received(self, data, addr) -> None:
        if reply := answer(data, largest=_LARGEST_DATAGRAM):
            self._transport.sendto(reply, addr)


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        if reply := answer(await reader.readexactly(size)):
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
    except (EOFError, OSError):
        pass
    finally:
        writer.close()


async def serve() -> None:
    """Print the port and answer until the process is ended."""
    tcp = await asyncio.start_server(_talk, LOOPBACK, 0, backlog=1000)
    port = tcp.sockets[0].getsockname()[1]
    await asyncio.get_running_loop().create_datagram_endpoint(_Datagrams, local_addr=(LOOPBACK, port))
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
