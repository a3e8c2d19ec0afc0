"""Shares of connections: per network, in all, by rate, and who makes room for whom."""

from collections import Counter
from ipaddress import ip_address

import pytest

from relay.smtp.admission import SmtpPool
from relay.smtp.limits import Limits
from relay.smtp.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_PEER, TOO_MANY_NEW


class Connection:
    """A connection that tells what the pool did to it."""

    def __init__(self, *, has_sent_mail=False, may_end=True):
        self.has_sent_mail = has_sent_mail
        self.may_end = may_end
        self.ended = False
        self.hurries = 0

    def make_room(self):
        self.ended = self.may_end
        return self.may_end

    def hurry(self):
        self.hurries += 1


class Pool:
    """A pool with a clock of the test's own."""

    def __init__(self, **limits):
        self.bounds = Counter()
        self.pool = SmtpPool(Limits(**limits), lambda bound: self.bounds.update([bound]))
        self.now = 0.0

    def enter(self, ip, **kind):
        client = Connection(**kind)
        client.refusal = self.pool.enter(client, ip_address(ip), self.now)
        return client


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
    pool = Pool(max_connections_per_peer=1)
    assert pool.enter(first).refusal is None

    assert (TOO_MANY_FROM_PEER if same else None) == pool.enter(second).refusal


def test_a_48_has_three_times_the_share_of_a_64():
    pool = Pool(max_connections_per_peer=2)
    refusals = [pool.enter(f"2001:db8:0:{number}::1").refusal for number in range(7)]

    assert [None] * 6 + [TOO_MANY_FROM_PEER] == refusals
    assert pool.enter("2001:db8:1::1").refusal is None
    assert 1 == pool.bounds["smtp_connections_per_peer"]


def test_the_rate_of_connections_is_bounded_per_peer_and_fills_up_again():
    pool = Pool(connections_per_minute=60)
    for _ in range(60):
        client = pool.enter("192.0.2.1")
        assert client.refusal in {None, TOO_MANY_FROM_PEER}
        pool.pool.leave(client)
    assert TOO_MANY_NEW == pool.enter("192.0.2.1").refusal
    assert pool.enter("192.0.2.2").refusal is None
    pool.now = 1.01

    assert pool.enter("192.0.2.1").refusal is None
    assert TOO_MANY_NEW == pool.enter("192.0.2.1").refusal
    assert 2 == pool.bounds["smtp_connection_rate"]


def test_a_newcomer_takes_the_place_of_the_oldest_that_sent_no_mail():
    pool = Pool(max_connections=4)
    sender = pool.enter("192.0.2.1", has_sent_mail=True)
    storing = pool.enter("192.0.2.2", may_end=False)
    silent, younger = pool.enter("192.0.2.3"), pool.enter("192.0.2.4")

    assert pool.enter("192.0.2.5").refusal is None
    assert [False, False, True, False] == [each.ended for each in (sender, storing, silent, younger)]
    assert 1 == pool.bounds["smtp_connections_dropped"]


def test_a_peer_that_holds_many_makes_room_first():
    pool = Pool(max_connections=3)
    oldest = pool.enter("192.0.2.1")
    first, second = pool.enter("192.0.2.2"), pool.enter("192.0.2.2")

    assert pool.enter("192.0.2.3").refusal is None
    assert [False, True, False] == [each.ended for each in (oldest, first, second)]


def test_a_full_pool_refuses_where_each_connection_has_sent_mail():
    pool = Pool(max_connections=2)
    pool.enter("192.0.2.1", has_sent_mail=True)
    pool.enter("192.0.2.2", has_sent_mail=True)

    assert TOO_MANY_CONNECTIONS == pool.enter("192.0.2.3").refusal
    assert 1 == pool.bounds["smtp_connections"]


def test_the_reserve_is_for_peers_that_hold_no_connection():
    pool = Pool(max_connections=20)
    held = [pool.enter("192.0.2.1") for _ in range(18)]
    assert [None] * 18 == [each.refusal for each in held]
    again = pool.enter("192.0.2.1")
    newcomer = pool.enter("192.0.2.2")

    assert [None, None] == [again.refusal, newcomer.refusal]
    assert [True] + [False] * 17 == [each.ended for each in held]
    assert 19 == len(pool.pool._members)


def test_most_connections_in_use_makes_all_hurry_once_in_a_second():
    pool = Pool(max_connections=10)
    clients = [pool.enter(f"192.0.2.{number}") for number in range(8)]
    assert not pool.pool.is_crowded
    pool.enter("192.0.2.100")
    pool.enter("192.0.2.101")

    assert pool.pool.is_crowded
    assert {1} == {each.hurries for each in clients}
    pool.now = 1.5
    pool.enter("192.0.2.102")
    assert 2 == clients[-1].hurries


def test_who_leaves_frees_its_place_and_is_forgotten():
    pool = Pool(max_connections=1, max_connections_per_peer=1)
    for _ in range(3):
        client = pool.enter("2001:db8::1", has_sent_mail=True)
        assert client.refusal is None
        assert pool.enter("2001:db8::1").refusal is not None
        pool.pool.leave(client)
        pool.pool.leave(client)

    assert not pool.pool._tally._held
