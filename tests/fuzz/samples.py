"""What the inputs of each fuzz target are made of: whole samples, and tokens of its language."""

from functools import cache
from pathlib import Path

from tests.auth.mails import MAIL, ed25519_record, rsa_record, signed
from tests.auth.test_arc import sealed
from tests.mail.letters import LETTERS
from tests.smtp.dialogue import octets, read

DIALOGUES = Path(__file__).parents[1] / "dialogues"
LINES = [b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.\r\n", b"\r\n.", b"\0", b"a", b"QUIT", b"x" * 30]
TAGS = [b"; ", b"=", b"v=1", b"a=rsa-sha256", b"d=example.com", b"s=s1", b"h=from", b"bh=", b"b=", b"c=relaxed/relaxed",
        b"l=0", b"i=@example.com", b"x=1", b"t=", b"q=dns/txt", b"\r\n ", b"\t", b"\xc3\xbc", b"AAAA"]  # fmt: skip
TOKENS: dict[str, list[bytes]] = {
    "smtp_commands": [b"MAIL FROM:<", b"RCPT TO:<", b"EHLO ", b"BDAT ", b" LAST", b"@", b'"', b"\\", b">", b"[IPv6:", b"]",
                      b"a.example", b" SIZE=", b" SMTPUTF8", b" BODY=8BITMIME", b"\r\n", b"\r", b"\n", b" ", b"\xc3\xbc",
                      b"\x16\x03", b"GET / HTTP/1.1", b"9", b"<>", b"<Postmaster>", b":", b",", b"%"],
    "smtp_data": LINES,
    "smtp_bdat": LINES,
    "header_pass": [b"\r\n", b"\r\n ", b"\r\n\t", b"From: ", b"Received: by mx.here.example with x id msg_1", b"To: ", b"<", b">",
                    b"Authentication-Results: mx.here.example; spf=pass", b"(", b")", b'"', b"\\", b"@", b",", b";", b":",
                    b"=?utf-8?b?", b"=?utf-16?q?=00", b"?=", b"\xff", b"\x9b", b"\0", b"a@b.example", b"xn--", b"References: <a@b>",
                    b"Date: Mon, 23 Nov 2026 15:17:00 +0000", b"Subject: "],
    "link_tokens": [b"bXNnX", b"dXNyX", b"YlhObl", b"=\r\n", b"\r\n> ", b"=62", b"A" * 40, b".", b"==", b" \t", b"\r\n"],
    "dkim": TAGS,
    "dkim_keys": [*TAGS, b"v=DKIM1", b"k=rsa", b"k=ed25519", b"p=", b"s=email", b"t=y:s", b"h=sha256"],
    "spf": [b" ", b"\n", b"v=spf1", b"include:", b"a.example", b"b.example", b"c.example", b"a:", b"mx:", b"ptr", b"exists:",
            b"%{i}", b"%{ir}", b"%{l1r-}", b"%{p}", b"%%", b"%_", b"redirect=", b"exp=", b"/24", b"//64", b"ip4:192.0.2.1",
            b"ip6:2001:db8::", b"-", b"~", b"?", b"all", b"example.com", b"." * 3, b"x" * 64],
    "dmarc": [b"v=DMARC1", b"; ", b"p=none", b"p=reject", b"sp=", b"np=", b"psd=y", b"psd=n", b"adkim=s", b"aspf=s", b"t=y",
              b"rua=mailto:a@b.example", b"|", b"\n", b"<a@sender.example>", b"a@example.com", b"<", b">", b"(", b")", b'"', b"\\",
              b",", b"@", b"mail.sender.example", b"\r\nFrom: ", b"\r\n ", b"\xc3\xbc", b"Ana "],
    "arc": [*TAGS, b"\r\nARC-Seal: ", b"\r\nARC-Message-Signature: ", b"\r\nARC-Authentication-Results: ", b"i=1", b"i=2", b"i=50",
            b"cv=none", b"cv=pass", b"cv=fail"],
    "json_bounds": [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b'\\"', b"\\u0000", b"1", b"1e999", b"null", b'"a":', b'{"a":[',
                    b"]}", b"\xff", b"\0", b" ", b"9" * 50, b"NaN"],
}  # fmt: skip


@cache
def samples(name: str) -> list[bytes]:
    """Whole inputs of the target *name*, without the bytes from which its choices are taken."""
    mails = [MAIL, *[path.read_bytes()[:4000] for path in sorted(LETTERS.glob("*.eml"))]]
    found = {
        "smtp_commands": [_sent(path) for path in sorted(DIALOGUES.glob("*.smtp"))],
        "smtp_data": [each + b"\r\n.\r\nQUIT\r\n" for each in mails],
        "smtp_bdat": mails,
        "header_pass": mails,
        "link_tokens": mails,
        "dkim": [_value(signed(bits=1024))],
        "dkim_keys": [rsa_record().encode(), ed25519_record().encode()],
        "spf": [
            b" a mx ptr include:a.example exists:%{ir}.b.example ip4:192.0.2.0/24 ~all\nv=spf1 mx redirect=b.example"
        ],
        "dmarc": [b"v=DMARC1; p=none; psd=y; sp=reject|v=DMARC1; psd=n\nAna <a@sender.example>"],
        "arc": [sealed(times=2)],
        "json_bounds": [b'{"to": ["a@b.c"], "text": "x, \\"y\\"", "headers": [["A", "b"]], "n": [1, -2.5e3, null]}'],
    }
    return found[name]


def _sent(path: Path) -> bytes:
    """What the client of a dialogue sends."""
    parts = [
        text.encode() + b"\r\n" if kind == "C:" else octets(text) for kind, text in read(path) if kind in {"C:", "R:"}
    ]
    return b"".join(parts)[:2000]


def _value(mail: bytes) -> bytes:
    """The value of the field on top, with its folds."""
    return mail[: mail.index(b"\r\nFrom:")].partition(b":")[2].replace(b"\r\n ", b"\r\n")
