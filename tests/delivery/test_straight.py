"""Events of mail that this process has just stored: posted from memory, and by the row where that cannot be."""

import asyncio
from dataclasses import dataclass, field

import pytest

from relay.delivery.attempt import DeliveryContext, InboundSubject, composed
from relay.delivery.dispatch import Dispatcher
from relay.delivery.memory import WebhookMemory
from relay.directory.agents import make_secret
from relay.inbound.receive import ReceiveContext, receive
from relay.mail.routes import Routes
from relay.wiring import SenderAuthenticator
from store import ids
from store.directory.agents import add_secret, lookup_recipient, update_agent_mode
from store.errors import AgentNotFound
from store.mail.bodies import read_body
from store.mail.deliveries import end_first_claims, list_deliveries
from store.mail.messages import find_message
from tests.auth.mails import signed, zone
from tests.delivery.way_out import BASE_URL, HOOK, LEASE, OTHER, TIMEOUT_SECONDS, WayOut
from tests.fakes import FakeResolver
from tests.inbound.way_in import HOSTNAME, MAIL, SHARED, envelope, spool_with
from tests.one_database import on_sqlite

POLLING = "bot@agents.example"
MEMORY = 1024 * 1024


@dataclass
class Line:
    """A dispatcher and the way in, joined as the daemon joins them."""

    way_out: WayOut
    ctx: DeliveryContext
    dispatcher: Dispatcher
    bounds: list[str]
    number: int = field(default=100)

    async def receive(self, *to: str, mail: bytes | None = None, **more) -> list[str]:
        """Receive one mail for these agents; the ids of its messages."""
        self.number += 1
        mail = mail or MAIL.replace(b"<1@example.com>", b"<%d@example.com>" % self.number)
        to = to or (HOOK,)
        store = self.way_out.store
        ctx = ReceiveContext(
            store=store,
            judge=SenderAuthenticator(FakeResolver(zone())),
            clock=self.way_out.clock,
            master=self.way_out.master,
            routes=Routes(hostname=HOSTNAME, postmaster=None, shared_domain=SHARED),
            straight=self.dispatcher,
        )
        recipients = [await store.read(lambda tx, agent=agent: lookup_recipient(tx, [agent])) for agent in to]
        with spool_with(mail) as spool:
            return list(await receive(envelope(*to, **more), spool, recipients, ctx=ctx))

    async def status(self, message_id: str) -> str:
        return (await self.way_out.delivery(message_id)).status


@pytest.fixture
async def hook(way_out):
    return await way_out.agent()


@pytest.fixture
def line(way_out):
    """Joins and does not start: what is to be posted waits until the test starts the dispatcher."""

    def join(*, at_once: int = 8, memory_bytes: int = MEMORY, **changes) -> Line:
        bounds: list[str] = []
        ctx = way_out.delivery_context(count_bound=bounds.append, **changes)
        made = Dispatcher(ctx, at_once=at_once, timeout_seconds=TIMEOUT_SECONDS, memory_bytes=memory_bytes)
        made.start()
        joined.append(made)
        return Line(way_out, ctx, made, bounds)

    joined: list[Dispatcher] = []
    return join


async def test_a_mail_is_posted_under_the_claim_it_was_stored_with(way_out, sink, hook, line):
    sink.hang("/hook")
    ours = line()
    (mail,) = await ours.receive()
    await sink.got(1)
    waiting = await way_out.delivery(mail)
    sink.let_go("/hook")
    await way_out.outcomes.of(1)
    await ours.dispatcher.stop(10)

    assert way_out.clock.now() + LEASE == waiting.due_at
    assert ("delivered", 1) == (await ours.status(mail), (await way_out.delivery(mail)).attempts)
    assert 1 == len(sink.posted)


