from datetime import UTC, datetime

import pytest

from relay.mail.headers import split_headers
from relay.mail.mailbox import Mailbox
from relay.mail.summary import message_ids, summarise
from tests.mail.letters import headers, letter


def test_a_reply_is_summarised():
    summary = summarise(split_headers(letter("reply_with_history")))

    assert summary.subject == "Re: Grüße"
    assert summary.from_ == Mailbox("Jörg Müller", "joerg@example.de")
    assert summary.reply_to == (Mailbox("", "desk@example.de"),)
    assert summary.to == (Mailbox("Support, EU", "support+eu@agents.example"), Mailbox("Bob", "bob@example.com"))
    assert summary.cc == (Mailbox("", "eva@example.com"), Mailbox("Éric", "eric@example.fr"))
    assert summary.date == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert summary.email_message_id == "<3@example.de>"
    assert summary.in_reply_to == "<2@agents.example>"
    assert summary.references == ("<1@example.com>", "<2@agents.example>")
    assert summary.automated is False


def test_a_mail_without_headers_says_nothing():
    summary = summarise(split_headers(b"\r\nbody"))

    assert (summary.subject, summary.from_, summary.to, summary.date) == ("", None, (), None)
    assert (summary.email_message_id, summary.in_reply_to, summary.references) == (None, None, ())


def test_the_topmost_field_of_a_name_counts():
    assert summarise(headers(b"Subject: first", b"Subject: second")).subject == "first"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Auto-Submitted: auto-replied", True),
        (b"Auto-Submitted: auto-generated; owner-email=x", True),
        (b"Auto-Submitted: no", False),
        (b"Auto-Submitted: NO (by hand)", False),
        (b"Auto-Submitted:", False),
        (b"Precedence: bulk", True),
        (b"Precedence: List", True),
        (b"Precedence: junk", True),
        (b"Precedence: first-class", False),
        (b"List-Id: <l.example.com>", True),
        (b"List-Unsubscribe: <https://example.com>", True),
        (b"X-Auto-Response-Suppress: All", True),
        (b"X-Auto-Response-Suppress: OOF, AutoReply", True),
        (b"X-Auto-Response-Suppress: None", False),
        (b"X-Autoreply: yes", True),
        (b"Content-Type: multipart/report; report-type=delivery-status", True),
        (b"Content-Type: Multipart/REPORT", True),
        (b"Content-Type: multipart/mixed", False),
        (b"Subject: Out of office", False),
    ],
)
def test_a_machines_mail_is_known_by_its_own_word(line, expected):
    assert expected is summarise(headers(b"From: a@example.com", line)).automated


def test_a_null_sender_is_a_machine():
    assert summarise(headers(b"From: a@example.com"), null_sender=True).automated is True


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<a@b>", ("<a@b>",)),
        (b"<a@b>\r\n <c@d> noise <a@b>", ("<a@b>", "<c@d>")),
        (b"<a@b><c@d>", ("<a@b>", "<c@d>")),
        (b"a@b", ("<a@b>",)),
        (b"Your message of Monday", ()),
        (b"two@words here@too", ()),
        (b"<<a@b>>", ("<a@b>",)),
        (b"<no space@b>", ()),
        (b"<" + b"x" * 2000 + b"@b>", ()),
        (b"<\xc3\xa9@b>", ("<é@b>",)),
        (b"<a\xc2\x85@b>", ("<a@b>",)),
        (b"<\xc2\x85>", ()),
        (b"", ()),
        (b"<", ()),
    ],
)
def test_ids_are_what_stands_in_angle_brackets(raw, expected):
    assert expected == message_ids(raw)


def test_the_newest_hundred_references_are_kept():
    ids = message_ids(b" ".join(b"<%d@x>" % number for number in range(500)))

    assert (len(ids), ids[0], ids[-1]) == (100, "<400@x>", "<499@x>")
