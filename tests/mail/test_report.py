"""Reports about a sent message, in the forms in which mail servers write them."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.parse import parse
from relay.mail.report import MAX_RECIPIENTS, read_report
from tests.cost import SECOND, cost


@dataclass(frozen=True)
class Leaf:
    content_type: str
    content: bytes

    def read(self, limit=None):
        return self.content if limit is None else self.content[: limit + 1]


def status(*blocks: str, kind="message/delivery-status") -> Leaf:
    return Leaf(kind, "\n\n".join(["Reporting-MTA: dns; mx.example", *blocks]).encode())


def returned(head: str = "Message-ID: <out-1@agents.example>\nSubject: Hi\n\nbody", kind="message/rfc822") -> Leaf:
    return Leaf(kind, head.encode())


def read(*parts, text="", bounce=True, **fields):
    values = {name.replace("_", "-"): value.encode() for name, value in fields.items()}
    return read_report(parts, values, text, is_bounce=bounce)


def told(report):
    return [(each.address, each.action, each.status) for each in report.recipients]


POSTFIX = """Final-Recipient: rfc822; gone@x.example
Original-Recipient: rfc822;gone@x.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.x.example
Diagnostic-Code: smtp; 550 5.1.1 <gone@x.example>: Recipient address rejected:
    User unknown"""
EXCHANGE = """Original-recipient: rfc822;boss@x.example
Final-recipient: rfc822;boss@x.example
Action: failed
Status: 5.7.134
Diagnostic-code: smtp;550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox"""


@pytest.mark.parametrize(
    ("block", "kind", "recipient"),
    [
        (POSTFIX, "bounce", ("gone@x.example", "failed", "5.1.1")),
        (EXCHANGE, "bounce", ("boss@x.example", "failed", "5.7.134")),
        ("Final-Recipient: RFC822; a@x.example\nAction: delayed\nStatus: 4.4.1", "delay", ("a@x.example", "delayed", "4.4.1")),
        ("Final-Recipient: rfc822;a@x.example\nAction: delivered\nStatus: 2.0.0", "delivered", ("a@x.example", "delivered", "2.0.0")),
        ("Final-Recipient: rfc822;a@x.example\nAction: relayed (to x)\nStatus: 2.1.9", "delivered", ("a@x.example", "relayed", "2.1.9")),
        ("Final-Recipient: <a@x.example>\nStatus: 5.0.0 (undefined status)", "bounce", ("a@x.example", "failed", "5.0.0")),
        ("Final-Recipient: rfc822;a@x.example\nAction: Failed\nDiagnostic-Code: smtp; 552-5.2.2 full", "bounce", ("a@x.example", "failed", "5.2.2")),
        ("Final-Recipient: utf-8; jörg@x.example\nAction: failed\nStatus: 5.1.1", "bounce", ("jörg@x.example", "failed", "5.1.1")),
        ("Final-Recipient: LOCAL;\n <a@x.example>\nAction: FAILED\nStatus: 5.7.1", "bounce", ("a@x.example", "failed", "5.7.1")),
    ],
)  # fmt: skip
def test_a_delivery_report_is_read(block, kind, recipient):
    report = read(status(block), returned())

    assert (kind, [recipient], "<out-1@agents.example>") == (report.kind, told(report), report.email_message_id)


def test_the_worst_that_a_report_says_names_its_kind():
    good, late = (
        "Final-Recipient: rfc822;a@x.example\nAction: delivered",
        "Final-Recipient: rfc822;b@x.example\nAction: delayed",
    )

    assert "delay" == read(status(good, late)).kind
    assert "bounce" == read(status(good, late, POSTFIX)).kind
    assert 3 == len(read(status(good, late, POSTFIX)).recipients)
    assert read(status("Final-Recipient: rfc822;a@x.example")) is None


def test_the_diagnostic_is_one_line():
    (found,) = read(status(POSTFIX)).recipients

    assert "550 5.1.1 <gone@x.example>: Recipient address rejected:    User unknown" == found.diagnostic


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers", "message/global-headers"])
def test_the_id_of_the_returned_message_is_told(kind):
    assert "<a@b>" == read(status(POSTFIX), returned("Subject: x\nMessage-Id:\n <a@b>\n", kind)).email_message_id
    assert read(status(POSTFIX), returned("Subject: x\n\nMessage-ID: <a@b>", kind)).email_message_id is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <a@x.example>", ("complaint", "a@x.example")),
        ("Feedback-Type: fraud\nOriginal-Rcpt-To: rfc822;a@x.example", ("complaint", "a@x.example")),
        ("Feedback-Type: opt-out\nRemoval-Recipient: a@x.example", ("complaint", "a@x.example")),
        ("Feedback-Type: abuse", ("complaint", None)),
        ("Feedback-Type: not-spam\nOriginal-Rcpt-To: a@x.example", None),
        ("Version: 1", None),
    ],
)  # fmt: skip
def test_a_complaint_is_read(fields, expected):
    report = read(Leaf("message/feedback-report", fields.encode()), returned(), bounce=False)

    found = report and (report.kind, report.recipients[0].address if report.recipients else None)
    assert expected == found


@pytest.mark.parametrize(
    ("disposition", "is_read"),
    [
        ("manual-action/MDN-sent-manually; displayed", True),
        ("automatic-action/MDN-sent-automatically; displayed/warning", True),
        ("manual-action/MDN-sent-manually; deleted", False),
        ("displayed", False),
    ],
)
def test_a_read_receipt_is_read(disposition, is_read):
    content = f"Final-Recipient: rfc822;a@x.example\nOriginal-Message-ID: <out@b>\nDisposition: {disposition}"
    report = read(Leaf("message/disposition-notification", content.encode()), bounce=False)

    assert is_read == (report is not None)
    assert report is None or ("read", "<out@b>", "a@x.example") == (
        report.kind,
        report.email_message_id,
        report.recipients[0].address,
    )


EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  gone@x.example
    host mx.x.example [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<gone@x.example>:
    550 5.1.1 no such user

------ This is a copy of the message, including all the headers. ------

Message-ID: <out-1@agents.example>
To: gone@x.example
"""
QMAIL = """Hi. This is the qmail-send program at x.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<gone@x.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Message-ID: <out-1@agents.example>
"""


