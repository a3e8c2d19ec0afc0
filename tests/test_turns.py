"""Turns: a peer with hardly any work goes before one with much, and no turn is lost."""

import asyncio

import pytest

from relay.turns import Turns


async def worked(turns, peer, done):
    await turns.next(peer)
    done.append(peer)


async def test_a_turn_is_given_at_once_where_no_work_waits():
    turns = Turns()

    await asyncio.wait_for(turns.next("a"), 1)
    turn = await asyncio.wait_for(Turns(8).begin("a"), 1)
    turn.end()

    assert 0 == len(turns)


async def test_a_peer_without_work_before_goes_before_the_rest_of_a_busy_one():
    turns, done = Turns(), []
    busy = [asyncio.create_task(worked(turns, "busy", done)) for _ in range(100)]
    while len(done) < 10:  # noqa: ASYNC110 (the rounds of the loop are what is waited for)
        await asyncio.sleep(0)
    await asyncio.create_task(worked(turns, "new", done))
    place = done.index("new")
    await asyncio.gather(*busy)

    assert place <= 12
    assert 101 == len(done)


async def test_two_busy_peers_work_in_turn():
    turns, done = Turns(), []
    await asyncio.gather(*(worked(turns, "a", done) for _ in range(20)), *(worked(turns, "b", done) for _ in range(20)))

    assert {"a", "b"} == {*done[10:12]} == {*done[20:22]} == {*done[30:32]}


async def test_no_more_than_the_given_number_work_at_once():
    turns, working, most = Turns(3), 0, 0

    async def work():
        nonlocal working, most
        turn = await turns.begin("a")
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1
        turn.end()
        turn.end()

    await asyncio.gather(*(work() for _ in range(50)))

    assert 3 == most


async def test_a_turn_that_is_not_ended_ends_by_itself():
    turns = Turns()
    await turns.begin("a")

    await asyncio.wait_for(turns.begin("b"), 30)


@pytest.mark.parametrize("given", [False, True])
async def test_a_cancelled_wait_leaves_its_turn_to_the_next(given):
    turns = Turns()
    first = await turns.begin("a")
    second, third = (asyncio.create_task(turns.begin(peer)) for peer in ("b", "c"))
    await asyncio.sleep(0)
    if given:
        first.end()  # the second has its turn now, and does not know it yet
    second.cancel()
    if not given:
        first.end()

    await asyncio.wait_for(third, 1)


async def test_peers_are_forgotten_when_no_work_waits():
    turns = Turns()
    for number in range(1000):
        (await turns.begin(number)).end()

    assert not turns._after
