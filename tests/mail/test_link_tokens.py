"""Link tokens are found in every form in which mail carries them, and at a cost linear in the mail's size."""

import base64
import quopri
import re
import textwrap
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from relay.errors import UndecodableMail
from relay.mail.link_tokens import MAX_TOKENS, find_link_tokens, may_hold_link_tokens
from relay.signing.link import ReviewLink, SignInLink, review_token, sign_in_token
from tests.cost import cost

KEY = b"k" * 32
LATER = datetime(2026, 12, 1, tzinfo=UTC)
REVIEW = review_token(
    ReviewLink(message_id="msg_" + "a" * 29, revision=3, user_id="usr_" + "b" * 29, expires_at=LATER), key=KEY
)
SIGN_IN = sign_in_token(SignInLink(user_id="usr_" + "b" * 29, nonce="n" * 22, expires_at=LATER), key=KEY)
TEXT = f"Approve it here:\r\n\r\nhttps://relay.example/review/{REVIEW}\r\n\r\nor sign in: /login/{SIGN_IN}.\r\n"
HTML = f'<p><a href="https://relay.example/review/{REVIEW}">here</a> <a href=/login/{SIGN_IN}>in</a></p>\r\n'


def encoded(raw: bytes, line: int = 76) -> bytes:
    text = base64.b64encode(raw)
    return b"".join(text[at : at + line] + b"\r\n" for at in range(0, len(text), line))


def returned(subtype="rfc822") -> bytes:
    """A delivery report with the letter inside."""
    letter = EmailMessage()
    letter["Subject"] = "Approve?"
    letter.set_content(TEXT.replace("\r\n", "\n"), cte="quoted-printable")
    letter.add_alternative(HTML.replace("\r\n", "\n"), subtype="html", cte="base64")
    report = EmailMessage()
    report["Subject"] = "Undelivered"
    report.set_content("Your mail was not delivered.")
    if subtype == "rfc822":
        report.add_attachment(letter)
    else:
        report.add_attachment(letter.as_bytes(), maintype="application", subtype=subtype)
    return report.as_bytes().replace(b"\n", b"\r\n")


FORMS = {
    "plain": TEXT.encode(),
    "html": HTML.encode(),
    "quoted-printable": quopri.encodestring(TEXT.encode()).replace(b"\n", b"\r\n"),
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded(TEXT.encode()),
    "base64 of odd lines": b"\r\n" + encoded(TEXT.encode(), 61),
    "base64 in base64": b"\r\n" + encoded(b"\r\n" + encoded(TEXT.encode())),
    "quoted": re.sub(rb"^", b"> ", TEXT.encode(), flags=re.MULTILINE),
    "wrapped and quoted": b"".join(
        b"> > " + piece.encode() + b"\r\n" for line in TEXT.splitlines() for piece in textwrap.wrap(line, 60) or [""]
    ),
    "a report": returned(),
    "a report with an attached file": returned("octet-stream"),
    "an address of a redirector": f"https://click.example/?u=https%3A%2F%2Fr%2Freview%2F{REVIEW}&l={SIGN_IN}&x".encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [7, 64, 65536])
def test_a_link_is_found_in_every_form(form, size):
    mail = FORMS[form]

    assert {REVIEW, SIGN_IN} <= find_link_tokens(mail[at : at + size] for at in range(0, len(mail), size))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [7, 64, 65536])
def test_the_quick_look_misses_no_form(form, size):
    mail = FORMS[form]

    assert may_hold_link_tokens(mail[at : at + size] for at in range(0, len(mail), size))


def test_the_quick_look_passes_over_ordinary_mail():
    text = b"Is dinner ready? We lost the game.\r\n" * 2000

    assert not may_hold_link_tokens([text, encoded(text)])
    assert cost(lambda: may_hold_link_tokens([text]), enough=1) < cost(lambda: find_link_tokens([text]), enough=1)


def test_a_link_is_found_behind_a_megabyte_of_attachment():
    mail = b"\r\n" + encoded(bytes(range(256)) * 4000 + TEXT.encode())

    assert {REVIEW, SIGN_IN} <= find_link_tokens(mail[at : at + 65536] for at in range(0, len(mail), 65536))


def test_a_mail_with_more_look_alikes_than_can_be_checked_is_refused():
    mail = "".join(f"bXNnX{'a' * 40}{number:06}.{'s' * 43}\r\n" for number in range(MAX_TOKENS + 1)).encode()

    with pytest.raises(UndecodableMail):
        find_link_tokens([mail])


@pytest.mark.parametrize(
    "piece", [b"bXNnX", b" ", b"a", b"=", b"\t \r\n", b">", b"=\r\n", b"bXNnX.", b"AAAA" * 19 + b"\r\n"]
)
def test_hostile_bytes_cost_no_more_than_their_size(piece):
    small, large = (piece * (size // len(piece)) for size in (50_000, 400_000))

    assert cost(lambda: search(large), enough=1) < 30 * max(0.5, cost(lambda: search(small), enough=1))


def search(mail: bytes) -> None:
    try:
        find_link_tokens(mail[at : at + 65536] for at in range(0, len(mail), 65536))
    except UndecodableMail:
        return
