"""Letters are sent as they are asked for, a few at once, and a stop loses none."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from relay.directory.sign_in import PATH
from relay.errors import CourierBusy
from relay.jobs.letters import LetterRound
from store.directory.sending_pause import pause_sending, resume_sending
from store.directory.users import bootstrap_user
from store.outbound.letters_queue import claim_due_letters, enqueue_sign_in
from store.schema.outbound import notifications
from tests.fakes import FakeCourier
from tests.send_contexts import BASE, make_send_context


class GatedCourier(FakeCourier):
    """Takes a mail when the gate is open; knows how many stood before it at once."""

    def __init__(self):
        super().__init__()
        self.gate, self.inside, self.most = asyncio.Event(), 0, 0

    async def carry(self, raw, **rest):
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        return await super().carry(raw, **rest)


@pytest.fixture
async def make(sqlite_store, clock, master):
    """Starts a round with a courier."""
    running = []

    def start(courier, *, kind=LetterRound, **options):
        send_context = make_send_context(sqlite_store, clock, master, courier=courier, from_domain="out.example")
        running.append(kind(send_context, chance=lambda: 0.0, **options))
        running[-1].start()
        return running[-1]

    yield start
    for each in running:
        await each.stop(0)


@pytest.fixture
def ask(sqlite_store, clock):
    """Has a number of people, whom there need not be yet, asked to sign in."""

    async def enqueue(count=1):
        def unit(tx):
            for n in range(count):
                user = bootstrap_user(tx, f"user{n}@owner.example", now=clock.now())
                enqueue_sign_in(tx, user.id, now=clock.now())

        await sqlite_store.write(unit)

    return enqueue


@pytest.fixture
def statuses(sqlite_store):
    query = select(notifications.c.status).order_by(notifications.c.id)
    return lambda: sqlite_store.read(lambda tx: list(tx.execute(query).scalars()))


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 (what it waits for is in the database)
            await asyncio.sleep(0.005)


async def test_a_letter_that_is_asked_for_goes_at_once(make, ask, statuses):
    courier = FakeCourier()
    make(courier, look_seconds=60)
    await asyncio.sleep(0.02)  # it has looked, and found nothing

    await ask()

    await until(lambda: done(statuses, ["sent"]))
    assert f"{BASE}{PATH}".encode() in courier.taken[0][0].replace(b"=\r\n", b"")


async def test_what_was_asked_for_before_it_began_goes_too(make, ask, statuses):
    await ask(10)
    make(FakeCourier(), look_seconds=60)

    await until(lambda: done(statuses, ["sent"] * 10))


async def test_only_a_few_go_at_once(make, ask, statuses):
    courier = GatedCourier()
    await ask(10)
    make(courier, at_once=3, look_seconds=60)

    await until(lambda: true(courier.inside == 3))
    await asyncio.sleep(0.02)
    courier.gate.set()

    await until(lambda: done(statuses, ["sent"] * 10))
    assert 3 == courier.most


async def test_a_letter_put_off_is_sent_at_its_time(make, ask, statuses, clock):
    courier = FakeCourier([CourierBusy("full")])
    make(courier, look_seconds=0.02)
    await ask()
    await until(lambda: true(not courier.errors))
    await asyncio.sleep(0.05)
    assert ["pending"] == await statuses()

    clock.advance(seconds=30)

    await until(lambda: done(statuses, ["sent"]))


async def test_what_another_process_began_and_did_not_end_goes_when_its_lease_is_over(
    make, ask, statuses, sqlite_store, clock
):
    await ask()
    lease, now = timedelta(minutes=5), clock.now()
    await sqlite_store.write(lambda tx: claim_due_letters(tx, limit=1, lease=lease, now=now))
    make(FakeCourier(), look_seconds=0.02)
    await asyncio.sleep(0.05)
    assert ["pending"] == await statuses()

    clock.advance(minutes=5)

    await until(lambda: done(statuses, ["sent"]))


async def test_nothing_goes_while_all_sending_is_stopped(make, ask, statuses, sqlite_store, clock):
    await sqlite_store.write(lambda tx: pause_sending(tx, now=clock.now()))
    make(FakeCourier(), look_seconds=0.02)
    await ask()
    await asyncio.sleep(0.05)
    assert ["pending"] == await statuses()

    await sqlite_store.write(resume_sending)

    await until(lambda: done(statuses, ["sent"]))


async def test_a_letter_under_way_may_end_when_it_stops(make, ask, statuses):
    courier = GatedCourier()
    await ask()
    letters = make(courier)
    await until(lambda: true(courier.inside == 1))

    stopping = asyncio.ensure_future(letters.stop(5))
    await asyncio.sleep(0)
    courier.gate.set()
    await stopping

    assert ["sent"] == await statuses()


async def test_a_letter_that_does_not_end_in_time_is_left_to_be_sent_again(make, ask, statuses):
    courier = GatedCourier()
    await ask()
    letters = make(courier)
    await until(lambda: true(courier.inside == 1))

    await letters.stop(0.01)

    assert (["pending"], 0) == (await statuses(), courier.inside)


async def test_it_stops_in_time_though_more_is_due_than_may_go_at_once(make, ask, statuses):
    courier = GatedCourier()
    await ask(3)
    letters = make(courier, at_once=1)
    await until(lambda: true(courier.inside == 1))
    await asyncio.sleep(0.02)  # it has looked again, and there is no room

    async with asyncio.timeout(5):
        await letters.stop(0.01)

    assert (["pending"] * 3, 0) == (await statuses(), courier.inside)


async def test_what_waits_for_room_does_not_go_once_all_sending_is_stopped(make, ask, statuses, sqlite_store, clock):
    courier = GatedCourier()
    await ask(2)
    make(courier, at_once=1, look_seconds=60)
    await until(lambda: true(courier.inside == 1))
    await asyncio.sleep(0.02)  # it has looked again, and there is no room

    await sqlite_store.write(lambda tx: pause_sending(tx, now=clock.now()))
    courier.gate.set()

    await until(lambda: done(statuses, ["pending", "sent"]))
    await asyncio.sleep(0.05)
    assert 1 == len(courier.taken)


class Stumbling(LetterRound):
    """Comes upon a bug at its first look."""

    stumbles = 1

    def next_due(self, tx):
        if self.stumbles:
            self.stumbles -= 1
            raise RuntimeError("a bug")
        return super().next_due(tx)


async def test_a_bug_does_not_end_the_looking(make, ask, statuses):
    await ask()
    with capture_logs() as lines:
        make(FakeCourier(), kind=Stumbling, look_seconds=0.02)

        await until(lambda: done(statuses, ["sent"]))

    assert ["worker_failed"] == [line["event"] for line in lines if line["log_level"] == "error"]


async def test_one_letter_that_breaks_does_not_keep_the_others(make, ask, statuses):
    await ask(2)
    with capture_logs() as lines:
        make(FakeCourier([RuntimeError("a bug")]), at_once=1, look_seconds=60)

        await until(lambda: done(statuses, ["pending", "sent"]))

    assert ["letter_failed"] == [line["event"] for line in lines if line["log_level"] == "error"]


async def test_a_relay_that_sends_nothing_says_so_once(make, ask, statuses):
    await ask(3)
    with capture_logs() as lines:
        make(None, look_seconds=60)
        await until(lambda: done(statuses, ["failed"] * 3))

    assert ["letters_disabled"] == [line["event"] for line in lines]


async def done(statuses, wanted):
    return sorted(await statuses()) == wanted


async def true(value):
    return value
