"""Lists that show few of many enter an index made for them, and read about as many rows as they show."""

import pytest
from sqlalchemy import text

from store.database.connect import open_store
from store.directory.users import get_user_by_email
from store.mail.deliveries import list_deliveries
from store.outbound.holds import list_expired_pending, list_pending_outbound_for_user
from store.outbound.outbound import create_pending_outbound_message
from tests.places import new_outbound
from tests.store.plans import plan_of, statements

AGENT = "poll@agents.example"


@pytest.fixture
def sqlite(sqlite_file_url, places):
    opened = open_store(sqlite_file_url)
    opened.run(places.poll_agent)
    yield opened
    opened.engine.dispose()


def pending_holds(cursor=None):
    def unit(tx, now):
        owner = get_user_by_email(tx, "ana@owner.example")
        return list_pending_outbound_for_user(tx, owner.id, limit=3, cursor=cursor, now=now)

    return unit


@pytest.mark.parametrize(
    ("ask", "step"),
    [
        (lambda tx, now: list_deliveries(tx, status="dead"), "deliveries_dead_of_all"),
        (lambda tx, now: list_deliveries(tx, status="pending"), "deliveries_pending_of_all"),
        (lambda tx, now: list_deliveries(tx, agent=AGENT, status="dead"), "deliveries_dead (agent=?)"),
        (lambda tx, now: list_deliveries(tx, agent=AGENT, status="pending"), "deliveries_pending (agent=?)"),
        (pending_holds(), "messages_held_of_agent (agent=? AND hold_expires_at>?)"),
        (pending_holds("2026-11-24T00:00:00+00:00~msg_1"), "messages_held_of_agent (agent=? AND hold_expires_at>?)"),
        (lambda tx, now: list_expired_pending(tx, limit=3, now=now), "messages_held (hold_expires_at<?)"),
    ],
)
def test_a_list_enters_the_index_made_for_it(sqlite, clock, ask, step):
    plan = plan_of(sqlite, lambda tx: ask(tx, clock.now()))

    assert [True] == [line.endswith(step) for line in plan if "deliveries" in line or "messages_held" in line], plan


def test_postgresql_joins_only_the_expired_holds_that_it_answers(postgres_url, places, clock):
    store = open_store(postgres_url)
    agent = store.run(places.poll_agent).address
    for _ in range(20):
        new = new_outbound(agent, at=clock.now())
        store.run(lambda tx, new=new: create_pending_outbound_message(tx, new, ttl_seconds=1))
    clock.advance(seconds=2)

    with statements(store.engine) as found:
        store.run(lambda tx: list_expired_pending(tx, limit=3, now=clock.now()))
    [_paused, (asked, values)] = [(asked, values) for asked, values in found if asked.startswith("SELECT")]
    with store.engine.begin() as connection:
        for way in ("seqscan", "bitmapscan", "sort"):  # which it takes for so few rows
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF) {asked}", values).scalars().all()
    store.engine.dispose()

    held = [line for line in plan if "messages_held" in line]
    assert ["rows=3.00" in line or "rows=3 " in line for line in held] == [True], plan
