"""The table of replies, and what a stranger learns of an error."""

import pytest

from relay.errors import (
    BadAddress,
    BadSecret,
    Deferred,
    DnsUnavailable,
    ForbiddenTarget,
    HeaderTooLarge,
    MailLoop,
    Misconfigured,
    Refused,
    SenderUnproven,
    SpoolFull,
    Unauthenticated,
    UndecodableMail,
    UnknownRecipient,
)
from relay.smtp import replies
from relay.smtp.replies import Reply, accepted, chunk_taken, greeting, hello, mail_outcome, reply_to
from store.errors import AgentNotFound, Unavailable

ALL = [value for value in vars(replies).values() if isinstance(value, Reply)]


@pytest.mark.parametrize(
    ("error", "wire"),
    [
        (UnknownRecipient(), b"550 5.1.1 "),
        (Unauthenticated(), b"550 5.7.26 "),
        (UndecodableMail(), b"550 5.6.0 "),
        (HeaderTooLarge(), b"552 5.3.4 "),
        (BadAddress(), b"553 5.1.3 "),
        (Refused(), b"554 5.7.1 "),
        (SpoolFull(), b"452 4.3.1 "),
        (SenderUnproven(), b"451 4.7.26 "),
        (DnsUnavailable(), b"451 4.4.3 "),
        (Unavailable(), b"451 4.3.0 "),
        (Deferred(), b"451 4.3.0 "),
        (BadSecret(), b"451 4.3.0 "),
        (ForbiddenTarget(), b"451 4.3.0 "),
        (Misconfigured(), b"451 4.3.0 "),
        (RuntimeError(), b"451 4.3.0 "),
        (TimeoutError(), b"451 4.3.0 "),
    ],
)
def test_an_error_is_answered_by_what_the_sender_should_do(error, wire):
    assert wire == reply_to(error).wire[: len(wire)]


@pytest.mark.parametrize("kind", [RuntimeError, Refused, Deferred, UnknownRecipient, OSError])
def test_nothing_of_an_errors_text_reaches_a_stranger(kind):
    assert b"hunter2" not in reply_to(kind("password=hunter2")).wire


@pytest.mark.parametrize("reply", ALL, ids=lambda reply: f"{reply.code}-{reply.text[:20]}")
def test_every_reply_has_an_enhanced_code_of_its_class_but_354(reply):
    if reply.code == 354:
        assert reply.enhanced is None
    else:
        assert str(reply.code)[0] == reply.enhanced[0]


@pytest.mark.parametrize("reply", ALL, ids=lambda reply: f"{reply.code}-{reply.text[:20]}")
def test_every_reply_is_one_short_line_of_printable_ascii(reply):
    assert reply.wire.endswith(b"\r\n")
    assert reply.wire[:-2].decode("ascii").isprintable()
    assert len(reply.wire) <= 512


@pytest.mark.parametrize("reply", [reply for reply in ALL if reply.code in {421, 221}], ids=lambda reply: reply.text)
def test_421_and_221_end_the_connection(reply):
    assert reply.closes


def test_the_promise_names_every_message():
    assert b"250 2.0.0 Accepted as msg_1 msg_2\r\n" == accepted(["msg_1", "msg_2"]).wire


def test_a_greeting_and_hello_have_no_enhanced_code():
    assert b"220 mx.example ESMTP Mailseal\r\n" == greeting("mx.example").wire
    assert b"250 mx.example greets a.example\r\n" == hello("mx.example", "a.example").wire
    assert b"250-mx greets a\r\n250-SIZE 5\r\n250 CHUNKING\r\n" == hello("mx", "a", ("SIZE 5", "CHUNKING")).wire


def test_a_chunk_is_answered_with_its_size():
    assert b"250 2.0.0 17 octets received\r\n" == chunk_taken(17).wire


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("refused", MailLoop()),
        ("refused", Refused()),
        ("deferred", SenderUnproven()),
        ("deferred", Unavailable("the disk is full")),
        ("deferred", AgentNotFound("bot")),
        ("deferred", BadSecret()),  # answered 451: the operator has another master key
        ("failed", ZeroDivisionError()),
        ("failed", OSError()),
    ],
)
def test_a_mail_is_counted_by_its_reply_and_a_bug_apart(outcome, error):
    assert outcome == mail_outcome(error)


def test_the_ids_of_many_recipients_are_lines_of_at_most_512_octets():
    ids = ["msg_" + f"{number:032d}" for number in range(100)]
    lines = accepted(ids).wire.decode().splitlines(keepends=True)

    assert max(len(line) for line in lines) <= 512
    assert all(line.startswith("250-2.0.0 Accepted as msg_") for line in lines[:-1])
    assert lines[-1].startswith("250 2.0.0 Accepted as msg_")
    assert ids == [word for line in lines for word in line[22:].split()]
    assert max(len(line[22:].split()) for line in lines) == 13