@pytest.mark.parametrize(
    ("text", "fields"),
    [(EXIM, {"x_failed_recipients": "gone@x.example"}), (EXIM, {}), (QMAIL, {})],
)
def test_a_bounce_in_words_is_read(text, fields):
    report = read(text=text, subject="Mail delivery failed: returning message to sender", **fields)

    assert ("bounce", "<out-1@agents.example>") == (report.kind, report.email_message_id)
    assert [("gone@x.example", "failed", "5.1.1")] == told(report)


def test_a_delay_in_words_is_no_bounce():
    text = "Message is delayed.\n\n  slow@x.example\n    4.4.1 connection timed out\n"

    assert "delay" == read(text=text, subject="Warning: message delayed 24 hours").kind


def test_words_of_people_are_no_report():
    assert read(text=EXIM, bounce=False) is None
    assert read(text="write to a@x.example\nor call", bounce=True) is None
    assert read(Leaf("text/plain", b"Final-Recipient: rfc822;a@x.example\nAction: failed")) is None


def test_a_report_about_very_many_recipients_is_cut():
    blocks = [f"Final-Recipient: rfc822;a{n}@x.example\nAction: failed\nStatus: 5.1.1" for n in range(1000)]

    assert MAX_RECIPIENTS >= len(read(status(*blocks)).recipients) > 90


@pytest.mark.parametrize(
    "unit",
    ["a@b\n", "<a@b>:\n", "\n", " ", "5.1.1 ", "Message-ID:", "x;", "a@b 5.1.1\n", "Final-Recipient: rfc822;a@b\n\n"],
)
def test_no_report_costs_more_than_its_length(unit):
    content = (unit * (400_000 // len(unit))).encode()
    leaves = [Leaf(kind, content) for kind in ("message/rfc822", "message/delivery-status")]

    assert cost(lambda: read(*leaves, text=content.decode(), x_failed_recipients=content.decode())) < SECOND / 2
    assert cost(lambda: read(text=content.decode(), x_failed_recipients=content.decode())) < SECOND / 2


@given(
    st.sampled_from(["message/delivery-status", "message/feedback-report", "message/disposition-notification", "message/rfc822"]),
    st.binary(max_size=200) | st.text("Final-Recipient: rfc822;@.5\n<>", max_size=200).map(str.encode),
    st.text(max_size=200),
)  # fmt: skip
def test_no_report_fails(kind, content, text):
    report = read(Leaf(kind, content), text=text, x_failed_recipients=text)

    assert report is None or all(each.address.isprintable() for each in report.recipients)


def test_the_report_of_a_whole_message_is_told():
    raw = b"\r\n".join(
        [
            b"From: MAILER-DAEMON@mx.example", b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', b"",
            b"--b", b"", b"It failed.", b"--b", b"Content-Type: message/delivery-status", b"",
            b"Reporting-MTA: dns; mx.example", b"", *POSTFIX.encode().split(b"\n"),
            b"--b", b"Content-Type: message/rfc822", b"", b"Message-ID: <out@agents.example>", b"", b"hi", b"--b--", b"",
        ]
    )  # fmt: skip

    report = parse(raw).report

    assert ("bounce", "<out@agents.example>") == (report.kind, report.email_message_id)
    assert parse(EXIM.replace("\n", "\r\n").encode()).report is None
    assert (
        "bounce"
        == parse(b"X-Failed-Recipients: gone@x.example\r\n\r\n" + EXIM.replace("\n", "\r\n").encode()).report.kind
    )
