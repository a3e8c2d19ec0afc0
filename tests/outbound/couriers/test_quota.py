"""How fast an account may send."""

import pytest

from relay.errors import CourierBusy
from relay.outbound.couriers.quota import UNLIMITED, Allowance, Quota


def quota(**changes):
    made = Quota()
    made.learn(Allowance(**({"a_day": UNLIMITED, "a_second": 2, "sent": 0} | changes)), now=0)
    return made


def test_mails_wait_for_each_other_at_the_accounts_pace():
    one = quota()

    assert [0, 0, 0, 0.5, 1.0] == [one.take(1, now=0) for _ in range(5)]
    assert 0 == one.take(1, now=10)


def test_whoever_would_wait_long_is_sent_back_to_the_queue():
    one = quota()
    one.take(50, now=0)

    with pytest.raises(CourierBusy) as caught:
        one.take(1, now=0)
    assert 24 == caught.value.seconds


def test_the_days_share_counts_what_was_sent_since_it_was_read():
    one = quota(a_day=10, sent=7, a_second=0)
    one.take(3, now=0)

    with pytest.raises(CourierBusy):
        one.take(1, now=0)


def test_what_the_account_said_grows_old():
    one = quota()

    assert (False, True, True) == (one.is_stale(59), one.is_stale(60), Quota().is_stale(0))


def test_an_account_that_does_not_say_is_not_limited_here():
    one = Quota()
    one.learn(None, now=0)

    assert 0 == one.take(10_000, now=0)
