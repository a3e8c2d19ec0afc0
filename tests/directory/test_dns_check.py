"""What DNS shows, and what follows from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from relay.directory.dns_check import (
    MAX_FOUND,
    MAX_TEXT,
    PENDING_OFTEN,
    PENDING_SELDOM,
    UNANSWERED,
    VERIFIED,
    DnsCheck,
    judge,
    next_look,
    state_after,
    unanswered,
)
from relay.directory.dns_records import DnsIdentity, expected_records
from relay.dns.resolver import DnsAnswer
from relay.outbound.couriers.registry import COURIERS
from store.records.domains import RecordState
from store.records.mail import Domain

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
DAY = timedelta(days=1)
DOMAIN = Domain(
    domain="agents.example",
    user_id="usr_1",
    token="0123",
    verified=False,
    verified_at=None,
    is_shared=False,
    created_at=NOW,
)
OWNED = replace(DOMAIN, verified=True, verified_at=NOW)
NONE = DnsIdentity(hostname="mx.here.example")
SES = DnsIdentity(hostname="mx.here.example", sending=COURIERS["ses"].records)


def wanted(purpose, place=NONE):
    return next(each for each in expected_records(DOMAIN, place=place, sending=True) if each.purpose == purpose)


def seen(purpose, *records, place=NONE, exists=None):
    answer = DnsAnswer(records=records, exists=bool(records) if exists is None else exists)
    return judge(wanted(purpose, place), answer, place=place)


@pytest.mark.parametrize(
    ("records", "is_right"),
    [
        (("10 mx.here.example",), True),
        (("0 mx.here.example",), True),
        (("10 MX.Here.Example.",), True),
        (("20 mx.other.example", "10 mx.here.example"), True),
        (("10 mx.other.example", "10 mx.here.example"), True),
        (("5 mx.other.example", "10 mx.here.example"), False),
        (("10 mx.other.example",), False),
        (("10 smx.here.example",), False),
        (("0 .",), False),
        ((), False),
    ],
)
def test_mail_comes_here_if_no_host_is_nearer(records, is_right):
    assert (is_right, records) == (seen("receiving", *records).is_right, seen("receiving", *records).found)


@pytest.mark.parametrize(
    ("place", "records", "is_right"),
    [
        (NONE, ("v=spf1 mx ~all",), True),
        (NONE, ("v=spf1 +mx -all",), True),
        (NONE, ("V=SPF1 MX",), True),
        (NONE, ("other text", "v=spf1 ip4:192.0.2.1 mx -all"), True),
        (SES, ("v=spf1 include:_spf.other.example include:amazonses.com -all",), True),
        (NONE, ("v=spf1 -mx ~all",), False),
        (NONE, ("v=spf1 -all mx",), False),
        (NONE, ("v=spf1 ~ALL mx",), False),
        (NONE, ("v=spf1 mx:other.example -all",), False),
        (NONE, ("v=spf1 mx -all", "v=spf1 -all"), False),
        (NONE, ("v=spf1 mx nonsense",), False),
        (NONE, ("v=spf10 mx",), False),
        (SES, ("v=spf1 mx -all",), False),
        (SES, ("v=spf1 redirect=amazonses.com",), False),
        (NONE, ("other text",), False),
        (NONE, (), False),
    ],
)
def test_spf_is_right_if_it_lets_us_send(place, records, is_right):
    assert is_right == seen("spf", *records, place=place).is_right


def test_of_a_domains_texts_only_spf_is_told():
    assert ("v=spf1 -all",) == seen("spf", "secret-of-somebody=1", "v=spf1 -all").found


@pytest.mark.parametrize(
    ("records", "is_right"),
    [
        (("v=DMARC1; p=none",), True),
        (("v=DMARC1; p=reject; rua=mailto:d@agents.example",), True),
        (("other text", "v=DMARC1;p=quarantine"), True),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), False),
        (("v=DMARC1",), False),
        (("p=none",), False),
        ((), False),
    ],
)
def test_dmarc_is_right_if_there_is_one_policy(records, is_right):
    assert is_right == seen("dmarc", *records).is_right


@pytest.mark.parametrize("exists", [True, False])
def test_dkim_is_right_if_there_is_a_key_of_whatever_name(exists):
    assert DnsCheck(purpose="dkim", is_right=exists, found=()) == seen("dkim", exists=exists)


def test_what_a_stranger_published_is_told_as_text_and_not_without_end():
    notifier = seen("ownership", "a\x1b[2J\x00\x9b\xe9", *["x" * 5000] * 50)

    assert "a\\027[2J\\000\\155\xe9" == notifier.found[0]
    assert (MAX_FOUND, MAX_TEXT) == (len(notifier.found), max(map(len, notifier.found)))
    assert MAX_TEXT == len(seen("ownership", "\x00" * 5000).found[0])


# States

NOTHING = DnsCheck(purpose="spf", is_right=False, found=())
OTHER = DnsCheck(purpose="spf", is_right=False, found=("v=spf1 -all",))
RIGHT = DnsCheck(purpose="spf", is_right=True, found=("v=spf1 mx ~all",))
SILENCE = unanswered(wanted("spf"))
LATER = NOW + DAY


def after(*looks):
    """The state after looks, a day apart."""
    state = None
    for number, look in enumerate(looks):
        state = state_after(state, look, now=NOW + number * DAY)
    return state


@pytest.mark.parametrize(
    ("looks", "status", "missing_since"),
    [
        ([NOTHING], "pending", None),
        ([OTHER], "mismatch", None),
        ([RIGHT], "verified", None),
        ([SILENCE], "unknown", None),
        ([NOTHING, OTHER, SILENCE, NOTHING], "pending", None),
        ([SILENCE, NOTHING], "pending", None),
        ([RIGHT, NOTHING], "missing", LATER),
        ([RIGHT, OTHER], "mismatch", LATER),
        ([RIGHT, SILENCE], "unknown", None),
        ([RIGHT, SILENCE, NOTHING], "missing", LATER + DAY),
        ([RIGHT, NOTHING, NOTHING], "missing", LATER),
        ([RIGHT, NOTHING, SILENCE], "unknown", LATER),
        ([RIGHT, NOTHING, OTHER], "mismatch", LATER),
        ([RIGHT, NOTHING, RIGHT], "verified", None),
        ([RIGHT, NOTHING, RIGHT, NOTHING], "missing", LATER + 2 * DAY),
    ],
)
def test_how_a_record_stands_after_some_looks(looks, status, missing_since):
    state = after(*looks)

    assert (status, missing_since) == (state.status, state.missing_since)
    assert (looks[-1].found, NOW + (len(looks) - 1) * DAY) == (state.found, state.checked_at)


def test_a_record_remembers_when_it_was_last_right():
    assert LATER == after(RIGHT, RIGHT, NOTHING, SILENCE).verified_at


# When to look again


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), PENDING_OFTEN),
        (timedelta(seconds=-1), PENDING_OFTEN),
        (DAY - timedelta(seconds=1), PENDING_OFTEN),
        (DAY, PENDING_SELDOM),
        (7 * DAY - timedelta(seconds=1), PENDING_SELDOM),
        (7 * DAY, None),
        (700 * DAY, None),
    ],
)
def test_a_claim_is_looked_at_often_then_seldom_then_no_more(age, wait):
    now = NOW + age

    assert (now + wait if wait else None) == next_look(DOMAIN, [], now=now)


@pytest.mark.parametrize(
    ("looks", "wait"), [([], VERIFIED), ([RIGHT], VERIFIED), ([NOTHING], VERIFIED), ([SILENCE], UNANSWERED)]
)
def test_a_verified_domain_is_looked_at_daily_and_sooner_when_nobody_answered(looks, wait):
    states: list[RecordState] = [state_after(None, look, now=LATER) for look in looks]

    assert LATER + wait == next_look(OWNED, states, now=LATER)
