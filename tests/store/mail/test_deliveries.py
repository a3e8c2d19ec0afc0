# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from store.directory.agents import delete_agent, switch_webhook_off, update_agent_mode, update_agent_webhook
from store.errors import DeliveryNotFound, NotReplayable
from store.mail.deliveries import (
    MAX_ERROR,
    MAX_PAGE,
    claim_due,
    enqueue,
    get_delivery,
    get_delivery_for_user,
    give_up_pending,
    list_attempts,
    list_deliveries,
    list_deliveries_by_user,
    list_deliveries_of_message,
    list_due_agents,
    release,
    replay,
    replay_dead,
    settle_dead,
    settle_delivered,
    settle_retry,
)
from store.records.mail import Attempt
from store.schema.inbound import deliveries, delivery_attempts
from tests.store.gate import Gate, run_beside

LEASE = timedelta(seconds=25)


class Outbox:
    """One agent's deliveries, each call a transaction at the clock's time."""

    def __init__(self, store, agent, clock):
        self.store, self.agent, self.clock = store, agent, clock

    def claim(self, limit=10, lease=LEASE):
        now = self.clock.now()
        return self.store.run(lambda tx: claim_due(tx, self.agent, limit=limit, lease=lease, now=now))

    def ids(self, limit=10):
        return [claim.delivery.id for claim in self.claim(limit)]

    def attempt(self, status=None, error=None):
        return Attempt(at=self.clock.now(), duration_ms=12, status=status, error=error)

    def arrived(self, claim):
        now = self.clock.now()
        self.store.run(lambda tx: settle_delivered(tx, claim, self.attempt(200), now=now))

    def later(self, claim, seconds=5, error="HTTP 500"):
        due = self.clock.now() + timedelta(seconds=seconds)
        self.store.run(lambda tx: settle_retry(tx, claim, self.attempt(500, error), due_at=due))

    def dead(self, claim):
        now = self.clock.now()
        self.store.run(lambda tx: settle_dead(tx, claim, self.attempt(410, "gone"), now=now))

    def release(self, claim):
        self.store.run(lambda tx: release(tx, claim, now=self.clock.now()))

    def replay(self, delivery_id):
        return self.store.run(lambda tx: replay(tx, delivery_id, now=self.clock.now()))

    def get(self, claim):
        return self.store.run(lambda tx: get_delivery(tx, claim.delivery.id))

    def attempts(self, claim):
        return self.store.run(lambda tx: list_attempts(tx, claim.delivery.id))


@pytest.fixture
def outbox(store, hook, clock):
    return Outbox(store, hook.address, clock)


@pytest.fixture
def mail(store, places, hook, clock):
    """Has one mail arrive for the webhook; answers the delivery it makes."""

    def arrive(agent=hook.address):
        message = store.run(lambda tx: places.message(tx, agent))
        clock.advance(milliseconds=1)  # so that the oldest due is certain
        return store.run(lambda tx: list_deliveries_of_message(tx, message.id))

    return arrive


@pytest.fixture
def other(store, places, hook):
    return store.run(
        lambda tx: places.agent(tx, places.user(tx), "other@agents.example", webhook="https://hooks.example/other")
    )


# Promising


def test_a_mail_for_a_webhook_is_a_delivery_that_is_due_at_once(hook, mail, clock):
    at = clock.now()
    (delivery,) = mail()

    assert ("email.received", hook.address, "pending", 0, at, at, None) == (
        delivery.event_type,
        delivery.agent,
        delivery.status,
        delivery.attempts,
        delivery.due_at,
        delivery.created_at,
        delivery.settled_at,
    )


def test_a_mail_for_a_poll_agent_is_no_delivery(poll, mail):
    assert [] == mail(poll.address)


def test_a_mail_is_no_delivery_where_the_event_is_not_wanted(store, places, hook, mail):
    user = store.run(places.user)
    quiet = store.run(
        lambda tx: places.agent(
            tx, user, "quiet@agents.example", webhook="https://hooks.example/", events=("email.sent",)
        )
    )

    assert [] == mail(quiet.address)


def test_a_delivery_that_is_not_committed_is_not_there(store, hook, places):
    def fails(tx):
        places.message(tx, hook.address)
        raise LookupError

    with pytest.raises(LookupError):
        store.run(fails)

    assert [] == store.run(list_deliveries).items


# Claiming


def test_a_delivery_of_an_event_type_that_this_release_does_not_know_is_stored_and_claimed(store, hook, outbox, clock):
    store.run(lambda tx: enqueue(tx, agent=hook.address, event_type="email.opened", message_id=None, now=clock.now()))

    (claim,) = outbox.claim()
    outbox.arrived(claim)

    assert ("email.opened", "delivered") == (claim.delivery.event_type, outbox.get(claim).status)


