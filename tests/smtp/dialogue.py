r"""Plays a text dialogue against an SMTP server.

A line's first word says what it is:

* ``C:`` the client sends this line with CRLF. Lines that follow each other go out in one write.
* ``R:`` the client sends these octets as they are, with Python's escapes (``\r\n\x00``).
* ``S:`` the server answers this line; ``*`` is anything.
* ``K:`` the next mail that was kept has these octets, with Python's escapes.
* ``N:`` no more mails were kept.
* ``X:`` the server hangs up.
* ``#`` is a remark.
"""

import re
from pathlib import Path

from tests.smtp.collector import Client, MailCollector


def read(file: Path) -> list[tuple[str, str]]:
    """The steps of a dialogue: kind and text."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return [(line[:2], line[3:]) for line in lines]


def octets(text: str) -> bytes:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


async def play(steps: list[tuple[str, str]], client: Client, collector: MailCollector) -> None:
    """Do every step in order; an AssertionError names the one that failed."""
    kept, out = 0, b""
    for number, (kind, text) in enumerate(steps, 1):
        where = f"step {number}: {kind} {text}"
        if kind in {"C:", "R:"}:
            out += text.encode() + b"\r\n" if kind == "C:" else octets(text)
            continue
        client.send(out)
        out = b""
        if kind == "S:":
            line = (await client.reader.readline()).decode().removesuffix("\r\n")
            assert re.fullmatch(".*".join(map(re.escape, text.split("*"))), line), f"{where}, got {line!r}"
        elif kind == "K:":
            assert octets(text) == collector.mails[kept][1], where
            kept += 1
        elif kind == "N:":
            assert kept == len(collector.mails), where
        else:
            assert kind == "X:", where
            assert b"" == await client.rest(), where
