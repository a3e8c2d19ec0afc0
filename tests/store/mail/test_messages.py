# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import threading
from dataclasses import fields

import pytest
from sqlalchemy import insert, select

from store.directory.agents import update_agent_mode
from store.errors import AgentNotFound, InvalidValue, MessageNotFound
from store.mail.messages import (
    KEPT_FOR,
    MAX_PAGE,
    create_inbound_message,
    find_message,
    get_inbound_message,
    get_messages,
    get_messages_by_agent,
    list_newest,
    mark_read,
    update_message_delivery_status,
)
from store.records.mail import NewMessage
from store.schema.inbound import messages
from tests.places import keep_message, new_message
from tests.store.gate import Gate, in_one_group, run_beside, wait_until_blocked

RAW = b"Subject: hi\r\n\r\nhello\r\n"


@pytest.fixture
def page(store, clock):
    def ask(agent, *, status="all", limit=50, cursor=None):
        return store.run(
            lambda tx: get_messages_by_agent(
                tx, agent.address, status=status, limit=limit, cursor=cursor, now=clock.now()
            )
        )

    return ask


# Keeping


def test_a_message_is_kept_with_everything_it_had(store, poll, clock):
    new = new_message(
        poll.address,
        RAW,
        at=clock.now(),
        recipient="Poll+Tag@agents.example",
        tag="Tag",
        email_message_id="a@b",
        automated=True,
        verified=False,
        verified_domain=None,
        authentication={"spf": {"result": "fail"}, "dkim": []},
        subject="Grüße 😀",
    )
    kept = store.run(lambda tx: keep_message(tx, new, RAW))

    assert kept == store.run(lambda tx: get_inbound_message(tx, poll.address, new.id, now=clock.now()))
    same = [field.name for field in fields(NewMessage) if field.name != "parent_ids"]
    assert {name: getattr(new, name) for name in same} == {name: getattr(kept, name) for name in same}
    assert ("inbound", "unread", 1) == (kept.direction, kept.status, kept.seq)


def test_a_message_needs_its_bytes(store, poll, clock):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_inbound_message(tx, new_message(poll.address, RAW, at=clock.now())))


def test_a_message_needs_its_agent(store, clock):
    with pytest.raises(AgentNotFound):
        store.run(lambda tx: keep_message(tx, new_message("nobody@agents.example", RAW, at=clock.now()), RAW))


def test_an_id_is_used_once(store, arrive, poll, page):
    first = arrive(poll)

    with pytest.raises(InvalidValue):
        arrive(poll, id=first.id)

    assert [first] == page(poll).items


def test_a_message_wakes_who_waits_for_it(store, poll, places):
    def unit(tx):
        places.message(tx, poll.address)
        return set(tx.topics)

    assert {f"inbox:{poll.address}"} == store.run(unit)


def test_a_message_for_a_webhook_wakes_the_dispatcher_too(store, hook, places):
    def unit(tx):
        places.message(tx, hook.address)
        return set(tx.topics)

    assert {f"inbox:{hook.address}", f"deliveries:{hook.address}"} == store.run(unit)


# The order of arrival


def test_messages_of_an_agent_are_numbered_from_one_without_gaps(arrive, poll, other):
    assert [(1, 1), (2, 2), (3, 3)] == [(arrive(poll).seq, arrive(other).seq) for _ in range(3)]


def test_messages_of_one_transaction_are_numbered_in_their_order(store, poll, other, clock):
    def unit(tx):
        return [
            keep_message(tx, new_message(agent.address, RAW, at=clock.now()), RAW).seq
            for agent in (poll, other, poll, poll, other)
        ]

    assert [1, 1, 2, 3, 2] == store.run(unit)
    assert [4, 3] == [
        store.run(lambda tx, agent=agent: keep_message(tx, new_message(agent.address, RAW, at=clock.now()), RAW).seq)
        for agent in (poll, other)
    ]


def test_a_message_that_was_not_kept_takes_no_number(store, poll, arrive, clock):
    def fails(tx):
        keep_message(tx, new_message(poll.address, RAW, at=clock.now()), RAW)
        raise LookupError

    with pytest.raises(LookupError):
        store.run(fails)

    assert 1 == arrive(poll).seq


