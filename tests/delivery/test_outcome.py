"""What an answer means for a delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backoff import RETRY_SECONDS
from relay.delivery.outcome import Dead, Delivered, EndpointGone, Retry, WebhookAnswer, outcome, parse_retry_after

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
HALF = 0.5


def in_seconds(seconds):
    return Retry(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_any_2xx_is_delivered_even_at_the_last_attempt(status):
    assert Delivered() == outcome(WebhookAnswer(status=status), 11, now=NOW, jitter=HALF)


def test_410_ends_the_delivery_at_once():
    assert EndpointGone() == outcome(WebhookAnswer(status=410), 1, now=NOW, jitter=HALF)


@pytest.mark.parametrize(
    "answer",
    [
        *[
            WebhookAnswer(status=status)
            for status in (100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 408, 409, 413, 418)
        ],
        *[WebhookAnswer(status=status) for status in (422, 429, 451, 500, 502, 503, 504, 599, 999)],
        *[WebhookAnswer(error=error) for error in ("timeout", "dns", "forbidden address", "tls: handshake failed")],
        WebhookAnswer(),
    ],
)
def test_everything_else_is_tried_again_by_the_table(answer):
    assert in_seconds(5 * 1.05) == outcome(answer, 1, now=NOW, jitter=HALF)


@pytest.mark.parametrize(("expected", "attempts_made"), list(zip(RETRY_SECONDS, range(1, 11), strict=True)))
def test_each_failure_waits_longer(expected, attempts_made):
    assert in_seconds(expected) == outcome(WebhookAnswer(status=500), attempts_made, now=NOW, jitter=0)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ("status 500", WebhookAnswer(status=500)),
        ("status 302", WebhookAnswer(status=302)),
        ("timeout", WebhookAnswer(error="timeout")),
        ("no answer", WebhookAnswer()),
        ("status 429", WebhookAnswer(status=429, retry_after=5)),
    ],
)
def test_when_the_table_is_used_up_the_delivery_is_dead_and_says_why(expected, answer):
    assert Dead(expected) == outcome(answer, 11, now=NOW, jitter=HALF)


def test_the_operators_table_is_used():
    assert in_seconds(1) == outcome(WebhookAnswer(status=500), 1, (1.0, 2.0), now=NOW, jitter=0)
    assert in_seconds(2) == outcome(WebhookAnswer(status=500), 2, (1.0, 2.0), now=NOW, jitter=0)
    assert Dead("status 500") == outcome(WebhookAnswer(status=500), 3, (1.0, 2.0), now=NOW, jitter=0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("expected", "asked"), [(2, 2), (3600, 3600), (1, 0), (86400, 86401), (86400, 1e20), (1, -5)])
def test_retry_after_is_waited_for_between_a_second_and_a_day(status, expected, asked):
    assert in_seconds(expected) == outcome(WebhookAnswer(status=status, retry_after=asked), 1, now=NOW, jitter=HALF)


@pytest.mark.parametrize("status", [200, 500, 302, 502])
def test_retry_after_of_another_status_is_not_heard(status):
    expected = outcome(WebhookAnswer(status=status), 1, now=NOW, jitter=HALF)

    assert expected == outcome(WebhookAnswer(status=status, retry_after=900), 1, now=NOW, jitter=HALF)


def test_an_endpoint_that_asks_for_patience_often_is_heard_until_the_tables_time_has_passed():
    answer = WebhookAnswer(status=429, retry_after=1)
    since = NOW - timedelta(minutes=1)

    assert in_seconds(1) == outcome(answer, 500, now=NOW, jitter=HALF, since=since)


def test_an_endpoint_that_asks_for_patience_for_ever_is_given_up():
    answer = WebhookAnswer(status=429, retry_after=1)

    assert Dead("status 429") == outcome(answer, 500, now=NOW, jitter=HALF, since=NOW - timedelta(days=9))


def test_other_failures_do_not_profit_from_a_young_delivery():
    assert Dead("status 500") == outcome(WebhookAnswer(status=500), 11, now=NOW, jitter=HALF, since=NOW)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (0, "0"),
        (120, "120"),
        (120, "  120\t"),
        (99999999999999999999.0, "99999999999999999999"),
        (60, "Mon, 23 Nov 2026 15:18:00 GMT"),
        (60, "Mon Nov 23 15:18:00 2026"),
        (60, "Monday, 23-Nov-26 15:18:00 GMT"),
        (60, "Mon, 23 Nov 2026 16:18:00 +0100"),
        (0, "Mon, 23 Nov 2026 15:16:00 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (None, ""),
        (None, "-5"),
        (None, "1.5"),
        (None, "soon"),
        (None, "1e3"),
        (None, "١٢"),
        (None, "9" * 21),
        (None, "Mon, 99 Nov 2026 15:18:00 GMT"),
        (None, "Mon, 23 Nov 2026 99:18:00 GMT"),
        (None, "Mon, 23 Nov 99999 15:18:00 GMT"),
        (None, "Mon, 23 Nov 2026 15:18:00 GMT" + " " * 30 + "x"),
    ],
)
def test_retry_after_is_read_in_both_its_forms(expected, value):
    assert expected == parse_retry_after(value, now=NOW)


@given(st.text(max_size=50))
def test_no_retry_after_raises_anything(value):
    seconds = parse_retry_after(value, now=NOW)

    assert seconds is None or seconds >= 0


@given(st.integers(100, 599), st.integers(1, 15), st.none() | st.floats(0, 1e9), st.floats(0, 1, exclude_max=True))
def test_whatever_is_tried_again_is_tried_in_the_future(status, attempts_made, retry_after, jitter):
    decided = outcome(WebhookAnswer(status=status, retry_after=retry_after), attempts_made, now=NOW, jitter=jitter)

    assert not isinstance(decided, Retry) or decided.at > NOW
