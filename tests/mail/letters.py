"""Where the sample letters are, and a quick way to write one."""

from pathlib import Path

from relay.mail.headers import Headers, split_headers

LETTERS = Path(__file__).parents[1] / "letters"
SUITE = Path(__file__).parents[3] / "shared" / "suites" / "mime" / "mail-parser"


def letter(name: str) -> bytes:
    return (LETTERS / f"{name}.eml").read_bytes()


def mail(*header: bytes, body: bytes = b"") -> bytes:
    return b"".join(line + b"\r\n" for line in header) + b"\r\n" + body


def headers(*lines: bytes) -> Headers:
    return split_headers(mail(*lines))


def multipart(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"
    return mail(b"From: a@example.com", b"Content-Type: multipart/" + kind + b"; boundary=x", body=body)
