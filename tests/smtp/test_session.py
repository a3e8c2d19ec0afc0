"""Which command may follow which, and what counts."""

import pytest

from relay.mail.address import Address
from relay.smtp import replies
from relay.smtp.data import DataFault
from relay.smtp.limits import Limits
from relay.smtp.session import FAULT_REPLIES, Admit, SmtpSession, StartChunk, StartData, UpgradeToTls
from store.records.mail import Recipient

BOT = Address("bot", "here.example")
BOT_AGENT = Recipient(address="bot@here.example", on_unverified="deliver", key_id="key_1", sealed=b"")


def session(*lines, offers_tls=False, **limits):
    made = SmtpSession(hostname="mx", limits=Limits(**limits), offers_tls=offers_tls)
    for line in lines:
        step = made.command(line)
        if isinstance(step, Admit):
            made.admitted(step.recipient, BOT_AGENT)
    return made


EHLO, HELO, MAIL, RCPT = b"EHLO a", b"HELO a", b"MAIL FROM:<a@b.example>", b"RCPT TO:<bot@here.example>"
BDAT = b"BDAT 2000"


@pytest.mark.parametrize(
    ("before", "line", "step"),
    [
        ((), MAIL, replies.NEED_HELO),
        ((), RCPT, replies.NEED_MAIL),
        ((), b"DATA", replies.NEED_MAIL),
        ((), b"BDAT 5 LAST", StartChunk(5, last=True, refusal=replies.NEED_MAIL)),
        ((), b"NOOP", replies.OK),
        ((), b"RSET", replies.OK),
        ((), b"QUIT", replies.BYE),
        ((), b"VRFY bot", replies.CANNOT_VERIFY),
        ((), b"EXPN all", replies.NOT_IMPLEMENTED),
        ((), b"HELP", replies.HELP),
        ((), b"WHAT", replies.NOT_A_COMMAND),
        ((), b"STARTTLS", replies.NOT_IMPLEMENTED),
        ((EHLO,), MAIL, replies.SENDER_OK),
        ((HELO,), MAIL, replies.SENDER_OK),
        ((EHLO,), RCPT, replies.NEED_MAIL),
        ((EHLO, MAIL), MAIL, replies.NESTED_MAIL),
        ((EHLO, MAIL), RCPT, Admit(BOT)),
        ((EHLO, MAIL), b"DATA", replies.NEED_RECIPIENT),
        ((EHLO, MAIL), b"BDAT 5", StartChunk(5, last=False, refusal=replies.NEED_RECIPIENT)),
        ((EHLO, MAIL, RCPT), b"DATA", StartData()),
        ((EHLO, MAIL, RCPT), b"DATA now", replies.NO_ARGUMENT),
        ((EHLO, MAIL, RCPT), b"BDAT 5", StartChunk(5, last=False, refusal=None)),
        ((EHLO, MAIL, RCPT, BDAT), b"DATA", replies.CHUNKS_BEGUN),
        ((EHLO, MAIL, RCPT, BDAT), RCPT, replies.CHUNKS_BEGUN),
        ((EHLO, MAIL, RCPT, BDAT), MAIL, replies.NESTED_MAIL),
        ((EHLO, MAIL, RCPT, BDAT), b"BDAT 0 LAST", StartChunk(0, last=True, refusal=None)),
        ((EHLO, MAIL, RCPT, b"RSET"), b"DATA", replies.NEED_MAIL),
        ((EHLO, MAIL, RCPT, b"RSET"), MAIL, replies.SENDER_OK),
        ((EHLO, MAIL, RCPT, EHLO), b"DATA", replies.NEED_MAIL),
        ((EHLO, MAIL, RCPT, HELO), RCPT, replies.NEED_MAIL),
        ((EHLO, MAIL, b"RCPT TO:<bad"), b"DATA", replies.NEED_RECIPIENT),
        ((EHLO, b"MAIL FROM:<bad"), RCPT, replies.NEED_MAIL),
        ((EHLO, b"MAIL FROM:<>", RCPT), RCPT, replies.RECIPIENT_OK),
        ((EHLO, b"MAIL FROM:<>", RCPT), b"RCPT TO:<two@here.example>", replies.NULL_PATH_RECIPIENTS),
        ((EHLO, MAIL, RCPT), b"BDAT 36700161", replies.CHUNK_TOO_LARGE),
        ((), b"BDAT 36700161", replies.CHUNK_TOO_LARGE),
        ((EHLO, b"MAIL FROM:<> SIZE=36700161"), RCPT, replies.NEED_MAIL),
        ((EHLO,), b"MAIL FROM:<> SIZE=36700161", replies.TOO_LARGE),
        ((EHLO,), b"MAIL FROM:<> SIZE=36700160", replies.SENDER_OK),
    ],
)
def test_a_command_is_judged_by_what_went_before(before, line, step):
    assert step == session(*before).command(line)


@pytest.mark.parametrize("line", [b"BDAT x", b"GET /", b"EHLO (", b"BDAT 5 LAST x", b"", b"RCPT TO:<bad"])
def test_a_malformed_line_is_answered_without_a_state(line):
    assert session().command(line).is_error


