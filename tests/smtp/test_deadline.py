"""One timer, moved at every step."""

from math import inf

from relay.smtp.deadline import Deadline
from relay.smtp.least_rate import LeastRate


class Handle:
    def __init__(self, at, callback):
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self):
        self.cancelled = True


class Loop:
    """Time that only passes when told to."""

    def __init__(self):
        self.now, self.handles = 0.0, []

    def time(self):
        return self.now

    def call_at(self, at, callback):
        self.handles.append(Handle(at, callback))
        return self.handles[-1]

    def go_to(self, now):
        self.now = now
        for handle in [handle for handle in self.handles if handle.at <= now and not handle.cancelled]:
            handle.cancel()
            handle.callback()


def made(bound=inf):
    loop, rung = Loop(), []
    return loop, rung, Deadline(loop, lambda: rung.append(loop.now), bound=bound)


def test_it_rings_once_when_the_time_has_passed():
    loop, rung, deadline = made()
    deadline.within(10)
    loop.go_to(9)
    assert [] == rung
    loop.go_to(10)
    loop.go_to(100)

    assert [10] == rung


def test_moving_it_back_sets_no_new_timer():
    loop, rung, deadline = made()
    for now in range(5):
        loop.now = now
        deadline.within(10)
    assert 1 == len(loop.handles)
    loop.go_to(10)
    assert [] == rung
    loop.go_to(14)

    assert [14] == rung


def test_moving_it_forward_rings_earlier():
    loop, rung, deadline = made()
    deadline.within(300)
    deadline.within(5)
    loop.go_to(5)

    assert [5] == rung


def test_the_end_of_all_bounds_every_step_but_goodbye():
    loop, rung, deadline = made(bound=20)
    loop.now = 15
    deadline.within(10)
    loop.go_to(20)
    assert [20] == rung
    deadline.beyond(5)
    loop.go_to(25)

    assert [20, 25] == rung


def test_a_lifted_one_is_silent_until_set_again():
    loop, rung, deadline = made()
    deadline.within(5)
    deadline.lift()
    loop.go_to(10)
    assert [] == rung
    deadline.within(5)
    loop.go_to(15)

    assert [15] == rung


def test_a_closed_one_leaves_no_timer():
    loop, rung, deadline = made()
    deadline.within(5)
    deadline.close()
    deadline.close()
    loop.go_to(10)

    assert [] == rung
    assert all(handle.cancelled for handle in loop.handles)


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
