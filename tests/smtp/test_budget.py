"""Shares of the memory for mail in flight."""

from collections import Counter

from relay.smtp.budget import STEP, MemoryBudget

ONE, TWO, THREE = (32, 1), (32, 2), (32, 3)


def test_what_arrived_is_reserved_in_steps_and_given_back():
    budget = MemoryBudget(1024 * STEP)
    mail = budget.reserve(ONE)
    assert 0 == budget.used
    assert mail.cover(1)
    assert STEP == budget.used
    assert mail.cover(STEP)
    assert STEP == budget.used
    assert mail.cover(STEP + 1)
    assert 2 * STEP == budget.used
    mail.end()
    mail.end()

    assert 0 == budget.used
    assert not budget._tally._held


def test_a_peer_holds_a_quarter_at_most_in_all_its_mails():
    bounds = Counter()
    budget = MemoryBudget(1000, count=lambda bound: bounds.update([bound]))
    mails = [budget.reserve(ONE) for _ in range(3)]
    assert mails[0].cover(100)
    assert mails[1].cover(150)
    assert not mails[2].cover(1)
    assert not budget.has_room(ONE, 1)
    assert budget.reserve(TWO).cover(250)

    assert Counter(smtp_mail_bytes_per_peer=2) == bounds


def test_many_peers_together_always_leave_as_much_as_one_of_them_holds():
    budget = MemoryBudget(1000)
    held = []
    for number in range(50):
        mail = budget.reserve((32, number))
        octets = 0
        while mail.cover(octets + 10):
            octets += 10
        held.append(octets)

    assert budget.reserve((32, 99)).cover(1)
    assert all(octets <= 250 for octets in held)


def test_the_budget_is_a_bound_for_all():
    bounds = Counter()
    budget = MemoryBudget(100, largest=100, count=lambda bound: bounds.update([bound]))
    assert budget.reserve(ONE).cover(100)
    assert not budget.reserve(TWO).cover(1)

    assert Counter(smtp_mail_bytes=1) == bounds


def test_one_peer_may_send_the_largest_mail_whatever_its_share():
    budget = MemoryBudget(1000, largest=900)

    assert budget.reserve(ONE).cover(900)
    assert not budget.reserve(ONE).cover(50)
