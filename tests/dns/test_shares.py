"""Shares of the queries in progress: bounds, order, and that every slot comes back."""

from collections import Counter
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.authenticate import peer_share
from relay.dns.resolver import Asker, Rank
from relay.dns.shares import DnsShares, ShareLimits


def taken(tickets):
    return [ticket.asker for ticket in tickets if ticket.granted.done() and ticket.granted.result()]


async def test_a_free_slot_is_granted_at_once():
    shares = DnsShares()

    assert shares.enter(Asker("a", 1)).granted.result()
    assert (1, 0) == (shares.held, shares.waiting)


async def test_a_message_holds_no_more_than_its_share_and_the_author_goes_first():
    shares = DnsShares(ShareLimits(mail=4))
    late = [shares.enter(Asker("a", 1, Rank.ARC)) for _ in range(10)]
    other = [shares.enter(Asker("a", 1, Rank.OTHER)) for _ in range(10)]
    author = [shares.enter(Asker("a", 1, Rank.AUTHOR)) for _ in range(3)]

    assert (1, 3, 0) == (len(taken(late)), len(taken(other)), len(taken(author)))
    for _ in range(3):
        shares.give_back(Asker("a", 1, Rank.OTHER))
    assert 3 == len(taken(author))


async def test_a_peer_holds_no_more_than_its_share():
    shares = DnsShares(ShareLimits(total=100, peer=20))
    many = [shares.enter(Asker("a", number)) for number in range(100)]
    one = shares.enter(Asker("b", 1000))

    assert 20 == len(taken(many))
    assert one.granted.result()


async def test_the_reserve_is_for_peers_that_hold_hardly_any():
    shares = DnsShares(ShareLimits(total=40, peer=40))
    many = [shares.enter(Asker(str(number % 5), number)) for number in range(200)]
    new = [shares.enter(Asker("new", 1000)) for _ in range(5)]

    assert 30 == len(taken(many))
    assert 3 == len(taken(new))


async def test_free_slots_go_to_the_waiting_peers_in_turn():
    shares = DnsShares(ShareLimits(total=20, peer=20))
    first = [shares.enter(Asker("a", number)) for number in range(50)]
    second = [shares.enter(Asker("b", 100 + number)) for number in range(50)]
    assert (15, 3) == (len(taken(first)), len(taken(second)))
    for asker in taken(first)[:12]:
        shares.give_back(asker)

    # Three slots go back to the reserve; the other nine go to both peers alike.
    assert (15 + 5, 3 + 4) == (len(taken(first)), len(taken(second)))


async def test_arc_questions_hold_a_quarter_at_most():
    shares = DnsShares(ShareLimits(total=40, peer=40))
    tickets = [shares.enter(Asker(str(number), number, Rank.ARC)) for number in range(50)]

    assert 10 == len(taken(tickets))
    assert shares.enter(Asker("b", 1000, Rank.OTHER)).granted.result()


async def test_a_caller_that_leaves_is_not_served_and_frees_its_place():
    shares = DnsShares(ShareLimits(total=4, peer=4, mail=2))
    first, second, third = (shares.enter(Asker("a", 1)) for _ in range(3))
    shares.leave(third)
    fourth = shares.enter(Asker("a", 1))
    shares.leave(first)

    assert third.granted.cancelled()
    assert second.granted.result()
    assert fourth.granted.result()
    assert (2, 0) == (shares.held, shares.waiting)


async def test_the_queue_is_bounded_and_a_newcomer_still_gets_in():
    counted = Counter()
    shares = DnsShares(ShareLimits(total=8, peer=8, waiting=40), count=lambda bound: counted.update([bound]))
    many = [shares.enter(Asker(str(number % 10), number)) for number in range(1000)]

    assert shares.waiting <= 40 + 3 * 10
    assert None in many
    assert counted["dns_waiting"] == many.count(None)
    assert shares.enter(Asker("new", 5000)) is not None


ASKERS = st.builds(Asker, st.sampled_from("abc"), st.sampled_from([None, 1, 2, 3]), st.sampled_from(list(Rank)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["enter", "end", "leave", "join"]), ASKERS, st.integers(0, 50))), st.data())
async def test_no_order_of_events_loses_a_slot_or_passes_a_bound(events, data):
    limits = ShareLimits(total=8, peer=5, mail=4, waiting=30)
    shares, waiting, holding = DnsShares(limits), [], []
    for event, asker, place in events:
        if event == "enter":
            ticket = shares.enter(asker)
            waiting += [ticket] if ticket is not None else []
        elif event == "end" and holding:
            shares.give_back(holding.pop(place % len(holding)).asker)
        elif event != "end" and waiting:
            shares.leave(waiting.pop(place % len(waiting)), joined=event == "join")
        holding += [ticket for ticket in waiting if ticket.granted.done()]
        waiting = [ticket for ticket in waiting if not ticket.granted.done()]
        assert (len(holding), len(waiting)) == (shares.held, shares.waiting)
        assert all(count <= limits.peer for count in Counter(ticket.asker.peer for ticket in holding).values())
        mails = Counter(ticket.asker.mail for ticket in holding if ticket.asker.mail is not None)
        assert all(count <= limits.mail for count in mails.values())
        assert len([ticket for ticket in holding if ticket.asker.rank is Rank.ARC]) <= limits.late

    while holding:
        shares.give_back(holding.pop().asker)
        holding += [ticket for ticket in waiting if ticket.granted.done()]
        waiting = [ticket for ticket in waiting if not ticket.granted.done()]
    assert (0, 0, []) == (shares.held, shares.waiting, waiting)
    assert ({}, {}) == (shares._peers, shares._mails)


@pytest.mark.parametrize(
    ("address", "share"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::/64"), ("2001:db8::8", "2001:db8::/64")],
)
def test_the_addresses_of_one_ipv6_customer_have_one_share(address, share):
    assert share == peer_share(ip_address(address))