async def test_mails_of_a_group_are_numbered_one_after_the_other(live_store, places):
    agent = await live_store.write(places.poll_agent)

    kept = await in_one_group(live_store.write, *[lambda tx: places.message(tx, agent.address)] * 10)

    assert list(range(1, 11)) == [message.seq for message in kept]


async def test_mails_of_a_group_with_a_failure_are_numbered_without_a_gap(live_store, places):
    agent = await live_store.write(places.poll_agent)

    def fails(tx):
        places.message(tx, agent.address)
        raise LookupError

    units = [lambda tx: places.message(tx, agent.address)] * 4
    kept = await in_one_group(live_store.write, *units[:2], fails, *units[2:])

    assert [1, 2, 3, 4] == [message.seq for message in kept if not isinstance(message, LookupError)]


async def test_a_mail_behind_a_change_of_its_agent_in_one_group_sees_the_change(live_store, places, clock):
    def make(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return places.agent(tx, user, "hook@agents.example", webhook="https://hooks.example/in")

    agent = await live_store.write(make)

    def kind(tx):
        message = places.message(tx, agent.address)
        return tx.execute(select(messages.c.queued).where(messages.c.id == message.id)).scalar_one()

    def poll_now(tx):
        update_agent_mode(tx, agent.user_id, agent.address, "poll", now=clock.now())

    assert [False, None, True] == await in_one_group(live_store.write, kind, poll_now, kind)


def test_a_mail_that_comes_while_another_is_being_kept_has_the_later_number(store, beside, poll, page, clock, places):
    # What makes a cursor safe: nobody can see the second while the first is still to come.
    def keep_now(tx):
        message = places.message(tx, poll.address)
        tx.flush()
        return message

    gate = Gate(keep_now)
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, lambda tx: places.message(tx, poll.address))
    if store.engine.dialect.name == "postgresql":
        wait_until_blocked(store.engine)
        assert [] == page(poll).items
    gate.open()

    assert (1, 2) == (first.result().seq, second.result().seq)


def test_a_reader_that_goes_on_from_its_cursor_misses_nothing_and_sees_nothing_twice(
    store, beside, poll, clock, places
):
    writers = [
        threading.Thread(target=lambda by=by: [by.run(lambda tx: places.message(tx, poll.address)) for _ in range(25)])
        for by in (store, beside)
    ]
    seen, cursor = [], None

    def read_on(cursor):
        found = store.run(
            lambda tx: get_messages_by_agent(tx, poll.address, status="all", limit=7, cursor=cursor, now=clock.now())
        )
        seen.extend(message.seq for message in found.items)
        return str(seen[-1]) if seen else None

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        cursor = read_on(cursor)
    while len(seen) < 50 and (further := read_on(cursor)) != cursor:
        cursor = further

    assert list(range(1, 51)) == seen


# Pages


def test_pages_follow_one_another_to_the_end(arrive, poll, page):
    kept = [arrive(poll) for _ in range(5)]
    first = page(poll, limit=2)
    second = page(poll, limit=2, cursor=first.next_cursor)
    third = page(poll, limit=2, cursor=second.next_cursor)

    assert kept == [*first.items, *second.items, *third.items]
    assert third.next_cursor is None


def test_a_last_page_that_is_full_is_the_last(arrive, poll, page):
    for _ in range(2):
        arrive(poll)

    assert page(poll, limit=2).next_cursor is None


def test_a_page_of_nothing_is_the_last(poll, page):
    assert ([], None) == (page(poll).items, page(poll).next_cursor)


def test_a_page_has_messages_of_that_agent_alone(arrive, poll, other, page):
    mine, _ = arrive(poll), arrive(other)

    assert [mine] == page(poll).items


@pytest.mark.parametrize("limit", [-1, 0])
def test_a_page_has_at_least_one_message(arrive, poll, page, limit):
    arrive(poll), arrive(poll)

    assert 1 == len(page(poll, limit=limit).items)


def test_a_page_is_bounded(store, poll, page, clock):
    def unit(tx):
        for _ in range(MAX_PAGE + 1):
            keep_message(tx, new_message(poll.address, RAW, at=clock.now()), RAW)

    store.run(unit)

    assert MAX_PAGE == len(page(poll, limit=10**6).items)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.0", "1 ", "٣", "9" * 19, "msg_1", "1;", "\0"])
def test_what_is_no_cursor_is_refused(poll, page, cursor):
    with pytest.raises(InvalidValue):
        page(poll, cursor=cursor)


