"""What is over is not found, and does not stand in the way of what is not."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from store.database.connect import open_store
from store.expiry import KEPT_FOR, SLACK
from store.mail.activity import list_activity_by_agent
from store.mail.messages import get_messages_by_agent
from store.mail.queue import lease_messages
from store.mail.search import list_conversations
from tests.store.plans import plan_of, statements

MINUTE = timedelta(minutes=1)


def page(tx, agent, now, *, status="all", cursor=None):
    return [
        message.id
        for message in get_messages_by_agent(tx, agent, status=status, limit=20, cursor=cursor, now=now).items
    ]


def activity(tx, agent, now):
    return [message.id for message in list_activity_by_agent(tx, agent, limit=20, cursor=None, now=now).items]


def lease(tx, agent, now):
    return [lease.message.id for lease in lease_messages(tx, agent, limit=20, lease=MINUTE, now=now)]


LISTS = {
    "all": page,
    "unread": lambda tx, agent, now: page(tx, agent, now, status="unread"),
    "activity": activity,
    "lease": lease,
}


@pytest.fixture
def arrive(store, places, poll, clock):
    """Keep a mail that came so long before now, and answer its id."""

    def call(ago=timedelta(0)):
        return store.run(lambda tx: places.message(tx, poll.address, received_at=clock.now() - ago).id)

    return call


@pytest.mark.parametrize("name", LISTS)
def test_a_list_begins_behind_what_is_over(store, arrive, poll, clock, name):
    for days in (40, 35, 31, 30):
        arrive(timedelta(days=days))
    living = arrive()

    assert [living] == store.run(lambda tx: LISTS[name](tx, poll.address, clock.now()))


@pytest.mark.parametrize("name", LISTS)
def test_a_mail_is_found_until_its_own_time_is_over_when_one_kept_after_it_had_come_before(
    store, arrive, poll, clock, name
):
    arrive(KEPT_FOR + 2 * SLACK)
    late = arrive(KEPT_FOR - MINUTE)
    arrive(KEPT_FOR + SLACK - 2 * MINUTE)

    assert [late] == store.run(lambda tx: LISTS[name](tx, poll.address, clock.now()))


def test_a_cursor_behind_what_is_over_counts(store, arrive, poll, clock):
    arrive(timedelta(days=40))
    arrive()
    last = arrive()

    assert [last] == store.run(lambda tx: page(tx, poll.address, clock.now(), cursor="2"))


def test_a_cursor_in_the_middle_of_what_is_over_leads_to_what_is_not(store, arrive, poll, clock):
    for _ in range(3):
        arrive(timedelta(days=40))
    living = arrive()

    assert [living] == store.run(lambda tx: page(tx, poll.address, clock.now(), cursor="1"))


@pytest.mark.parametrize(
    "ask",
    [*LISTS.values(), lambda tx, agent, now: list_conversations(tx, agent, limit=20, cursor=None, now=now)],
    ids=[*LISTS, "conversations"],
)
def test_sqlite_enters_the_index_of_a_list_where_the_living_begin(sqlite_file_url, places, clock, ask):
    store = open_store(sqlite_file_url)
    agent = store.run(places.poll_agent).address

    plan = plan_of(store, lambda tx: ask(tx, agent, clock.now()))

    store.engine.dispose()
    assert any("SEARCH before USING COVERING INDEX messages_received (agent=? AND received_at<?)" in s for s in plan)
    assert any("SEARCH messages" in step and "(agent=? AND seq>?" in step for step in plan), plan


def test_postgresql_reads_a_page_of_each_kind_and_no_more(postgres_url, places, clock):
    store = open_store(postgres_url)
    agent = store.run(places.poll_agent).address
    store.run(lambda tx: [places.message(tx, agent) for _ in range(60)])
    with statements(store.engine) as found:
        store.run(lambda tx: page(tx, agent, clock.now()))
    [(asked, values)] = [(text, values) for text, values in found if text.startswith("SELECT")]

    # Of so few rows it would read all: no sort shows whether it could do without, where there are many.
    with store.engine.begin() as connection:
        for way in ("seqscan", "bitmapscan", "sort"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {asked}", values).scalar_one()

    store.engine.dispose()
    assert 21 == max(steps(plan[0]["Plan"]))


def steps(node):
    """The rows that each step of a plan has given."""
    return [node["Actual Rows"], *[rows for part in node.get("Plans", []) for rows in steps(part)]]
