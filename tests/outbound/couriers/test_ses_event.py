# ruff: noqa: PLR0917 (pytest hands a table's columns over by name)
"""Events of SES as they are read: what counts, what is passed over, and what a row can hold of them."""

from datetime import UTC, datetime

import pytest

from relay.outbound.couriers.ses.events import parse_event
from relay.outbound.feedback.provider_event import ProviderEvent, RecipientFeedback
from tests.outbound.feedback.told import (
    AT,
    BO,
    CY,
    PROVIDER_ID,
    as_notification,
    bounce,
    complaint,
    delay,
    delivery,
    mail,
    reject,
    rendering_failure,
    send,
    text,
)

WHEN = datetime(2026, 11, 23, 15, 16, 30, tzinfo=UTC)


def without(event, *path):
    """*event* with a field taken out."""
    *way, last = path
    inner = event
    for step in way:
        inner = inner[step]
    del inner[last]
    return event


def with_value(event, value, *path):
    *way, last = path
    inner = event
    for step in way:
        inner = inner[step]
    inner[last] = value
    return event


@pytest.mark.parametrize(
    ("event", "kind", "event_id", "is_permanent", "at", "recipients"),
    [
        (send(), "accepted", PROVIDER_ID, False, None, []),
        (delivery(BO, CY), "delivered", PROVIDER_ID, False, WHEN, [BO, CY]),
        (bounce(BO), "bounced", "0100-bounce", True, WHEN, [BO]),
        (bounce(BO, kind="Transient"), "bounced", "0100-bounce", False, WHEN, [BO]),
        (bounce(BO, kind="Undetermined"), "bounced", "0100-bounce", False, WHEN, [BO]),
        (complaint(BO), "complained", "0100-complaint", True, WHEN, [BO]),
        (complaint(BO, feedback_type=None), "complained", "0100-complaint", True, WHEN, [BO]),
        (delay(BO), "delayed", f"{PROVIDER_ID}/2026-11-23T15:16:30+00:00", False, WHEN, [BO]),
        (reject(), "rejected", PROVIDER_ID, True, None, [BO, CY]),
        (rendering_failure(), "rejected", PROVIDER_ID, True, None, [BO, CY]),
    ],
)
@pytest.mark.parametrize("form", [lambda event: event, as_notification], ids=["event", "notification"])
def test_each_step_of_a_mail_s_way_is_read(form, event, kind, event_id, is_permanent, at, recipients):
    read = parse_event(text(form(event)))

    assert (kind, event_id, PROVIDER_ID, is_permanent, at) == (
        read.kind, read.event_id, read.provider_message_id, read.is_permanent, read.at,
    )  # fmt: skip
    assert recipients == [each.address for each in read.recipients]


def test_what_was_said_is_kept_with_whom_it_was_said_of():
    assert (
        RecipientFeedback(recipient=BO, address=BO, detail="smtp; 550 5.1.1 unknown")
        == parse_event(text(bounce())).recipients[0]
    )
    assert (
        "Permanent General"
        == parse_event(text(without(bounce(), "bounce", "bouncedRecipients", 0, "diagnosticCode"))).recipients[0].detail
    )
    assert "250 ok: Message 64111812 accepted" == parse_event(text(delivery())).recipients[0].detail
    assert "abuse" == parse_event(text(complaint())).recipients[0].detail
    assert "Bad content" == parse_event(text(reject())).recipients[0].detail
    assert "Attribute 'name' is not present" == parse_event(text(rendering_failure())).recipients[0].detail


@pytest.mark.parametrize(
    ("about", "attempt", "message"),
    [
        ({"attempt": "snd_0abc"}, "snd_0abc", None),
        ({"message_id": "msg_0abc"}, None, "msg_0abc"),
        ({"attempt": "snd_0abc", "message_id": "msg_0abc"}, "snd_0abc", "msg_0abc"),
        ({}, None, None),
        ({"attempt": "snd_0\0"}, None, None),
        ({"attempt": "SND_0"}, None, None),
        ({"attempt": ""}, None, None),
        ({"attempt": "snd_" + "0" * 100}, None, None),
        ({"message_id": "msg_0\r\nX: y"}, None, None),
        ({"message_id": "snd_0"}, None, None),
        ({"tags": None, "headers": None}, None, None),
        ({"tags": {"mailseal-attempt": []}, "headers": []}, None, None),
        ({"headers": [{"name": "x-mailseal-message-id", "value": "msg_1"}]}, None, "msg_1"),
    ],
)
def test_which_mail_it_is_about_is_read_where_it_can_be_ours(about, attempt, message):
    read = parse_event(text(bounce(**about)))

    assert (attempt, message) == (read.attempt_id, read.message_id)