def test_deliveries_are_claimed_oldest_due_first(mail, outbox):
    made = [mail()[0].id for _ in range(3)]

    assert [made[:2], made[2:], []] == [outbox.ids(2), outbox.ids(2), outbox.ids(2)]


def test_a_retry_that_is_due_later_waits_behind(mail, outbox, clock):
    first, second = mail()[0].id, mail()[0].id
    outbox.later(outbox.claim(1)[0], seconds=5)
    clock.advance(seconds=6)

    assert [second] == outbox.ids(1)
    assert [first] == outbox.ids(1)


def test_a_claimed_delivery_is_nobody_else_s_until_the_lease_ends(mail, outbox, clock):
    (delivery,) = mail()
    (claim,) = outbox.claim()
    assert (1, clock.now() + LEASE, delivery.event_id) == (claim.number, claim.until, claim.delivery.event_id)
    clock.advance(seconds=24.999)
    assert [] == outbox.claim()

    clock.advance(seconds=0.001)

    (again,) = outbox.claim()
    assert (delivery.id, 2, delivery.event_id) == (again.delivery.id, again.number, again.delivery.event_id)


def test_a_claim_alone_is_no_attempt(mail, outbox, clock):
    mail()
    for _ in range(5):
        (claim,) = outbox.claim()
        clock.advance(minutes=1)

    assert 0 == claim.delivery.attempts
    assert [] == outbox.attempts(claim)


def test_what_is_not_due_is_not_claimed(mail, outbox, clock):
    mail()
    outbox.later(outbox.claim()[0], seconds=30)
    clock.advance(seconds=29.999)
    assert [] == outbox.claim()

    clock.advance(seconds=0.001)

    assert 1 == len(outbox.claim())


def test_deliveries_of_another_agent_are_not_claimed(mail, outbox, other):
    (mine,), _ = mail(), mail(other.address)

    assert [mine.id] == outbox.ids()


def test_nothing_is_claimed_for_a_webhook_that_is_off_until_it_is_on(store, hook, mail, outbox, clock):
    (waiting,) = mail()
    store.run(lambda tx: switch_webhook_off(tx, hook.address, now=clock.now()))
    assert [] == outbox.claim()

    new = "https://hooks.example/new"
    store.run(lambda tx: update_agent_webhook(tx, hook.user_id, hook.address, new, now=clock.now()))

    assert [waiting.id] == outbox.ids()


