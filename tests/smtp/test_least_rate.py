"""The least rate of a mail's octets."""

from math import inf

from relay.smtp.least_rate import LeastRate


def test_a_mail_may_be_silent_until_the_end_of_its_minute():
    rate = LeastRate(500, window=60, now=0)
    assert 60 == rate.patience(0)
    rate.arrived(29_999)

    assert 1 == rate.patience(59)
    assert rate.patience(60) <= 0


def test_enough_octets_earn_the_next_minute():
    rate = LeastRate(500, window=60, now=0)
    rate.arrived(30_000)
    assert 110 == rate.patience(10)
    assert 60 == rate.patience(100)
    rate.arrived(10)

    assert 1 == rate.patience(159)
    assert rate.patience(161) <= 0


def test_no_least_rate_is_patient_for_ever():
    assert inf == LeastRate(0, window=60, now=0).patience(10**9)
