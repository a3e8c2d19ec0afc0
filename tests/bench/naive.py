"""The yardstick: the server one writes in an afternoon from stock aiosmtpd, dkimpy, pyspf and SQLite.

``python -m tests.bench.naive PORT ZONE_FILE DATABASE_FILE`` checks SPF and DKIM of each mail and commits it before
the 250. It is spared DMARC, seal, webhook and network: its DNS is a table in memory and its host name is given, so
that it is slow for its own reasons only. With ``-`` for the database it does nothing at all: stock aiosmtpd's ceiling.
"""

import asyncio
import sqlite3
import sys
from pathlib import Path

import dkim
import spf
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.bench.world import Zone, read_zone


class Naive:
    """Verifies and commits, one mail at a time."""

    def __init__(self, zone: Zone, database: str) -> None:
        self._zone = zone
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, sender, rcpt, spf, dkim, raw)")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        result, _ = spf.check2(i=session.peer[0], s=envelope.mail_from, h=session.host_name)
        valid = dkim.verify(envelope.content, dnsfunc=self._key)
        cursor = self._db.execute(
            "INSERT INTO mail (sender, rcpt, spf, dkim, raw) VALUES (?, ?, ?, ?, ?)",
            (envelope.mail_from, envelope.rcpt_tos[0], result, valid, envelope.content),
        )
        return f"250 2.0.0 Accepted as {cursor.lastrowid}"

    def _key(self, name: bytes, timeout: int = 5) -> bytes:
        return "".join(self._zone.get((name.decode().rstrip("."), "TXT"), [])).encode()


class Null:
    """Says yes."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return "250 2.0.0 Accepted as nothing"


def ask_table(zone: Zone) -> None:
    """Let pyspf look up in *zone* instead of the network."""

    def lookup(name: str, qtype: str, tcpfallback: bool = True, timeout: int = 30) -> list:  # noqa: FBT001, FBT002
        found = zone.get((name.rstrip("."), qtype), [])
        return [((name, qtype), (text.encode(),) if qtype == "TXT" else text) for text in found]

    spf.DNSLookup = lookup


async def serve(port: int, handler: Naive | Null) -> None:
    """Listen on 127.0.0.1 until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname="naive.example"), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


def main(port: str, zone_file: str, database: str) -> None:
    """Serve with or without work to do."""
    zone = read_zone(Path(zone_file))
    ask_table(zone)
    asyncio.run(serve(int(port), Null() if database == "-" else Naive(zone, database)))


if __name__ == "__main__":
    main(*sys.argv[1:])