@on_sqlite
@pytest.mark.parametrize(
    ("mail", "sender"),
    [
        (signed(MAIL), "ana@example.com"),
        (b" folded at the top\r\n" + MAIL, "ana@example.com"),
        (b"Authentication-Results: mx.here.example; spf=pass\r\n" + MAIL, "ana@example.com"),
        (MAIL, None),
        (b"Subject: Undelivered Mail\r\nFrom: MAILER-DAEMON@example.com\r\n\r\nnot delivered\r\n", None),
        (b"\r\nno header", "ana@example.com"),
        (b"no body", "ana@example.com"),
        (b"not a field\r\n: nor this\r\nSubject: =?utf-8?q?=F0=9F?=\xff\r\n\r\n\x00\xff", "ana@example.com"),
        (b"Content-Type: text/html\r\n\r\n" + b"<p>much</p>" * 2000, "ana@example.com"),
    ],
)
async def test_the_event_from_memory_is_the_event_from_the_store(way_out, sink, hook, line, *, mail, sender):
    ours = line()
    (message_id,) = await ours.receive(mail=mail, mail_from=sender)
    (posted,) = await sink.got(1)
    await ours.dispatcher.stop(10)

    def unit(tx):
        found = find_message(tx, message_id)
        return InboundSubject(found, read_body(tx, found.raw_sha256))

    subject = await way_out.store.read(unit)
    assert composed(subject, await way_out.delivery(message_id), base_url=BASE_URL) == posted.body
    assert subject.message.auth_headers.items() <= dict(posted.headers).items()


async def test_a_rotated_secret_signs_the_next_event(way_out, sink, hook, line):
    ours = line()
    await ours.receive()
    await sink.got(1)
    way_out.clock.advance(seconds=1)
    fresh = make_secret(HOOK, master=way_out.master, now=way_out.clock.now())
    await way_out.store.write(lambda tx: add_secret(tx, fresh))
    await ours.receive()
    await sink.got(2)
    way_out.clock.advance(hours=25)
    await ours.receive()
    await sink.got(3)
    await ours.dispatcher.stop(10)

    assert [1, 2, 1] == [len(posted.headers["webhook-signature"].split()) for posted in sink.posted]


async def test_what_waits_in_memory_goes_to_a_new_address(way_out, sink, hook, line):
    sink.hang("/hook")
    ours = line(at_once=1)
    for _ in range(3):
        await ours.receive()
    await sink.got(1)
    await way_out.move(hook, sink.url("/new"))
    sink.let_go("/hook")
    await sink.got(2, "/new")
    await ours.dispatcher.stop(10)

    assert 1 == len(sink.at("/hook"))


async def test_a_change_by_another_process_counts_from_the_next_mail(way_out, sink, hook, line):
    ours = line()
    await ours.receive()
    await sink.got(1)
    subscribers, way_out.store.notifier._subscribers = way_out.store.notifier._subscribers, []
    await way_out.move(hook, sink.url("/new"))
    way_out.store.notifier._subscribers = subscribers
    await ours.receive()

    await sink.got(1, "/new")
    await ours.dispatcher.stop(10)


async def test_mail_for_a_webhook_that_is_off_waits_for_a_new_one(way_out, sink, hook, line):
    sink.answers("/hook", 410)
    ours = line()
    (gone,) = await ours.receive()
    assert ["gone"] == await way_out.outcomes.of(1)
    (later,) = await ours.receive()
    assert ["dead", "pending"] == [await ours.status(gone), await ours.status(later)]
    assert way_out.clock.now() == (await way_out.delivery(later)).due_at

    await way_out.move(hook, sink.url("/new"))
    await sink.got(1, "/new")
    await ours.dispatcher.stop(10)

    assert 1 == len(sink.at("/hook"))


async def test_what_waits_in_memory_does_not_go_to_an_endpoint_that_is_gone(way_out, sink, hook, line):
    sink.answers("/hook", 410)
    sink.hang("/hook")
    ours = line(at_once=1)
    mails = [(await ours.receive())[0] for _ in range(3)]
    await sink.got(1)
    sink.let_go("/hook")
    await way_out.outcomes.of(1)
    await way_out.move(hook, sink.url("/new"))
    await sink.got(2, "/new")
    await ours.dispatcher.stop(10)

    assert ["dead", "delivered", "delivered"] == sorted([await ours.status(mail) for mail in mails])
    assert 1 == len(sink.at("/hook"))


async def test_what_waits_in_memory_for_an_agent_that_now_polls_is_not_posted(way_out, sink, clock, hook, line):
    sink.hang("/hook")
    ours = line(at_once=1)
    await ours.receive()
    (waiting,) = await ours.receive()
    await sink.got(1)

    def poll(tx):
        return update_agent_mode(tx, hook.user_id, HOOK, "poll", now=clock.now())

    await way_out.store.write(poll)
    sink.let_go("/hook")
    await ours.dispatcher.stop(10)

    assert "dead" == await ours.status(waiting)
    assert 1 == len(sink.posted)