def test_two_workers_at_once_never_get_the_same_delivery(store, beside, places, hook, clock):
    def arrive(tx):
        for _ in range(40):
            places.message(tx, hook.address)

    def work(by, taken):
        outbox = Outbox(by, hook.address, clock)
        while found := outbox.ids(3):
            taken.extend(found)

    store.run(arrive)
    taken = [[], [], []]
    workers = [
        threading.Thread(target=work, args=(by, part)) for by, part in zip((store, beside, beside), taken, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)

    everything = taken[0] + taken[1] + taken[2]
    assert (40, 40) == (len(everything), len(set(everything)))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_does_not_wait_for_what_another_is_just_claiming(store, beside, hook, mail, outbox, clock):
    made = [mail()[0].id for _ in range(3)]
    now = clock.now()
    gate = Gate(lambda tx: claim_due(tx, hook.address, limit=2, lease=LEASE, now=now))
    slow = run_beside(beside, gate.unit)
    gate.reached()

    assert made[2:] == outbox.ids()

    gate.open()
    assert made[:2] == [claim.delivery.id for claim in slow.result()]


# Settling


def test_what_has_arrived_is_delivered_and_never_due_again(mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    outbox.arrived(claim)
    settled = clock.now()
    clock.advance(days=1)

    found = outbox.get(claim)
    assert ("delivered", 1, 200, None, settled) == (
        found.status,
        found.attempts,
        found.last_status,
        found.last_error,
        found.settled_at,
    )
    assert [] == outbox.claim()


def test_what_has_not_arrived_is_due_again_at_its_time(mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    outbox.later(claim, seconds=5)

    found = outbox.get(claim)
    assert ("pending", 1, 500, "HTTP 500", clock.now() + timedelta(seconds=5), None) == (
        found.status,
        found.attempts,
        found.last_status,
        found.last_error,
        found.due_at,
        found.settled_at,
    )


def test_what_is_dead_is_kept_and_not_due(mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    outbox.dead(claim)
    clock.advance(days=1)

    found = outbox.get(claim)
    assert ("dead", 1, 410, "gone") == (found.status, found.attempts, found.last_status, found.last_error)
    assert [] == outbox.claim()


def test_a_claim_given_back_is_due_at_once_and_no_attempt(mail, outbox):
    (delivery,) = mail()
    (claim,) = outbox.claim()
    outbox.release(claim)

    assert 0 == outbox.get(claim).attempts
    assert [delivery.id] == outbox.ids()


def test_every_attempt_is_remembered_in_order(mail, outbox, clock):
    mail()
    made = []
    for status, error in ((500, "HTTP 500"), (None, "timed out")):
        (claim,) = outbox.claim()
        attempt = outbox.attempt(status, error)
        due = clock.now() + timedelta(seconds=5)
        outbox.store.run(lambda tx, claim=claim, attempt=attempt, due=due: settle_retry(tx, claim, attempt, due_at=due))
        made.append(attempt)
        clock.advance(seconds=5)
    (claim,) = outbox.claim()
    outbox.arrived(claim)

    assert [*made, outbox.attempt(200)] == outbox.attempts(claim)
    assert 3 == outbox.get(claim).attempts


def test_a_long_error_is_cut(mail, outbox):
    mail()
    (claim,) = outbox.claim()
    outbox.later(claim, error="x" * 1000)

    assert ["x" * MAX_ERROR] * 2 == [outbox.get(claim).last_error, outbox.attempts(claim)[0].error]


def test_settling_one_delivery_leaves_the_others(mail, outbox):
    mail(), mail()
    first, second = outbox.claim()
    outbox.arrived(first)

    assert ["delivered", "pending"] == [outbox.get(first).status, outbox.get(second).status]


def test_settlements_of_several_claims_in_one_transaction_are_each_their_own(store, mail, outbox, clock):
    for _ in range(3):
        mail()
    first, second, third = outbox.claim()
    now = clock.now()

    def unit(tx):
        settle_delivered(tx, first, outbox.attempt(200), now=now)
        settle_retry(tx, second, outbox.attempt(503, "busy"), due_at=now)
        settle_dead(tx, third, outbox.attempt(410, "gone"), now=now)

    store.run(unit)

    assert ["delivered", "pending", "dead"] == [outbox.get(claim).status for claim in (first, second, third)]
    assert [200, 503, 410] == [outbox.attempts(claim)[0].status for claim in (first, second, third)]


# Late workers


@pytest.fixture
def late(mail, outbox, clock):
    """A claim whose lease is over, and that of the worker who has the delivery now."""
    mail()
    (older,) = outbox.claim()
    clock.advance(seconds=LEASE.total_seconds())
    (newer,) = outbox.claim()
    return older, newer


@pytest.mark.parametrize("settle", ["later", "dead", "release"])
def test_a_late_worker_changes_nothing_of_what_another_has(outbox, late, settle):
    older, newer = late
    before = outbox.get(newer)

    getattr(outbox, settle)(older)

    assert before == outbox.get(newer)
    assert [] == outbox.claim()


def test_the_attempt_of_a_late_worker_is_remembered_for_it_was_made(outbox, late):
    older, newer = late
    outbox.later(older)
    outbox.arrived(newer)

    assert [500, 200] == [attempt.status for attempt in outbox.attempts(newer)]


def test_what_a_late_worker_has_delivered_is_delivered(outbox, late, clock):
    older, newer = late
    outbox.arrived(older)
    clock.advance(days=1)

    assert "delivered" == outbox.get(newer).status
    assert [] == outbox.claim()


@pytest.mark.parametrize("settle", ["later", "dead", "release", "arrived"])
def test_what_is_delivered_stays_so_whatever_the_other_worker_says(outbox, late, settle):
    older, newer = late
    outbox.arrived(older)
    before = outbox.get(newer)

    getattr(outbox, settle)(newer)

    assert before == outbox.get(newer)


def test_a_worker_late_for_a_lease_that_nobody_took_up_is_heard(mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    clock.advance(minutes=10)
    outbox.later(claim, seconds=30)

    assert clock.now() + timedelta(seconds=30) == outbox.get(claim).due_at


# Replaying


def test_a_replayed_delivery_has_all_its_tries_and_the_same_event(mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    outbox.dead(claim)
    clock.advance(days=1)

    replayed = outbox.replay(claim.delivery.id)

    assert ("pending", 0, clock.now(), None, claim.delivery.event_id) == (
        replayed.status,
        replayed.attempts,
        replayed.due_at,
        replayed.settled_at,
        replayed.event_id,
    )
    assert [claim.delivery.id] == outbox.ids()


def test_a_delivered_one_may_be_replayed_too_and_keeps_its_attempts(mail, outbox):
    mail()
    (claim,) = outbox.claim()
    outbox.arrived(claim)
    outbox.replay(claim.delivery.id)
    (again,) = outbox.claim()
    outbox.arrived(again)

    assert [200, 200] == [attempt.status for attempt in outbox.attempts(claim)]
    assert 1 == outbox.get(claim).attempts


@pytest.mark.parametrize("claimed", [False, True])
def test_a_delivery_under_way_is_not_replayed(mail, outbox, claimed):
    (delivery,) = mail()
    if claimed:
        outbox.claim()

    with pytest.raises(NotReplayable):
        outbox.replay(delivery.id)


def test_a_delivery_that_is_not_there_is_not_replayed(outbox):
    with pytest.raises(DeliveryNotFound):
        outbox.replay("dlv_404")


def test_a_worker_from_before_a_replay_does_not_settle_what_comes_after(outbox, late):
    older, newer = late
    outbox.dead(newer)
    outbox.replay(newer.delivery.id)

    outbox.later(older, seconds=3600)

    assert [newer.delivery.id] == outbox.ids()


def test_a_replay_wakes_the_agent_s_lane(store, hook, mail, outbox, clock):
    mail()
    (claim,) = outbox.claim()
    outbox.dead(claim)

    def unit(tx):
        replay(tx, claim.delivery.id, now=clock.now())
        return tx.topics

    assert {f"deliveries:{hook.address}"} == store.run(unit)


def test_all_dead_deliveries_of_an_agent_are_replayed_and_no_others(store, hook, mail, outbox, other, clock):
    for agent in (hook.address, hook.address, hook.address, other.address):
        mail(agent)
    dead, also_dead, delivered = outbox.claim()
    outbox.dead(dead)
    outbox.dead(also_dead)
    outbox.arrived(delivered)

    replayed = store.run(lambda tx: replay_dead(tx, hook.address, now=clock.now()))

    assert {dead.delivery.id, also_dead.delivery.id} == {delivery.id for delivery in replayed}
    assert "delivered" == outbox.get(delivered).status


# Which agents have something to do


def test_an_agent_is_due_when_its_first_delivery_is(store, hook, mail, outbox, other, clock):
    at = clock.now()
    mail(), mail()
    (theirs,) = mail(other.address)
    outbox.claim(1)

    assert {hook.address: at + timedelta(milliseconds=1), other.address: theirs.due_at} == store.run(list_due_agents)


def test_a_claim_is_due_again_at_the_end_of_its_lease(store, hook, mail, outbox):
    mail()
    (claim,) = outbox.claim()

    assert {hook.address: claim.until} == store.run(list_due_agents)


def test_nobody_is_due_when_nothing_is_pending(store, mail, outbox):
    mail()
    (claim,) = outbox.claim()
    outbox.dead(claim)

    assert {} == store.run(list_due_agents)


def test_many_agents_are_found_each_once(store, places, clock):
    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        for n in range(25):
            address = f"a{n:02}@agents.example"
            places.agent(tx, user, address, webhook="https://hooks.example/")
            for _ in range(3):
                places.message(tx, address)

    store.run(unit)

    assert [f"a{n:02}@agents.example" for n in range(25)] == sorted(store.run(list_due_agents))


@pytest.mark.parametrize(
    "off",
    [
        lambda tx, agent, now: switch_webhook_off(tx, agent.address, now=now),
        lambda tx, agent, now: update_agent_mode(tx, agent.user_id, agent.address, "poll", now=now),
        lambda tx, agent, now: delete_agent(tx, agent.user_id, agent.address),
    ],
    ids=["off", "polls", "deleted"],
)
def test_an_agent_whose_webhook_is_off_is_not_due_and_hides_nobody(store, hook, mail, other, clock, off):
    mail()
    mail(other.address)

    store.run(lambda tx: off(tx, hook, clock.now()))

    assert {other.address} == set(store.run(list_due_agents))


def test_what_is_promised_to_an_agent_that_polls_now_is_not_due(store, poll, places, clock):
    message = store.run(lambda tx: places.message(tx, poll.address))
    store.run(
        lambda tx: enqueue(tx, agent=poll.address, event_type="email.sent", message_id=message.id, now=clock.now())
    )

    assert {} == store.run(list_due_agents)


def test_giving_up_tells_which_messages_were_not_delivered(store, hook, mail, outbox, other, clock):
    (given_up,), _ = mail(), mail(other.address)

    undelivered = store.run(lambda tx: give_up_pending(tx, hook.address, reason="why not", now=clock.now()))

    assert [given_up.message_id] == undelivered
    assert [] == store.run(lambda tx: give_up_pending(tx, hook.address, reason="why not", now=clock.now()))


# Listing


def test_deliveries_are_listed_newest_first_page_by_page(store, mail, clock):
    made = sorted((mail()[0].id for _ in range(5)), reverse=True)
    seen, cursor = [], None
    while True:
        page = store.run(lambda tx, cursor=cursor: list_deliveries(tx, limit=2, cursor=cursor))
        seen += [delivery.id for delivery in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert made == seen


@pytest.mark.parametrize("status", ["pending", "delivered", "dead"])
def test_deliveries_are_listed_by_status_and_agent(store, hook, mail, outbox, other, status):
    for _ in range(3):
        mail()
    mail(other.address)
    delivered, dead, pending = outbox.claim()
    outbox.arrived(delivered)
    outbox.dead(dead)
    wanted = {"pending": pending, "delivered": delivered, "dead": dead}[status]

    page = store.run(lambda tx: list_deliveries(tx, agent=hook.address, status=status))

    assert [wanted.delivery.id] == [delivery.id for delivery in page.items]


def test_a_page_of_deliveries_is_bounded(store, hook, places):
    def unit(tx):
        for _ in range(MAX_PAGE + 1):
            places.message(tx, hook.address)

    store.run(unit)

    assert MAX_PAGE == len(store.run(lambda tx: list_deliveries(tx, limit=10**6)).items)
    assert 1 == len(store.run(lambda tx: list_deliveries(tx, limit=0)).items)


def test_a_delivery_that_is_not_there_is_not_found(store):
    with pytest.raises(DeliveryNotFound):
        store.run(lambda tx: get_delivery(tx, "dlv_404"))


def test_attempts_go_with_their_agent(store, hook, mail, outbox):
    mail()
    (claim,) = outbox.claim()
    outbox.later(claim)

    store.run(lambda tx: delete_agent(tx, hook.user_id, hook.address))

    left = [
        store.run(lambda tx, table=table: tx.execute(select(func.count()).select_from(table)).scalar_one())
        for table in (deliveries, delivery_attempts)
    ]
    assert [0, 0] == left


def test_only_so_many_dead_deliveries_are_replayed_at_once_the_oldest_first(store, hook, mail, outbox, clock):
    for _ in range(3):
        mail()
    claims = outbox.claim()
    for claim in claims:
        outbox.dead(claim)

    some, rest, none = (
        [delivery.id for delivery in store.run(lambda tx: replay_dead(tx, hook.address, limit=2, now=clock.now()))]
        for _ in range(3)
    )

    assert (sorted(claim.delivery.id for claim in claims), []) == (some + rest, none)


# Of a user


def test_a_user_s_deliveries_are_those_of_all_their_agents_newest_first(store, hook, other, mail, stranger):
    kept = [*mail(), *mail(other.address), *mail()]

    def page(user_id, **more):
        return store.run(lambda tx: list_deliveries_by_user(tx, user_id, **more))

    everything = page(hook.user_id)
    ids = sorted((delivery.id for delivery in kept), reverse=True)
    assert (ids, None) == ([each.id for each in everything.items], everything.next_cursor)
    first = page(hook.user_id, limit=2)
    assert ids == [each.id for each in (*first.items, *page(hook.user_id, cursor=first.next_cursor).items)]
    assert [] == page(stranger.id).items


@pytest.mark.parametrize("status", ["pending", "dead", "delivered"])
def test_a_user_s_deliveries_of_one_status_are_listed(store, hook, mail, outbox, status):
    for _ in range(3):
        mail()
    first, second, third = outbox.claim()
    outbox.dead(first)
    outbox.arrived(second)
    wanted = {"dead": first, "delivered": second, "pending": third}[status]

    found = store.run(lambda tx: list_deliveries_by_user(tx, hook.user_id, status=status)).items

    assert [wanted.delivery.id] == [each.id for each in found]


def test_a_delivery_of_another_is_not_found(store, hook, mail, outbox, stranger):
    mail()
    (claim,) = outbox.claim()

    found = store.run(lambda tx: get_delivery_for_user(tx, hook.user_id, claim.delivery.id))
    assert claim.delivery.id == found.id
    for user_id, delivery_id in ((stranger.id, claim.delivery.id), (hook.user_id, "dlv_404")):
        with pytest.raises(DeliveryNotFound):
            store.run(lambda tx, u=user_id, d=delivery_id: get_delivery_for_user(tx, u, d))
