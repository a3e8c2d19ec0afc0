"""Replies and forwards as drafts."""

import pytest

from relay.errors import BadDraft
from relay.outbound.compose.answering import MessageText, forward, reply
from relay.outbound.compose.original import read_original
from relay.outbound.compose.recipients import settle_recipients
from relay.outbound.compose.subject import forward_subject, reply_subject
from store.records.outbound import OutboundAttachment
from tests.outbound.drafting import PDF, composed, draft

AGENT = "bot@agents.example"
ONE = settle_recipients(to=["x@example.com"], agent=AGENT)
HEAD = (
    b"From: Ana <ana@example.com>\r\nTo: bot@agents.example, bo@example.com\r\nCc: cy@example.com\r\nSubject: Q <b>\r\n"
)
MAIL = (
    HEAD
    + b"Date: Mon, 23 Nov 2026 15:17:00 +0000\r\nMessage-ID: <m@example.com>\r\nReferences: <r@example.com>\r\n\r\nLine <i>\r\n> old\r\n"
)


def test_a_reply_goes_to_the_writer_with_the_mail_quoted():
    answer = reply(read_original(MAIL), MessageText(text="Yes"), agent=AGENT)

    assert (("ana@example.com",), (), "Re: Q <b>") == (answer.draft.to, answer.draft.cc, answer.draft.subject)
    assert "Yes\n\nOn 2026-11-23 at 15:17 UTC, Ana <ana@example.com> wrote:\n> Line <i>\n>> old\n" == answer.draft.text
    assert (("ana@example.com", "Ana"),) == answer.draft.names
    assert ("m@example.com", ("r@example.com", "m@example.com")) == (
        answer.answered.in_reply_to,
        answer.answered.references,
    )


def test_a_reply_to_all_leaves_the_agent_out():
    answer = reply(read_original(MAIL), MessageText(text="Yes"), agent=AGENT, reply_all=True)

    assert (("ana@example.com",), ("bo@example.com", "cy@example.com")) == (answer.draft.to, answer.draft.cc)


def test_reply_to_comes_before_from():
    answer = reply(read_original(b"Reply-To: list@example.com, not an address\r\n" + MAIL), MessageText(), agent=AGENT)

    assert ("list@example.com",) == answer.draft.to


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"Müller, Ana <b>"', "Müller, Ana <b>"),
        ("=?utf-8?q?a=0D=0ABcc=3A_eve=40example.com?=", "a Bcc: eve@example.com"),
        ("=?utf-8?q?=E2=80=AEanA?=", "anA"),
        ('"bo@example.com"', "bo@example.com"),
        ("x" * 5000, "x" * 255),
    ],
)
def test_whoever_is_answered_is_called_what_they_call_themselves_on_one_line(written, name):
    raw = MAIL.replace(b"From: Ana", f"From: {written}".encode())

    answer = reply(read_original(raw), MessageText(text="Yes"), agent=AGENT)

    assert (("ana@example.com",), name) == (answer.draft.to, answer.draft.name_of("ana@example.com"))
    assert [] == [line for line in composed(answer.draft).raw.splitlines() if line.lower().startswith(b"bcc")]


def test_a_reply_to_its_own_mail_goes_where_that_went():
    own = MAIL.replace(b"Ana <ana@example.com>", b"bot@agents.example")

    assert ("bo@example.com",) == reply(read_original(own), MessageText(), agent=AGENT).draft.to


@pytest.mark.parametrize("raw", [b"", b"From: \r\n\r\n", b"From: x\r\nReply-To: y\r\n\r\nhi"])
def test_a_mail_that_names_nobody_has_no_reply(raw):
    with pytest.raises(BadDraft):
        reply(read_original(raw), MessageText(text="Yes"), agent=AGENT)


def test_a_strangers_markup_is_quoted_as_text():
    answer = reply(read_original(MAIL), MessageText(html="<body><p>Yes</p></body>"), agent=AGENT)

    assert answer.draft.text is None
    assert answer.draft.html.endswith("</body>")
    assert "Line &lt;i&gt;" in answer.draft.html
    assert "<i>" not in answer.draft.html


@pytest.mark.parametrize("subject", ["Hi", "Re: Hi", "RE:Hi", "Aw: Sv: Re[2]: Hi", "回复：Hi", " re : Hi"])  # noqa: RUF001
def test_a_reply_has_one_prefix(subject):
    assert "Re: Hi" == reply_subject(subject)


@pytest.mark.parametrize("subject", ["Hi", "Fwd: Hi", "WG: FW: Hi", "转发: Hi"])
def test_a_forward_has_one_prefix(subject):
    assert "Fwd: Hi" == forward_subject(subject)


def test_a_subject_that_no_draft_may_hold_becomes_one():
    assert "Re: Fwd: a b" == reply_subject("Fwd: a\x07b")
    assert "Re: Fwd: a\xa0b" == reply_subject("Fwd: a\xa0b")
    assert 998 == len(reply_subject("x" * 2000))


def test_a_forward_tells_the_mail_and_takes_its_files_along():
    raw = composed(draft(attachments=(PDF,))).raw
    answer = forward(read_original(raw), MessageText(text="See"), recipients=ONE)

    assert (("x@example.com",), "Fwd: Hello") == (answer.draft.to, answer.draft.subject)
    assert answer.draft.text.startswith(
        "See\n\n---------- Forwarded message ----------\nFrom: Bot <bot@agents.example>\n"
    )
    assert [PDF] == list(answer.draft.attachments)


def test_a_whole_mail_is_forwarded_inside_another():
    answer = forward(read_original(MAIL), MessageText(text="See"), recipients=ONE, whole=True)

    assert (
        OutboundAttachment(filename="original.eml", content_type="message/rfc822", content=MAIL),
    ) == answer.draft.attachments
    assert MAIL.removesuffix(b"\r\n") in composed(answer.draft, answered=answer.answered).raw