async def test_what_finds_no_memory_is_delivered_from_the_store(way_out, sink, hook, line):
    ours = line(memory_bytes=0)
    mails = [(await ours.receive())[0] for _ in range(3)]
    await sink.got(3)
    await ours.dispatcher.stop(10)

    assert ["webhook_memory"] * 3 == ours.bounds
    assert ["delivered"] * 3 == [await ours.status(mail) for mail in mails]


async def test_a_slow_endpoint_leaves_memory_to_another(way_out, sink, hook, line):
    await way_out.agent(OTHER)
    sink.hang("/hook")
    ours = line(at_once=1, memory_bytes=40_000)
    for _ in range(9):
        await ours.receive()
    assert ours.bounds
    ours.bounds.clear()
    for number in range(1, 4):
        await ours.receive(OTHER)
        await sink.got(number, "/other")

    assert [] == ours.bounds
    sink.let_go("/hook")
    await sink.got(9)
    await ours.dispatcher.stop(10)


def test_an_agent_has_at_most_as_much_memory_as_is_free():
    budget = WebhookMemory(100)

    taken = {agent: sum(budget.take(agent, 1) for _ in range(100)) for agent in "abc"}
    budget.give("a", 30)

    assert {"a": 50, "b": 25, "c": 12} == taken
    assert budget.take("d", 21)
    assert not budget.take("d", 1000)


async def test_memory_is_free_again_whatever_became_of_a_mail(way_out, sink, hook, line):
    await way_out.agent(OTHER)
    ours = line()
    memory = ours.dispatcher._straight._memory
    await ours.receive(HOOK, OTHER)
    await ours.receive(HOOK, OTHER, mail=MAIL)
    await ours.receive(HOOK, OTHER, mail=MAIL)  # it was stored before
    way_out.hide("deliveries")
    with pytest.raises(Exception, match="cannot answer"):
        await ours.receive()
    way_out.show("deliveries")
    await sink.got(2, "/other")
    await ours.dispatcher.stop(10)

    assert (MEMORY, {}) == (memory._free, dict(memory._used))
    assert 4 == len(sink.posted)


async def test_a_transaction_that_runs_twice_posts_once(way_out, sink, hook, line):
    ours = line()

    def failing(_tx):
        raise AgentNotFound

    tasks = [ours.receive() for _ in range(4)] + [way_out.store.write(failing) for _ in range(4)]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    await way_out.outcomes.of(4)
    await ours.dispatcher.stop(10)

    ids = {mail for mails in done[:4] for mail in mails}
    assert sorted(ids) == sorted(posted.message_id for posted in sink.posted)


async def test_a_stop_gives_back_what_waits_in_memory(way_out, sink, hook, line):
    sink.hang("/hook")
    ours = line(at_once=1)
    mails = [(await ours.receive())[0] for _ in range(4)]
    await sink.got(1)
    await ours.dispatcher.stop(0)

    free = await way_out.claims()
    assert set(mails[1:]) == {claim.delivery.message_id for claim in free}
    assert {0} == {claim.lost for claim in free}


async def test_what_waited_too_long_in_memory_is_claimed_from_its_row(way_out, sink, clock, hook, line):
    sink.hang("/hook")
    ours = line(at_once=1)
    mails = [(await ours.receive())[0] for _ in range(3)]
    await sink.got(1)
    clock.advance(seconds=LEASE.total_seconds() - TIMEOUT_SECONDS + 11)
    sink.let_go("/hook")
    await way_out.outcomes.of(3)
    await ours.dispatcher.stop(10)

    assert sorted(mails) == sorted(posted.message_id for posted in sink.posted)


@pytest.mark.parametrize("how", ["time", "start"])
async def test_what_a_dead_process_had_in_memory_is_claimed_and_not_counted_as_lost(
    way_out, sink, clock, hook, line, *, how
):
    sink.hang("/hook")
    ours = line(at_once=1)
    mails = [(await ours.receive())[0] for _ in range(2)]
    ours.dispatcher._straight._memory = ours.dispatcher._tasks = None  # it died
    assert [] == await way_out.claims()
    if how == "time":
        clock.advance(seconds=LEASE.total_seconds())
    else:
        await way_out.store.write(lambda tx: end_first_claims(tx, now=clock.now()))

    found = await way_out.claims()
    assert set(mails) == {claim.delivery.message_id for claim in found}
    assert {(1, 0)} == {(claim.number, claim.lost) for claim in found}


