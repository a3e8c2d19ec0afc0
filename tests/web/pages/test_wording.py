"""What pages say in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from markupsafe import Markup

from relay.web.pages.template import path, size, when
from relay.web.pages.wording import (
    DELIVERIES,
    REASONS,
    STATUSES,
    end_of_hold,
    outcome_of,
    person,
    short_digest,
    span,
    verdict,
)
from store.outbound.outbound import create_pending_outbound_message
from store.records.mail import DeliveryStatus, MessageStatus, User
from store.records.outbound import HoldReason, OutboundStatus, SendAttempt
from tests.places import new_outbound
from tests.web.world import AUTHENTICATION

AT = datetime(2026, 11, 3, 5, 7, 59, tzinfo=UTC)
ANA = User(id="usr_1", email="ana@owner.example", name="Ana", subject="local:usr_1", created_at=AT)


@pytest.fixture
def message(store, places, clock):
    """A held mail, changed as a test says."""
    store.run(places.poll_agent)
    new = new_outbound("poll@agents.example", at=clock.now())
    held = store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=60))
    return lambda **changes: replace(held, **changes)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=1, hours=23), "47 hours"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(seconds=119), "a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(seconds=-5), "less than a minute"),
    ],
)
def test_a_span_is_told_in_one_unit_and_never_too_long(left, told):
    assert told == span(left)


@pytest.mark.parametrize(
    ("octets", "told"), [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB"), (1_500_000, "1.5 MB")]
)
def test_a_size_is_told_in_a_fitting_unit(octets, told):
    assert told == size(octets)


def test_a_moment_is_told_to_people_and_to_programs():
    assert Markup('<time datetime="2026-11-03T05:07:59Z">3 November 2026, 05:07 UTC</time>') == when(AT)


def test_a_step_of_a_path_is_one_step():
    assert "a%2Fb%40c%3Fd" == path("a/b@c?d")


def test_there_are_words_for_every_status_and_every_reason():
    assert {*get_args(OutboundStatus), *get_args(MessageStatus)} == STATUSES.keys()
    assert set(get_args(DeliveryStatus)) == DELIVERIES.keys()
    assert set(get_args(HoldReason)) == REASONS.keys()


@pytest.mark.parametrize("status", sorted(set(get_args(OutboundStatus)) - {"pending_approval"}))
def test_whatever_became_of_a_mail_is_told(message, status):
    told = outcome_of(message(status=status), reviewer=None, attempts=())

    assert len(told) >= 1
    assert ("not sent" in told[0]) == (status in {"failed", "rejected", "expired_rejected"})


def test_of_a_mail_that_waits_there_is_nothing_to_tell(message):
    assert [] == outcome_of(message(reason="x"), reviewer=ANA, attempts=())


def test_who_decided_when_and_why_is_told(message):
    decided = message(status="rejected", reviewed_at=AT, reason="no")

    assert [
        "Ana <ana@owner.example> rejected the message on 3 November 2026, 05:07 UTC.",
        "The message was not sent.",
        "Reason: no",
    ] == outcome_of(decided, reviewer=ANA, attempts=())


def test_what_a_provider_said_and_when_it_took_the_mail_is_told(message):
    more = {"id": "snd_1", "origin": "approval", "began_at": AT, "provider_message_id": "1", "error": None}
    failed, taken = [SendAttempt(outcome=each, settled_at=AT, **more) for each in ("failed", "sent")]

    assert "454 busy" in outcome_of(message(status="failed", error="454 busy"), reviewer=None, attempts=[failed])[-1]
    assert outcome_of(message(status="sent"), reviewer=None, attempts=[failed, taken])[1].startswith(
        "Accepted for delivery on"
    )


def test_somebody_whose_account_is_gone_has_no_name():
    assert "A deleted user" == person(None)


def test_a_cap_that_was_reached_never_ends_in_a_yes(message):
    assert "the message is not sent" == end_of_hold(message(hold_reason="sends"), "approve")
    assert "the message is sent, as set by the agent's owner" == end_of_hold(message(hold_reason="owner"), "approve")


def test_a_digest_is_shown_by_its_beginning():
    assert ("0123 4567 89ab cdef", "") == (short_digest("0123456789abcdef" * 4), short_digest(None))


def test_a_verdict_s_reasons_come_in_one_order():
    assert ["SPF", "DKIM", "DMARC", "ARC"] == [name for name, _, _ in verdict(AUTHENTICATION)]
    assert ([], []) == (verdict({"verified": True}), verdict(None))