@pytest.mark.parametrize(
    ("written", "recipient", "address"),
    [
        ("Bo@READER.example", BO, BO),
        ("Bo B. <bo@reader.example>", BO, BO),
        ("<bo@reader.example>", BO, BO),
        ("bo@bücher.example", "bo@xn--bcher-kva.example", "bo@xn--bcher-kva.example"),
        ("", "", None),
        ("nobody", "nobody", None),
        ("bo@reader.example, cy@reader.example", "bo@reader.example, cy@reader.example", None),
        ("bo\0@reader.example\n", "bo @reader.example", None),
        ("x" * 1000, "x" * 320, None),
        ("bo@" + "a" * 300, ("bo@" + "a" * 300)[:320], None),
    ],
)
def test_a_recipient_that_is_no_address_is_told_and_no_address(written, recipient, address):
    (told,) = parse_event(text(bounce(written))).recipients

    assert (recipient, address) == (told.recipient, told.address)


def test_a_recipient_told_twice_is_one():
    assert [BO, CY] == [each.recipient for each in parse_event(text(bounce(CY, BO, "BO@reader.example"))).recipients]


def test_what_a_row_could_not_hold_is_cut_and_cleaned():
    long = "x" * 600
    event = with_value(
        bounce(feedback_id=f"a\0b{long}"), f"550\r\n{long}", *["bounce", "bouncedRecipients"], 0, "diagnosticCode"
    )

    read = parse_event(text(event))

    assert (200, 500) == (len(read.event_id), len(read.recipients[0].detail))
    assert read.event_id.startswith("a bx")
    assert read.recipients[0].detail.startswith("550  xx")


@pytest.mark.parametrize(
    "told",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "",
        "null",
        "[]",
        "{}",
        "7",
        '{"eventType": "Bounce"}',
        "[" * 100_000,
        '{"eventType": "\\ud800"}',
        "\ud800",
        text({"eventType": "Open", "mail": mail(), "open": {"ipAddress": "192.0.2.1"}}),
        text({"eventType": "Click", "mail": mail(), "click": {"link": "https://x.example"}}),
        text({"eventType": "Subscription", "mail": mail()}),
        text({"eventType": "Bounce", "mail": mail()}),
        text({"eventType": "Delivery", "mail": mail()}),
        text({"eventType": "Complaint", "mail": mail()}),
        text({"eventType": "DeliveryDelay", "mail": mail()}),
        text({"eventType": 7, "mail": mail()}),
        text({"mail": mail()}),
        text(complaint(feedback_type="not-spam")),
        text(with_value(bounce(), [], "mail")),
        text(with_value(bounce(), "", "mail", "messageId")),
        text(with_value(bounce(), "x" * 201, "mail", "messageId")),
        text(without(bounce(), "mail", "messageId")),
        text(with_value(bounce(), "yesterday", "bounce", "timestamp")),
        text(with_value(bounce(), "2026-11-23T15:16:30", "bounce", "timestamp")),
        text(with_value(bounce(), "0001-01-01T00:00:00+14:00", "bounce", "timestamp")),
        text(with_value(bounce(), "9999-12-31T23:59:59-14:00", "bounce", "timestamp")),
        text(with_value(bounce(), 7, "bounce", "timestamp")),
        text(without(bounce(), "bounce", "feedbackId")),
        text(with_value(bounce(), [7], "bounce", "bouncedRecipients")),
        text(with_value(bounce(), [{"emailAddress": None}], "bounce", "bouncedRecipients")),
        text(with_value(bounce(), {"mailseal-attempt": "snd_1"}, "mail", "tags")),
        text(bounce(*[f"{n}@reader.example" for n in range(101)])),
        text(with_value(reject(), [BO] * 101, "mail", "destination")),
    ],
)  # fmt: skip
def test_what_tells_nothing_of_a_mail_s_way_is_passed_over(told):
    assert None is parse_event(told)


def test_an_event_says_which_of_several_delays_it_is():
    first, second = (parse_event(text(delay(at=at))) for at in (AT, "2026-11-23T16:16:30.000Z"))

    assert isinstance(first, ProviderEvent)
    assert first.event_id != second.event_id