async def test_only_what_the_process_with_the_mark_had_falls_due(way_out, sink, clock, hook, line):
    sink.hang("/hook")
    ours = line(at_once=1)
    try:
        ids.mark_ids("abc")
        (mine,) = await ours.receive()
    finally:
        ids.mark_ids("")
    await ours.receive()

    def due_after(tx, mark):
        end_first_claims(tx, now=clock.now(), mark=mark)
        return [each.message_id for each in list_deliveries(tx).items if each.due_at <= clock.now()]

    assert [] == await way_out.store.write(lambda tx: due_after(tx, "xyz"))
    assert [mine] == await way_out.store.write(lambda tx: due_after(tx, "abc"))


async def test_the_start_of_a_process_leaves_retries_and_claims_to_their_time(way_out, sink, clock, hook, line):
    sink.answers("/hook", 500)
    ours = line(retry_seconds=(60,))
    (retried,) = await ours.receive()
    await way_out.outcomes.of(1)
    await ours.dispatcher.stop(10)
    claimed = (await way_out.mail()).id
    await way_out.claim()

    await way_out.store.write(lambda tx: end_first_claims(tx, now=clock.now()))

    assert [] == await way_out.claims()
    assert ["pending", "pending"] == [await ours.status(retried), await ours.status(claimed)]


async def test_a_first_claim_has_no_effect_after_the_next(way_out, sink, clock, hook, line):
    sink.hang("/hook")
    sink.answers("/hook", 500)
    ours = line(retry_seconds=(60,))
    (mail,) = await ours.receive()
    await sink.got(1)
    clock.advance(seconds=LEASE.total_seconds())
    claimed = await way_out.claim()
    sink.let_go("/hook")
    await way_out.outcomes.of(1)
    await ours.dispatcher.stop(10)

    assert claimed.until == (await way_out.delivery(mail)).due_at


async def test_mail_does_not_overtake_what_waits_in_the_store(way_out, sink, hook, line):
    sink.hang("/hook")
    earlier = await way_out.mails(20)
    ours = line(at_once=2)
    await sink.got(2)
    (later,) = await ours.receive()
    waiting = await way_out.delivery(later)
    sink.let_go("/hook")
    await sink.got(21)
    await ours.dispatcher.stop(10)

    assert way_out.clock.now() == waiting.due_at
    assert {mail.id for mail in earlier} == {posted.message_id for posted in sink.posted[:20]}


async def test_all_posts_to_an_endpoint_share_its_slots(way_out, sink, hook, line):
    sink.hang("/hook")
    ours = line(at_once=2, memory_bytes=30_000)
    for _ in range(8):
        await ours.receive()
    assert ours.bounds  # some wait in memory, some in the store
    await sink.got(2)
    sink.let_go("/hook")
    await sink.got(8)
    await ours.dispatcher.stop(10)

    assert 2 == sink.most_open["/hook"]


async def test_an_agent_that_polls_gets_no_delivery(way_out, sink, hook, line):
    def poller(tx):
        user = way_out.places.user(tx)
        return way_out.places.agent(tx, user, POLLING)

    await way_out.store.write(poller)
    ours = line()
    mails = await ours.receive(HOOK, POLLING)
    await way_out.outcomes.of(1)
    await ours.dispatcher.stop(10)

    assert [mails[0]] == [posted.message_id for posted in sink.posted]


async def test_many_are_recorded_by_few_writes(way_out, sink, hook, line):
    ours = line(at_once=64)
    commits = []
    way_out.store.meter.observe_commit = lambda _seconds, units: commits.append(units)
    sink.hang("/hook")
    for _ in range(40):
        await ours.receive()
    await sink.got(40)
    await asyncio.sleep(0)
    commits.clear()
    sink.let_go("/hook")
    await way_out.outcomes.of(40)
    await ours.dispatcher.stop(10)

    assert sum(commits) < 30