def test_ehlo_lists_what_the_server_can_do():
    assert (
        b"250-mx greets a\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
        b"250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 LIMITS MAILMAX=1000 RCPTMAX=100\r\n"
    ) == session(offers_tls=True).command(EHLO).wire


def test_starttls_is_offered_only_with_a_certificate_and_once():
    assert b"STARTTLS" not in session().command(EHLO).wire
    secured = session(EHLO, offers_tls=True)
    assert UpgradeToTls() == secured.command(b"STARTTLS")
    secured.secure()

    assert b"STARTTLS" not in secured.command(EHLO).wire
    assert replies.TLS_ALREADY == secured.command(b"STARTTLS")


def test_starttls_needs_ehlo_and_no_argument():
    assert replies.NEED_HELO == session(offers_tls=True).command(b"STARTTLS")
    assert replies.NO_ARGUMENT == session(EHLO, offers_tls=True).command(b"STARTTLS now")


def test_tls_forgets_all_that_was_said_in_the_clear():
    secured = session(EHLO, MAIL, RCPT, offers_tls=True)
    secured.secure()

    assert replies.NEED_MAIL == secured.command(b"DATA")
    assert replies.NEED_HELO == secured.command(MAIL)
    assert "" == secured.helo


@pytest.mark.parametrize(
    ("lines", "tls", "word"),
    [
        ((HELO, MAIL), False, "SMTP"),
        ((EHLO, MAIL), False, "ESMTP"),
        ((EHLO, MAIL), True, "ESMTPS"),
        ((EHLO, MAIL + b" SMTPUTF8"), False, "UTF8SMTP"),
        ((EHLO, MAIL + b" SMTPUTF8"), True, "UTF8SMTPS"),
    ],
)
def test_the_protocol_word_says_how_a_mail_came(lines, tls, word):
    made = session()
    if tls:
        made.secure()
    for line in lines:
        made.command(line)

    assert word == made.protocol


def test_recipients_over_the_limit_are_put_off_and_the_others_stay():
    full = session(EHLO, b"MAIL FROM:<a@b.example>", RCPT, b"RCPT TO:<two@here.example>", max_recipients=2)

    assert replies.TOO_MANY_RECIPIENTS == full.command(b"RCPT TO:<three@here.example>")
    assert replies.RECIPIENT_OK == full.command(RCPT)
    assert StartData() == full.command(b"DATA")


def test_refused_recipients_do_not_fill_the_limit():
    made = session(EHLO, MAIL, max_recipients=1)
    for _ in range(5):
        assert Admit(BOT) == made.command(RCPT)


def test_commands_are_bounded_and_a_kept_mail_starts_the_count_anew():
    made = session(EHLO, b"NOOP", b"NOOP", max_commands=3)
    made.finish(kept=True)
    for _ in range(3):
        assert replies.OK == made.command(b"NOOP")

    assert replies.TOO_MANY_COMMANDS == made.command(b"NOOP")


def test_malformed_commands_are_bounded_too():
    assert replies.TOO_MANY_COMMANDS == session(b"", b"", max_commands=2).command(b"")


def test_chunks_of_some_size_do_not_count_as_commands():
    made = session(EHLO, MAIL, RCPT, *[BDAT] * 50, max_commands=4)

    assert isinstance(made.command(b"BDAT 5"), StartChunk)
    assert replies.TOO_MANY_COMMANDS == made.command(b"BDAT 5")


def test_errors_are_bounded_and_a_kept_mail_starts_the_count_anew():
    made = session(max_errors=2)
    assert [replies.NOT_A_COMMAND] * 2 == [made.answer(replies.NOT_A_COMMAND) for _ in range(2)]
    made.finish(kept=True)
    made.answer(replies.NOT_A_COMMAND)
    made.answer(replies.NOT_A_COMMAND)

    assert replies.TOO_MANY_ERRORS == made.answer(replies.UNKNOWN_RECIPIENT)


def test_our_own_troubles_are_not_counted_against_the_client():
    made = session(max_errors=0)

    assert replies.TRY_LATER == made.answer(replies.TRY_LATER)
    assert replies.OK == made.answer(replies.OK)


def test_a_refused_mail_is_over_and_its_errors_count_on():
    made = session(EHLO, MAIL, RCPT, max_errors=0)
    made.finish(kept=False)

    assert replies.NEED_MAIL == made.command(b"BDAT 5").refusal
    assert replies.TOO_MANY_ERRORS == made.answer(replies.NEED_MAIL)


def test_transactions_are_bounded_whether_kept_or_not():
    made = session(EHLO, MAIL, b"RSET", MAIL, max_transactions=2)
    made.finish(kept=True)

    assert replies.TOO_MANY_TRANSACTIONS == made.command(MAIL)


def test_every_fault_has_its_reply():
    assert set(DataFault) == set(FAULT_REPLIES)
    assert "5.6.11" == FAULT_REPLIES[DataFault.BARE_LINE_END].enhanced
