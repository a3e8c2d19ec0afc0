"""The table of waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backoff import JITTER, RETRY_SECONDS, total_seconds, wait


def test_the_table_is_the_contracts():
    assert RETRY_SECONDS == (5, 30, 120, 600, 1800, 7200, 21600, 43200, 86400, 86400)


@pytest.mark.parametrize(("expected", "attempts_made"), list(zip(RETRY_SECONDS, range(1, 11), strict=True)))
def test_each_attempt_waits_by_its_own_entry(expected, attempts_made):
    assert expected == wait(attempts_made, RETRY_SECONDS, jitter=0)


@pytest.mark.parametrize("attempts_made", [11, 12, 1000])
def test_nothing_is_waited_for_when_the_table_is_used_up(attempts_made):
    assert wait(attempts_made, RETRY_SECONDS, jitter=0.5) is None


def test_an_empty_table_tries_once():
    assert wait(1, (), jitter=0.5) is None


def test_a_count_below_one_is_taken_as_one():
    assert wait(0, RETRY_SECONDS, jitter=0) == 5.0


@given(st.integers(1, 10), st.floats(0, 1, exclude_max=True))
def test_jitter_adds_a_tenth_at_most_and_takes_nothing(attempts_made, jitter):
    least = RETRY_SECONDS[attempts_made - 1]

    assert least <= wait(attempts_made, RETRY_SECONDS, jitter=jitter) <= least * (1 + JITTER)


def test_the_whole_table_lasts_more_than_two_days():
    assert total_seconds(RETRY_SECONDS) == 5 + 30 + 120 + 600 + 1800 + (2 + 6 + 12 + 24 + 24) * 3600
