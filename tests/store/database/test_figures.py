"""The figures that an operator's metrics show, over both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from store import figures
from store.directory.sending_pause import pause_sending
from store.facts import LAST_BACKUP, write_fact
from store.figures import read_figures
from store.mail.queue import lease_messages
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.schema.inbound import deliveries, messages
from tests.places import new_outbound
from tests.store.plans import plan_of


@pytest.fixture
def hooked(store, places, poll):
    """The address of an agent with a webhook."""
    user = store.run(places.user)
    return store.run(lambda tx: places.agent(tx, user, "hook@agents.example", webhook="https://hooks.example/")).address


def seen(store, clock):
    return store.run(lambda tx: read_figures(tx, now=clock.now()))


def test_an_empty_store_has_none_of_anything(store, clock):
    found = seen(store, clock)

    assert (0, None, 0, 0, 0, None) == (
        *(found.deliveries_due, found.oldest_due_at, found.deliveries_dead),
        *(found.queue_visible, found.holds_waiting, found.oldest_hold_at),
    )
    assert {"queued": 0, "pending_approval": 0, "sending": 0, "unconfirmed": 0} == found.sends
    assert not found.is_paused
    assert found.last_backup_at is None


def test_due_deliveries_are_counted_with_the_oldest_and_dead_ones_apart(store, clock, places, hooked):
    for _ in range(3):
        store.run(lambda tx: places.message(tx, hooked))
        clock.advance(seconds=60)
    ids = [row.id for row in store.run(lambda tx: tx.execute(deliveries.select().order_by(deliveries.c.id)).all())]
    later = update(deliveries).where(deliveries.c.id == ids[1]).values(due_at=clock.now() + timedelta(hours=1))
    dead = update(deliveries).where(deliveries.c.id == ids[0]).values(status="dead", settled_at=clock.now())
    store.run(lambda tx: tx.execute(later))
    found = seen(store, clock)

    assert (2, timedelta(seconds=180)) == (found.deliveries_due, clock.now() - found.oldest_due_at)
    store.run(lambda tx: tx.execute(dead))
    found = seen(store, clock)
    assert (1, 1, timedelta(seconds=60)) == (
        *(found.deliveries_due, found.deliveries_dead),
        clock.now() - found.oldest_due_at,
    )


def test_a_leased_message_is_not_visible(store, clock, places, poll):
    for _ in range(2):
        store.run(lambda tx: places.message(tx, poll.address))
    assert 2 == seen(store, clock).queue_visible
    store.run(lambda tx: lease_messages(tx, poll.address, limit=1, lease=timedelta(minutes=1), now=clock.now()))

    assert 1 == seen(store, clock).queue_visible


def test_outbound_messages_are_counted_by_state_and_holds_by_age(store, clock, places, poll):
    held = new_outbound(poll.address, at=clock.now())
    store.run(lambda tx: create_pending_outbound_message(tx, held, ttl_seconds=600))
    clock.advance(seconds=30)
    for status in ("queued", "sending", "unconfirmed", "sent"):
        new = new_outbound(poll.address, at=clock.now())
        store.run(lambda tx, new=new: create_outbound_message(tx, new))
        until, attempt = (clock.now() + timedelta(minutes=5), 1) if status == "sending" else (None, None)
        changed = (
            update(messages)
            .where(messages.c.id == new.id)
            .values(status=status, send_until=until, send_attempt=attempt)
        )
        store.run(lambda tx, changed=changed: tx.execute(changed))
    found = seen(store, clock)

    assert {"queued": 1, "pending_approval": 1, "sending": 1, "unconfirmed": 1} == found.sends
    assert (1, timedelta(seconds=30)) == (found.holds_waiting, clock.now() - found.oldest_hold_at)


def test_a_pause_and_the_last_backup_are_told(store, clock):
    store.run(lambda tx: pause_sending(tx, now=clock.now()))
    store.run(lambda tx: write_fact(tx, LAST_BACKUP, "", now=clock.now()))
    found = seen(store, clock)

    assert found.is_paused
    assert clock.now() == found.last_backup_at


def test_no_query_reads_more_than_its_bound(store, clock, places, hooked, monkeypatch):
    monkeypatch.setattr(figures, "SCAN_LIMIT", 2)
    for _ in range(5):
        store.run(lambda tx: places.message(tx, hooked))

    assert 2 == seen(store, clock).deliveries_due


def test_on_sqlite_each_query_walks_an_index_of_its_own_order(sqlite_store, clock):
    plans = plan_of(sqlite_store, lambda tx: read_figures(tx, now=clock.now()))
    walks = [plan for plan in plans if "messages" in plan or "deliveries" in plan]

    assert 7 == len(walks)
    assert [] == [plan for plan in walks if "INDEX" not in plan]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