def test_a_cursor_behind_everything_gives_nothing(arrive, poll, page):
    arrive(poll)

    assert [] == page(poll, cursor="9" * 18).items


@pytest.mark.parametrize(("status", "wanted"), [("unread", [0, 2]), ("read", [1]), ("all", [0, 1, 2])])
def test_a_page_has_messages_of_that_status_alone(store, arrive, poll, page, status, wanted):
    kept = [arrive(poll).id for _ in range(3)]
    store.run(lambda tx: mark_read(tx, kept[1]))

    assert [kept[n] for n in wanted] == [message.id for message in page(poll, status=status).items]


def test_reading_what_was_seen_does_not_move_the_cursor_of_the_unread(store, arrive, poll, page):
    kept = [arrive(poll).id for _ in range(4)]
    first = page(poll, status="unread", limit=2)
    for message in first.items:
        store.run(lambda tx, message=message: mark_read(tx, message.id))

    assert kept[2:] == [message.id for message in page(poll, status="unread", cursor=first.next_cursor).items]


@pytest.mark.parametrize("status", ["queued", "sent", "failed"])
def test_outbound_messages_are_in_no_page(store, arrive, poll, page, clock, status):
    inbound = arrive(poll)

    def unit(tx):
        row = dict(tx.execute(select(messages).where(messages.c.id == inbound.id)).one()._mapping)
        tx.execute(insert(messages), row | {"id": "msg_out", "seq": 2, "direction": "outbound", "status": status})

    store.run(unit)

    for asked in ("all", "unread", "read"):
        assert "msg_out" not in {message.id for message in page(poll, status=asked).items}
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: get_inbound_message(tx, poll.address, "msg_out", now=clock.now()))


# One message


def test_a_message_is_its_own_agent_s_alone(store, arrive, poll, other, clock):
    kept = arrive(poll)

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: get_inbound_message(tx, other.address, kept.id, now=clock.now()))
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: update_message_delivery_status(tx, other.address, kept.id, "read", now=clock.now()))
    assert "unread" == store.run(lambda tx: find_message(tx, kept.id)).status


def test_a_message_is_marked_read_and_unread_again(store, arrive, poll, clock):
    kept = arrive(poll)

    statuses = [
        store.run(
            lambda tx, status=status: update_message_delivery_status(tx, poll.address, kept.id, status, now=clock.now())
        ).status
        for status in ("read", "read", "unread", "unread")
    ]

    assert ["read", "read", "unread", "unread"] == statuses


def test_marking_one_message_leaves_the_others(store, arrive, poll, page, clock):
    kept = [arrive(poll).id for _ in range(2)]
    store.run(lambda tx: update_message_delivery_status(tx, poll.address, kept[0], "read", now=clock.now()))

    assert ["read", "unread"] == [message.status for message in page(poll).items]


def test_a_message_whose_time_is_over_is_not_there(store, arrive, poll, page, clock):
    kept = arrive(poll)
    clock.advance(seconds=KEPT_FOR.total_seconds() - 1)
    assert [kept] == page(poll).items

    clock.advance(seconds=1)

    assert [[], [], []] == [page(poll, status=status).items for status in ("all", "unread", "read")]
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: get_inbound_message(tx, poll.address, kept.id, now=clock.now()))
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: update_message_delivery_status(tx, poll.address, kept.id, "read", now=clock.now()))


def test_the_operator_finds_any_message_by_its_id(store, arrive, poll, other):
    kept = [arrive(poll), arrive(other)]

    assert kept == [store.run(lambda tx, m=message: find_message(tx, m.id)) for message in kept]
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: find_message(tx, "msg_404"))


def test_several_messages_are_found_at_once(store, arrive, poll, other):
    kept = [arrive(poll), arrive(other)]

    found = store.run(lambda tx: get_messages(tx, [*(message.id for message in kept), "msg_404"]))

    assert {message.id: message for message in kept} == found


def test_the_operator_sees_the_newest_first(store, arrive, poll, other):
    kept = [arrive(agent, id=f"msg_{n}").id for n, agent in enumerate((poll, other, poll))]

    def newest(agent, limit):
        return [message.id for message in store.run(lambda tx: list_newest(tx, agent, limit=limit))]

    assert [kept[2], kept[1]] == newest(None, 2)
    assert [kept[2], kept[0]] == newest(poll.address, 5)
