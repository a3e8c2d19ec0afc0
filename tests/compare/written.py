"""Fields, parts and encodings in the forms that programs write them (RFC 5322, RFC 2045, RFC 2047, RFC 2231)."""

import base64
import quopri
from collections.abc import Sequence
from datetime import datetime
from random import Random
from urllib.parse import quote

_ATOMS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "


def unstructured(chance: Random, name: bytes, text: str) -> bytes:
    """A field of free text, folded where it is long."""
    value = text.encode() if text.isascii() else coded(chance, text)
    if text.isascii() and len(text) > 70:
        value = b"\r\n ".join(value.rsplit(b" ", 1))
    return name + b": " + value


def coded(chance: Random, text: str) -> bytes:
    """*text* as encoded words of at most 75 characters, or as raw UTF-8 (RFC 6532)."""
    form = chance.choice(("B", "Q", "B", "Q", "raw"))
    if form == "raw":
        return text.encode()
    words = []
    for start in range(0, len(text), 8):
        piece = text[start : start + 8].encode()
        if form == "B":
            words.append(b"=?UTF-8?B?" + base64.b64encode(piece) + b"?=")
        else:
            signs = (chr(sign) if chr(sign) in _ATOMS else f"={sign:02X}" for sign in piece)
            words.append(b"=?utf-8?q?" + "".join(signs).replace(" ", "_").encode() + b"?=")
    return b"\r\n ".join(words)


def addresses(chance: Random, name: bytes, people: Sequence[tuple[str, str]]) -> bytes:
    """A field of mailboxes."""
    between = chance.choice((b", ", b",\r\n ", b",\r\n\t"))
    return name + b": " + between.join(_mailbox(chance, *person) for person in people)


def _mailbox(chance: Random, name: str, address: str) -> bytes:
    if not name:
        return chance.choice(("{}", "<{}>")).format(address).encode()
    if not name.isascii():
        return coded(chance, name) + b" <" + address.encode() + b">"
    if all(sign in _ATOMS for sign in name) and chance.random() < 0.5:
        return f"{name} <{address}>".encode()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'.encode()


def ids(chance: Random, name: bytes, values: Sequence[str]) -> bytes:
    """A field of message ids."""
    return name + b": " + chance.choice((b" ", b"\r\n ", b"\r\n\t")).join(f"<{value}>".encode() for value in values)


def date(chance: Random, moment: datetime) -> bytes:
    """A date (RFC 5322 §3.3), in one of the usual forms."""
    form = chance.choice(("%a, %d %b %Y %H:%M:%S %z", "%d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z (zone)"))
    return moment.strftime(form).encode()


def text_part(chance: Random, kind: str, charset: str, text: str) -> tuple[list[bytes], bytes]:
    """The fields and the body of a part with words."""
    content = text.encode(charset)
    forms = ["quoted-printable", "base64", "8bit"] if charset != "iso-2022-jp" else ["7bit", "base64"]
    form = chance.choice(forms if charset != "us-ascii" else ["7bit", "quoted-printable", "base64"])
    label = charset.upper() if chance.random() < 0.3 else charset
    value = chance.choice((f'text/{kind}; charset="{label}"', f"text/{kind};\r\n\tcharset={label}"))
    body = {"quoted-printable": _quoted_printable, "base64": base64_lines}.get(form, bytes)(content)
    return [b"Content-Type: " + value.encode(), b"Content-Transfer-Encoding: " + form.encode()], body


def _quoted_printable(content: bytes) -> bytes:
    lines = quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return lines.removesuffix(b"\r\n") + b"\r\n"


def base64_lines(content: bytes) -> bytes:
    """*content* in lines of 76 characters."""
    return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def file_fields(chance: Random, name: str) -> list[bytes]:
    """The fields of a file, its name in one of the forms that programs write."""
    form = _name_in(chance, name)
    fields = [b"Content-Type: application/pdf", b"Content-Transfer-Encoding: base64"]
    return [*fields, b"Content-Disposition: attachment" + form]


def _name_in(chance: Random, name: str) -> bytes:
    extended = quote(name, safe="")
    if name.isascii() and len(name) < 60 and chance.random() < 0.7:
        return f'; filename="{name}"'.encode()
    form = chance.choice(("extended", "continued", "words"))
    if form == "extended":
        return f";\r\n filename*=UTF-8''{extended}".encode()
    if form == "words":
        whole = base64.b64encode(name.encode()).decode()
        return f';\r\n filename="=?UTF-8?B?{whole}?="'.encode()
    pieces = [quote(name[start : start + 13], safe="") for start in range(0, len(name), 13)]
    starts = ("UTF-8''", *[""] * len(pieces))
    lines = (f";\r\n filename*{number}*={starts[number]}{piece}" for number, piece in enumerate(pieces))
    return "".join(lines).encode()
