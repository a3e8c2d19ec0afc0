"""Standard Webhooks signatures, with the published library as the judge."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from relay.signing.secrets import Secret, whsec
from relay.signing.webhook import sign, verify

SECRET = Secret(bytes(range(32)))
OLD_SECRET = Secret(b"o" * 32)
NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
BODY = '{"type":"email.received","data":{"text":"Grüße 📬"}}'.encode()
HEADERS = sign("evt_01", NOW, BODY, [SECRET])


def test_the_published_library_takes_what_we_sign():
    headers = sign("evt_01", datetime.now(UTC), BODY, [SECRET])

    assert Webhook(whsec(SECRET)).verify(BODY, headers)["type"] == "email.received"


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_the_published_library_takes_either_secret_during_a_rotation(secret):
    headers = sign("evt_01", datetime.now(UTC), BODY, [SECRET, OLD_SECRET])

    assert Webhook(whsec(secret)).verify(BODY, headers)


def test_the_published_library_refuses_another_body():
    headers = sign("evt_01", datetime.now(UTC), BODY, [SECRET])

    with pytest.raises(WebhookVerificationError):
        Webhook(whsec(SECRET)).verify(BODY + b" ", headers)


def test_we_take_what_the_published_library_signs():
    signature = Webhook(whsec(SECRET)).sign("evt_01", NOW, BODY.decode())
    headers = {"webhook-id": "evt_01", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature}

    assert verify(headers, BODY, [SECRET], now=NOW).holds


def test_our_signature_is_the_published_librarys():
    assert Webhook(whsec(SECRET)).sign("evt_01", NOW, BODY.decode()) == HEADERS["webhook-signature"]


@given(st.text(max_size=30), st.integers(0, 4_000_000_000))
def test_every_body_is_signed_as_the_published_library_does(text, seconds):
    expected = Webhook(whsec(SECRET)).sign("evt_01", datetime.fromtimestamp(seconds, UTC), text)

    assert expected == sign("evt_01", seconds, text.encode(), [SECRET])["webhook-signature"]


def test_a_fraction_of_a_second_is_dropped():
    headers = sign("evt_01", NOW + timedelta(microseconds=999_999), BODY, [SECRET])

    assert headers == HEADERS


def test_each_secret_signs_once_in_order():
    both = sign("evt_01", NOW, BODY, [SECRET, OLD_SECRET])["webhook-signature"]
    old = sign("evt_01", NOW, BODY, [OLD_SECRET])["webhook-signature"]

    assert both == f"{HEADERS['webhook-signature']} {old}"


def test_names_are_found_in_any_case():
    assert verify({name.title(): value for name, value in HEADERS.items()}, BODY, [SECRET], now=NOW).holds


def test_one_fitting_signature_among_others_is_enough():
    signature = f"v1a,abc v2,x v1,bm90IGl0 junk  {HEADERS['webhook-signature']}"

    assert verify(HEADERS | {"webhook-signature": signature}, BODY, [OLD_SECRET, SECRET], now=NOW).holds


@pytest.mark.parametrize(("expected", "offset"), [(True, -300), (True, 300), (False, -301), (False, 301), (True, 0)])
def test_five_minutes_either_way_are_fresh(expected, offset):
    check = verify(HEADERS, BODY, [SECRET], now=NOW + timedelta(seconds=offset))

    assert expected is check.fresh
    assert check.signature
    assert expected is check.holds
    assert offset == check.age_seconds


def test_the_tolerance_can_be_given():
    assert verify(HEADERS, BODY, [SECRET], now=NOW + timedelta(hours=1), tolerance_seconds=3600).holds


def test_without_a_clock_freshness_is_not_judged():
    check = verify(HEADERS, BODY, [SECRET], now=None)

    assert check.holds
    assert check.fresh is None


def test_an_old_request_says_that_it_is_old():
    check = verify(HEADERS, BODY, [SECRET], now=NOW + timedelta(days=1))

    assert check.reasons == ("the webhook timestamp is more than five minutes from now",)


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_header_is_named(name, value):
    headers = {key: content for key, content in HEADERS.items() if key != name}
    check = verify(headers if value is None else headers | {name: value}, BODY, [SECRET], now=NOW)

    assert not check.holds
    assert (f"the header {name} is missing",) == check.reasons


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_changing_any_header_breaks_the_signature(name):
    assert not verify(HEADERS | {name: HEADERS[name] + "0"}, BODY, [SECRET], now=None).signature


@pytest.mark.parametrize("timestamp", ["soon", "-5", "1.5", "1e9", " 1", "\u0661", "9" * 13])
def test_a_timestamp_that_is_no_whole_number_is_refused(timestamp):
    check = verify(HEADERS | {"webhook-timestamp": timestamp}, BODY, [SECRET], now=NOW)

    assert not check.holds
    assert check.fresh is False


@pytest.mark.parametrize(
    "signature", ["v1", "v1,", ",", " ", "é", "\ud800", "v1," + "A" * 1_000_000, HEADERS["webhook-signature"][3:]]
)
def test_a_signature_in_another_form_does_not_hold(signature):
    assert not verify(HEADERS | {"webhook-signature": signature}, BODY, [SECRET], now=NOW).signature


def test_a_request_with_endless_signatures_is_looked_at_only_so_far():
    signature = "v1,x " * 100_000 + HEADERS["webhook-signature"]

    assert not verify(HEADERS | {"webhook-signature": signature}, BODY, [SECRET], now=NOW).signature


@pytest.mark.parametrize("secrets", [[], [OLD_SECRET]])
def test_another_secret_does_not_verify(secrets):
    check = verify(HEADERS, BODY, secrets, now=NOW)

    assert check.reasons == ("no webhook signature matches the id, the timestamp, the body and the secret",)
