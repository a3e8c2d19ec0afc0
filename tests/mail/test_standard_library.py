"""Well-formed mails that Python's `email` package writes: both readers find the same words, people and files."""

import email
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.headers import split_headers
from relay.mail.parse import attachments, parse
from relay.mail.summary import summarise

LETTERS = st.characters(categories=("L", "N"), max_codepoint=0x2FFF) | st.sampled_from("abc\u00fc\u0444\u4e2d")
WORD = st.text(LETTERS, min_size=1, max_size=12)
WORDS = st.lists(WORD, min_size=1, max_size=8).map(" ".join)
TEXTS = st.lists(WORDS, min_size=1, max_size=6).map("\n".join)
PEOPLE = st.lists(st.tuples(WORDS, st.integers(0, 999)), min_size=1, max_size=4, unique_by=lambda each: each[1])
IDS = st.lists(st.from_regex(r"[a-z0-9.]{1,20}@[a-z]{1,10}\.example", fullmatch=True), max_size=5, unique=True)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))  # noqa: DTZ001
FILES = st.lists(
    st.tuples(st.from_regex(r"[a-z\u00e9]{1,20}\.(pdf|png|bin)", fullmatch=True), st.binary(min_size=1, max_size=300)),
    max_size=3,
)
ENCODINGS = st.sampled_from(["base64", "quoted-printable", "8bit"])


@st.composite
def mails(draw) -> EmailMessage:
    """A mail with people, ids and a date; words, also as a page; and files."""
    # Unfolded: where the package folds a list of people, some releases encode the comma between two of them.
    mail = EmailMessage(policy=SMTP.clone(cte_type="8bit", max_line_length=100_000))
    name, number = draw(PEOPLE)[0]
    mail["From"] = Address(name, f"a{number}", "example.com")
    for field in ("To", "Cc"):
        mail[field] = [Address(name, f"p{number}", "example.org") for name, number in draw(PEOPLE)]
    mail["Subject"] = draw(WORDS)
    mail["Date"] = format_datetime(draw(TIMES))
    mail["Message-ID"] = "<1@example.com>"
    if ids := draw(IDS):
        mail["In-Reply-To"] = f"<{ids[-1]}>"
        mail["References"] = " ".join(f"<{each}>" for each in ids)
    words = draw(TEXTS)
    mail.set_content(words, cte=draw(ENCODINGS))
    if draw(st.booleans()):
        mail.add_alternative(f"<p>{words}</p>", subtype="html", cte=draw(ENCODINGS))
    for filename, content in draw(FILES):
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=filename)
    return mail


def joined(name: str) -> str:
    """*name* without blanks: the package leaves out the blank where it folds a name, and reads one that is not there.

    Blanks between two encoded words are no part of the text (RFC 2047 section 6.2), which is how we read them.
    """
    return "".join(name.split())


def even(text: str) -> str:
    return text.replace("\r\n", "\n").strip("\n")


@settings(max_examples=40)
@given(mails())
def test_both_find_the_same_words(mail):
    raw = mail.as_bytes()
    found, theirs = parse(raw), email.message_from_bytes(raw, policy=default)

    assert even(theirs.get_body(["plain"]).get_content()) == even(found.text)
    page = theirs.get_body(["html"])
    assert (even(page.get_content()) if page else None) == (even(found.html) if found.html else None)
    assert () == found.defects


@settings(max_examples=40)
@given(mails())
def test_both_find_the_same_people_subject_date_and_ids(mail):
    raw = mail.as_bytes()
    found, theirs = summarise(split_headers(raw)), email.message_from_bytes(raw, policy=default)

    for field, people in (("From", (found.from_,)), ("To", found.to), ("Cc", found.cc)):
        expected = [(joined(each.display_name), each.addr_spec) for each in theirs[field].addresses]
        assert expected == [(joined(each.name), each.address) for each in people]
    assert theirs["Subject"] == found.subject
    assert theirs["Date"].datetime == found.date
    assert ("<1@example.com>", tuple(str(theirs["References"] or "").split())) == (
        found.email_message_id,
        found.references,
    )
    assert (str(theirs["In-Reply-To"]) if theirs["In-Reply-To"] else None) == found.in_reply_to


@settings(max_examples=40)
@given(mails())
def test_both_find_the_same_files(mail):
    raw = mail.as_bytes()
    theirs = [
        (each.get_filename(), each.get_content())
        for each in email.message_from_bytes(raw, policy=default).iter_attachments()
    ]

    assert theirs == [(each.filename, each.content) for each in attachments(raw)]
    assert [len(content) for _, content in theirs] == [each.size for each in parse(raw).attachments]
