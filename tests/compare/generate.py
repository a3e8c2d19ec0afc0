"""Random mails as programs write them, each with what its author meant, and some damaged on the way.

A mail is a function of its seed: ``make_mail(7)`` is the same in each run.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from random import Random
from typing import Final

from tests.compare import damage, written

WORDS = {
    "utf-8": "Zażółć gęślą jaźń naïve Grüße señor “quoted” €5 日本語 привет 🙂 fin",
    "iso-8859-1": "Grüße aus Köln déjà vu señor Ærø fin",
    "windows-1252": "Preis €5 “quoted” € déjà vu fin",
    "iso-8859-2": "Zażółć gęślą jaźń Čeština fin",
    "iso-8859-15": "Œuvre à €5 fin",
    "windows-1251": "Добрый день Счёт за май № fin",
    "koi8-r": "Добрый день Счёт за май fin",
    "iso-2022-jp": "ご注文ありがとうございます 東京都 fin",
    "shift_jis": "ご注文ありがとうございます 東京都 fin",
    "euc-jp": "ご注文ありがとうございます 東京都 fin",
    "gb2312": "您的订单已发货 北京 fin",
    "gbk": "您的訂單已發貨 镕 fin",
    "big5": "您的訂單已出貨 臺北 fin",
    "euc-kr": "안녕하세요 주문 확인 fin",
    "us-ascii": "Please find the report below and the end fin",
}
NAMES = ("Ana Gross", "Gross, Ana", 'Ana "Nan" Gross', "José Álvarez", "山田 太郎", "Анна Ёлкина", "O'Neil (Ops)", "")
SUBJECTS = (
    "Offer 17",
    "Grüße zum Angebot Nr. 17",
    "【重要】ご注文の確認",
    "Счёт за май",
    "a" * 90 + " end",
    "=not coded?= x",
    "Re: 5 < 6",
)
FILES = (
    "report.pdf",
    "Übersicht 2026.pdf",
    "請求書.pdf",
    "a very long name of a file " * 3 + ".pdf",
    "semi;colon.pdf",
    "plain",
)
_PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(64)
_PICTURE: Final = (
    [
        b"Content-Type: image/png; name=logo.png",
        b"Content-ID: <logo@x>",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: inline; filename=logo.png",
    ],
    written.base64_lines(_PNG),
)
_PICTURE_AS_READ: Final = ("logo.png", "image/png", sha256(_PNG).hexdigest())
_WITH_PICTURE: Final = (5, 6)  # kinds of structure
ZONES = (0, 60, -300, 330, 540, -720)


@dataclass(frozen=True, slots=True)
class Made:
    """A mail and what its author meant; `truth` is None for a damaged one."""

    raw: bytes
    truth: dict | None
    damage: str


def make_mail(seed: int) -> Made:
    """The mail of *seed*; about one in four is damaged."""
    chance = Random(seed)
    truth, fields = _fields(chance)
    head, body = _structure(chance, truth)
    raw = b"\r\n".join([*fields, *head]) + b"\r\n\r\n" + body
    if chance.random() < 0.75:
        return Made(raw, truth, "")
    name = chance.choice(list(damage.KINDS))
    return Made(damage.KINDS[name](raw, chance), None, name)


def _fields(chance: Random) -> tuple[dict, list[bytes]]:
    """The truth about the fields, and the fields as written."""
    truth: dict = {"reply_to": [], "cc": [], "in_reply_to": None, "references": [], "html": False, "attachments": []}
    truth["subject"] = chance.choice(SUBJECTS)
    fields = [written.unstructured(chance, b"Subject", truth["subject"])]
    for name, most in (("from", 1), ("to", 3), ("cc", 2), ("reply_to", 1)):
        count = 1 if name in ("from", "to") else chance.choice((0, 0, 1, most))
        count = chance.randint(1, most) if name == "to" else count
        people = [(chance.choice(NAMES), f"{name}{number}@mail{number}.example") for number in range(count)]
        truth[name] = [address for _, address in people]
        if people:
            fields.append(written.addresses(chance, name.replace("_", "-").title().encode(), people))
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(300 * 86400))
    truth["date"] = moment.timestamp()
    fields.append(
        b"Date: " + written.date(chance, moment.astimezone(timezone(timedelta(minutes=chance.choice(ZONES)))))
    )
    truth["message_id"] = f"{chance.randrange(10**12)}.ABC@mail.example"
    fields.append(f"Message-ID: <{truth['message_id']}>".encode())
    if chance.random() < 0.5:
        ids = [f"{number}.{chance.randrange(10**9)}@mail.example" for number in range(chance.randint(1, 12))]
        truth["references"], truth["in_reply_to"] = ids, ids[-1]
        fields += [f"In-Reply-To: <{ids[-1]}>".encode(), written.ids(chance, b"References", ids)]
    chance.shuffle(fields)
    return truth, [*fields, b"MIME-Version: 1.0"]


def _structure(chance: Random, truth: dict) -> tuple[list[bytes], bytes]:
    """The fields of the content and the body of a random structure."""
    charset = chance.choice(list(WORDS))
    words = WORDS[charset]
    truth["text"] = _plain(words)
    plain = _text(chance, "plain", charset, _plain(words))
    page = _text(chance, "html", charset, _page(words))
    kind = chance.randrange(11)
    truth["html"] = kind not in (0, 2, 8, 9)
    if kind in _RARE:
        return _RARE[kind](chance, truth, plain)
    choice = _multipart(chance, b"alternative", [plain, page])
    related = _multipart(chance, b"related", [page, _PICTURE])
    if kind in _WITH_PICTURE:
        truth["attachments"].append(_PICTURE_AS_READ)
    simple = {0: plain, 1: page, 3: choice, 5: related}
    if kind in simple:
        return simple[kind]
    if kind == 6:
        return _multipart(chance, b"alternative", [plain, related])
    if kind == 7:
        choice = _multipart(chance, b"mixed", [choice, *_files(chance, truth, 1)])
    return _multipart(chance, b"mixed", [plain if kind == 2 else choice, *_files(chance, truth, 2)])


def _with_mail(chance: Random, truth: dict, plain: tuple[list[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """A text and a forwarded mail."""
    inner = b"From: Bob <bob@mail.example>\r\nSubject: The pump\r\n\r\nIt leaks again, please call.\r\n"
    truth.pop("attachments")  # readers differ in whether they list or open it
    head = [b"Content-Type: message/rfc822", b"Content-Disposition: attachment"][: chance.randint(1, 2)]
    return _multipart(chance, b"mixed", [plain, (head, inner)])


def _report(chance: Random, truth: dict, plain: tuple[list[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """A bounce (RFC 3464)."""
    status = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bob@mail.example\r\nAction: failed\r\n"
    truth.pop("attachments")
    parts = [plain, ([b"Content-Type: message/delivery-status"], status + b"Status: 5.1.1\r\n")]
    head = [b"Content-Type: text/rfc822-headers"]
    return _multipart(chance, b"report; report-type=delivery-status", [*parts, (head, b"Subject: lost\r\n")])


def _newsletter(chance: Random, truth: dict, _: tuple[list[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """A page with a hidden preheader, cells, a link and an entity."""
    page = (
        "<html><head><title>News</title><style>p{margin:0}</style></head><body>"
        '<div style="display:none;max-height:0">Only today</div><table><tr><td>Total</td><td>12.50&nbsp;&euro;</td></tr>'
        '</table><p>Read <a href="https://x.example/r?a=1&amp;b=2">the offer</a></p></body></html>\r\n'
    )
    truth["text"] = "Total 12.50 Read the offer https://x.example/r?a=1&b=2"
    return _text(chance, "html", chance.choice(("utf-8", "iso-8859-1", "us-ascii")), page)


_RARE: Final = {8: _with_mail, 9: _report, 10: _newsletter}


def _plain(words: str) -> str:
    return "Hello,\r\n\r\n" + words + "\r\n\r\n> quoted = line\r\nFrom here on\r\n"


def _page(words: str) -> str:
    return f"<html><body><p>Hello,</p><p>{words}</p><p>&gt; quoted = line<br>From here on</p></body></html>\r\n"


def _text(chance: Random, kind: str, charset: str, text: str) -> tuple[list[bytes], bytes]:
    return written.text_part(chance, kind, charset, text)


def _files(chance: Random, truth: dict, most: int) -> list[tuple[list[bytes], bytes]]:
    parts = []
    for _ in range(chance.randint(1, most)):
        name, content = chance.choice(FILES), chance.randbytes(chance.choice((1, 57, 700)))
        name = name.strip()
        parts.append((written.file_fields(chance, name), written.base64_lines(content)))
        truth["attachments"].append((name, "application/pdf", sha256(content).hexdigest()))
    return parts


def _multipart(chance: Random, kind: bytes, parts: list[tuple[list[bytes], bytes]]) -> tuple[list[bytes], bytes]:
    boundary = chance.choice((b"--=_Part_%d", b"b%d", b"_%d'()+,./:=?", b"Apple-Mail=_%d")) % chance.randrange(10**9)
    preamble = chance.choice((b"", b"This is a multi-part message in MIME format.\r\n"))
    body = b"".join(
        b"--" + boundary + b"\r\n" + b"\r\n".join(head) + b"\r\n\r\n" + part + b"\r\n" for head, part in parts
    )
    head = b"Content-Type: multipart/" + kind + chance.choice((b"; ", b";\r\n\t")) + b'boundary="' + boundary + b'"'
    return [head], preamble + body + b"--" + boundary + b"--" + chance.choice((b"", b"\r\n", b"\r\nepilogue\r\n"))
