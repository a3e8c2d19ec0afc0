"""What gateways, old programs and cut connections do to a mail."""

from collections.abc import Callable
from random import Random
from typing import Final


def _cut(raw: bytes, chance: Random) -> bytes:
    return raw[: chance.randrange(len(raw) // 2, len(raw))]


def _no_end(raw: bytes, _: Random) -> bytes:
    return raw[: raw.rstrip().rfind(b"\r\n")] + b"\r\n"


def _other_label(raw: bytes, chance: Random) -> bytes:
    label = chance.choice((b"us-ascii", b"x-unknown", b"utf-8", b"iso-8859-1", b""))
    head, sign, tail = raw.partition(b"charset=")
    return (
        head + sign + label + tail.lstrip(b'"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_')
        if sign
        else raw
    )


def _no_colon(raw: bytes, chance: Random) -> bytes:
    return chance.choice((b"X-Scan no colon here\r\n", b"From bob@x.example Mon Jan  1 00:00:00 2026\r\n")) + raw


def _in_head(raw: bytes, line: bytes) -> bytes:
    head, end, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n" + line + end + body


def _twice(raw: bytes, _: Random) -> bytes:
    return _in_head(raw, b"Subject: a second subject")


def _no_semicolon(raw: bytes, _: Random) -> bytes:
    return raw.replace(b"; charset", b" charset", 1).replace(b"; filename", b" filename", 1)


def _other_encoding(raw: bytes, _: Random) -> bytes:
    return raw.replace(b"Encoding: quoted-printable", b"Encoding: 7bit", 1).replace(
        b"Encoding: base64", b"Encoding: BASE64 ", 1
    )


def _footer(raw: bytes, _: Random) -> bytes:
    return raw.rstrip(b"\r\n") + b"\r\n-- \r\nThis mail was scanned.\r\n"


def _odd_date(raw: bytes, chance: Random) -> bytes:
    date = chance.choice(
        (b"2026-03-04T05:06:07Z", b"Wed, 4 Mar 2026 05:06:07 GMT+0100", b"yesterday", b"Wed, 4 Mar 2026 05:06")
    )
    at = raw.find(b"Date: ")
    return raw[:at] + b"Date: " + date + raw[raw.find(b"\r\n", at) :]


def _bare_address(raw: bytes, _: Random) -> bytes:
    return raw.replace(b" <from0@mail0.example>", b" from0@mail0.example", 1)


def _blank_in_id(raw: bytes, _: Random) -> bytes:
    return raw.replace(b".ABC@mail.example>", b".ABC@mail.example >", 1).replace(b"Message-ID: <", b"Message-ID: < ", 1)


def _noise(raw: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(raw))
    return raw[:at] + chance.choice((b"\xff\xfe", b"\x00", b"=", b"\r\n\r\n", b'"', b"<", b";")) + raw[at:]


KINDS: Final[dict[str, Callable[[bytes, Random], bytes]]] = {
    "cut": _cut,
    "no end": _no_end,
    "other label": _other_label,
    "no colon": _no_colon,
    "twice": _twice,
    "no semicolon": _no_semicolon,
    "other encoding": _other_encoding,
    "footer": _footer,
    "odd date": _odd_date,
    "bare address": _bare_address,
    "blank in id": _blank_in_id,
    "noise": _noise,
}
