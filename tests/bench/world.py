"""The world the bench lives in: one sender with SPF, DKIM and DMARC, one agents' domain, and the mails between them.

Everything random is made once before a run and written to two files, ``zone.json`` and ``corpus.json``, that the
other processes read, so every server under test meets the same DNS and the same bytes.
"""

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SENDER: Final = "sender.example"
SELECTOR: Final = "s1"
MAIL_FROM: Final = f"bounce@{SENDER}"
HELO: Final = f"out.{SENDER}"
AGENTS: Final = "agents.example"
MAIL_BYTES: Final = 5 * 1024
BIG_BYTES: Final = 25 * 1024 * 1024
VARIANTS: Final = 300

# Message-ID is not signed: the load generator writes a fresh one above each mail, so that no two are alike
# although only some hundreds were signed.
_SIGNED: Final = [b"from", b"to", b"subject", b"date", b"mime-version", b"content-type"]

Zone = dict[tuple[str, str], list[str]]


def make_key() -> tuple[bytes, str]:
    """A new RSA-2048 key: the private half as PEM (PKCS #1), the public half as DKIM's ``p=`` (RFC 6376 §3.6.1)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, base64.b64encode(public).decode()


def make_zone(public: str) -> Zone:
    """The records of the bench, by name and type. Senders connect from all over 127.0.0.0/8."""
    return {
        (SENDER, "TXT"): ["v=spf1 ip4:127.0.0.0/8 -all"],
        (SENDER, "MX"): [f"10 {HELO}."],
        (SENDER, "A"): ["127.0.0.1"],
        (HELO, "A"): ["127.0.0.1"],
        (f"{SELECTOR}._domainkey.{SENDER}", "TXT"): [f"v=DKIM1; k=rsa; p={public}"],
        (f"_dmarc.{SENDER}", "TXT"): ["v=DMARC1; p=reject"],
    }


def write_zone(path: Path, zone: Zone) -> None:
    """Keep *zone* where the other processes find it."""
    path.write_text(json.dumps([[name, rdtype, values] for (name, rdtype), values in zone.items()]))


def read_zone(path: Path) -> Zone:
    """What write_zone kept."""
    return {(name, rdtype): values for name, rdtype, values in json.loads(path.read_text())}


def write_corpus(path: Path, mails: list[bytes]) -> None:
    """Keep *mails*, which are ASCII with CRLF, no line of which begins with a dot."""
    path.write_text(json.dumps([mail.decode("ascii") for mail in mails]))


def read_corpus(path: Path) -> list[bytes]:
    """What write_corpus kept."""
    return [mail.encode("ascii") for mail in json.loads(path.read_text())]


def letters(private: bytes, count: int = VARIANTS) -> Iterator[bytes]:
    """*count* different plain-text mails of 5 kB, each with its RSA-2048 signature, relaxed/relaxed."""
    dice = random.Random(1870)
    for number in range(count):
        head = _head(f"Report {number}", "text/plain; charset=utf-8")
        yield _sign(head + _words(dice, MAIL_BYTES - len(head) - 600), private)


def large_letter(private: bytes) -> bytes:
    """One signed mail of 25 MiB: a line of text and an attachment in base64, as people send them."""
    head = _head("The archive", 'multipart/mixed; boundary="=_bench"')
    opening = (
        b"--=_bench\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n--=_bench\r\n"
        b'Content-Type: application/octet-stream; name="a.bin"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment; filename="a.bin"\r\n\r\n'
    )
    closing = b"--=_bench--\r\n"
    lines = (BIG_BYTES - len(head) - len(opening) - len(closing) - 600) // 78
    noise = base64.b64encode(random.Random(1870).randbytes(57 * lines))
    attachment = b"".join(noise[start : start + 76] + b"\r\n" for start in range(0, len(noise), 76))
    return _sign(head + opening + attachment + closing, private)


def _head(subject: str, content_type: str) -> bytes:
    fields = (
        f"From: Ana Sender <ana@{SENDER}>",
        f"To: Agent <agent@{AGENTS}>",
        f"Subject: {subject}",
        "Date: Mon, 23 Nov 2026 15:17:00 +0000",
        "MIME-Version: 1.0",
        f"Content-Type: {content_type}",
    )
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


def _words(dice: random.Random, size: int) -> bytes:
    words = ("invoice", "order", "the", "is", "delivery", "meeting", "of", "quarter", "please", "thanks", "to", "we")
    lines = []
    while size > 0:
        line = " ".join(dice.choices(words, k=11)).encode() + b"\r\n"
        lines.append(line)
        size -= len(line)
    return b"".join(lines)


def _sign(mail: bytes, private: bytes) -> bytes:
    signature = dkim.sign(
        mail,
        SELECTOR.encode(),
        SENDER.encode(),
        private,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=_SIGNED,
    )
    return signature + mail
