"""Limits of connections and of memory."""

from ipaddress import ip_address

import pytest

from relay.smtp.admission import ConnectionLimits, MemoryBudget
from relay.smtp.limits import Limits
from relay.smtp.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_PEER


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::1", "0.0.0.0", False),
    ],
)
def test_a_peer_is_an_ipv4_address_or_an_ipv6_64(first, second, same):
    limits = ConnectionLimits(Limits(max_connections_per_peer=1))
    assert limits.enter(ip_address(first)) is None

    assert (TOO_MANY_FROM_PEER if same else None) == limits.enter(ip_address(second))


def test_all_peers_together_are_bounded():
    limits = ConnectionLimits(Limits(max_connections=2))
    limits.enter(ip_address("192.0.2.1"))
    limits.enter(ip_address("192.0.2.2"))

    assert TOO_MANY_CONNECTIONS == limits.enter(ip_address("192.0.2.3"))


def test_who_leaves_frees_its_place_and_is_forgotten():
    limits, peer = ConnectionLimits(Limits(max_connections=1, max_connections_per_peer=1)), ip_address("192.0.2.1")
    for _ in range(3):
        assert limits.enter(peer) is None
        assert limits.enter(peer) is not None
        limits.leave(peer)

    assert not limits._by_peer


def test_a_budget_is_shared_and_given_back():
    budget = MemoryBudget(100)
    one, two = budget.reserve(), budget.reserve()
    assert one.cover(60)
    assert one.cover(50)
    assert not two.cover(41)
    assert two.cover(40)
    assert not one.cover(61)
    assert 100 == budget.used
    one.end()
    one.end()

    assert 40 == budget.used
    assert two.cover(100)
