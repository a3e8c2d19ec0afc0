import pytest

from relay.jobs.retention import FIRST_ROWS, MOST_ROWS, TARGET_SECONDS, next_rows

QUICK = TARGET_SECONDS / 4


@pytest.mark.parametrize(("rows", "then"), [(1000, 500), (9, 4), (2, 1), (1, 1)])
def test_a_batch_that_took_too_long_is_followed_by_one_of_half_its_rows(rows, then):
    assert then == next_rows(rows, filled=rows, seconds=TARGET_SECONDS + 0.001)


def test_a_batch_that_took_too_long_for_little_is_halved_too():
    assert 50 == next_rows(100, filled=1, seconds=TARGET_SECONDS * 2)


@pytest.mark.parametrize(("rows", "then"), [(1, 2), (8, 10), (100, 113), (999, 1000), (1000, 1000)])
def test_a_quick_batch_is_followed_by_a_slightly_larger_one(rows, then):
    assert then == next_rows(rows, filled=rows, seconds=QUICK)


def test_a_batch_that_did_not_find_enough_says_nothing_of_a_larger_one():
    assert 100 == next_rows(100, filled=99, seconds=0.0)


def test_a_batch_that_took_about_as_long_as_it_may_is_followed_by_one_like_it():
    assert 100 == next_rows(100, filled=100, seconds=TARGET_SECONDS * 0.9)


@pytest.mark.parametrize("row_seconds", [0.0, 0.000_01, 0.000_1, 0.001, 0.01, 1.0])
def test_batches_come_to_take_no_longer_than_they_may(row_seconds):
    rows, longest = FIRST_ROWS, []
    for _ in range(200):
        longest.append(rows * row_seconds)
        rows = next_rows(rows, filled=rows, seconds=rows * row_seconds)

    assert max(longest[10:]) <= max(TARGET_SECONDS, row_seconds)
    assert max(longest[10:]) >= min(TARGET_SECONDS / 2, MOST_ROWS * row_seconds)
