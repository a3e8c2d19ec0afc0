# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta

import pytest

from store.errors import InvalidValue
from store.mail.activity import list_activity_by_agent
from store.mail.messages import KEPT_FOR, mark_read
from store.mail.search import SCAN_LIMIT, MessageFilter, list_conversations, search_messages
from tests.places import keep_message, new_message


@pytest.fixture
def search(store, poll, clock):
    def ask(*, limit=50, cursor=None, **wanted):
        return store.run(
            lambda tx: search_messages(
                tx, poll.address, MessageFilter(**wanted), limit=limit, cursor=cursor, now=clock.now()
            )
        )

    return ask


@pytest.fixture
def conversations(store, poll, clock):
    def ask(*, limit=50, cursor=None):
        return store.run(lambda tx: list_conversations(tx, poll.address, limit=limit, cursor=cursor, now=clock.now()))

    return ask


def walk(ask, **wanted):
    """Every item of a list, page by page, and how many pages it took."""
    items, pages, cursor = [], 0, None
    while True:
        page = ask(cursor=cursor, **wanted)
        items += page.items
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            return items, pages


# Messages


@pytest.fixture
def letters(arrive, poll, other, clock, store):
    """Four messages, a minute from one another; the second is read."""
    first = arrive(poll, from_address="Ana@a.example", verified=True)
    clock.advance(minutes=1)
    second = arrive(poll, from_address="bo@b.example", verified=False, verified_domain=None)
    store.run(lambda tx: mark_read(tx, second.id))
    clock.advance(minutes=1)
    third = arrive(poll, from_address="ana@a.example", email_message_id="3@a", verified=False, verified_domain=None)
    clock.advance(minutes=1)
    fourth = arrive(poll, from_address="bo@b.example", parent_ids=("3@a",), verified=True)
    arrive(other, from_address="ana@a.example")
    return [first, second, third, fourth]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"status": "unread"}, [0, 2, 3]),
        ({"status": "read"}, [1]),
        ({"from_address": "ana@a.example"}, [0, 2]),
        ({"from_address": "ANA@A.EXAMPLE"}, [0, 2]),
        ({"from_address": "ana@a.exampl_"}, []),
        ({"from_address": "%"}, []),
        ({"verified": True}, [0, 3]),
        ({"verified": False}, [1, 2]),
        ({"verified": False, "status": "unread"}, [2]),
        ({"from_address": "bo@b.example", "verified": True}, [3]),
        ({"conversation_id": "conv_404"}, []),
    ],
)
def test_messages_are_found_by_what_they_are(search, letters, wanted, found):
    assert [letters[n].id for n in found] == [item.id for item in search(**wanted).items]


def test_messages_of_a_conversation_are_found(search, letters):
    wanted = letters[2].conversation_id

    assert [letters[2].id, letters[3].id] == [item.id for item in search(conversation_id=wanted).items]
    assert [letters[3].id] == [item.id for item in search(conversation_id=wanted, verified=True).items]


@pytest.mark.parametrize("first", range(5))
def test_messages_since_a_time_are_found_to_the_moment(search, letters, first):
    since = letters[0].received_at + timedelta(minutes=first)

    assert [message.id for message in letters[first:]] == [item.id for item in search(since=since).items]
    if first < 4:
        later = since + timedelta(microseconds=1)
        assert [message.id for message in letters[first + 1 :]] == [item.id for item in search(since=later).items]


def test_a_message_that_was_kept_late_is_found_by_its_time(store, search, arrive, poll, clock):
    early = clock.now()
    clock.advance(minutes=10)
    on_time = arrive(poll)
    new = new_message(poll.address, b"late", at=early)  # it came first, and DNS was slow
    late = store.run(lambda tx: keep_message(tx, new, b"late"))

    assert [on_time.id, late.id] == [item.id for item in search(since=early).items]
    assert [on_time.id] == [item.id for item in search(since=early + timedelta(minutes=5)).items]


def test_pages_of_a_search_follow_one_another(search, letters):
    items, pages = walk(search, from_address="ana@a.example", limit=1)

    assert ([letters[0].id, letters[2].id], 2) == ([item.id for item in items], pages)


def test_a_search_looks_at_so_many_messages_a_page_and_goes_on(store, search, arrive, poll, places):
    def many(tx):
        for _ in range(SCAN_LIMIT + 5):
            places.message(tx, poll.address, from_address="bo@b.example")

    store.run(many)
    rare = arrive(poll, from_address="ana@a.example")

    first = search(from_address="ana@a.example")
    assert ([], str(SCAN_LIMIT)) == (first.items, first.next_cursor)
    items, pages = walk(search, from_address="ana@a.example")
    assert ([rare.id], 2) == ([item.id for item in items], pages)


def test_a_search_finds_the_beginning_without_reading_what_is_before(store, search, arrive, poll, places, clock):
    def many(tx):
        for _ in range(SCAN_LIMIT + 5):
            places.message(tx, poll.address)

    store.run(many)
    clock.advance(hours=1)
    recent = arrive(poll)

    page = search(since=clock.now())
    assert ([recent.id], None) == ([item.id for item in page.items], page.next_cursor)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1~2"])
def test_what_is_no_cursor_is_refused(search, conversations, cursor):
    for ask in (search, conversations):
        with pytest.raises(InvalidValue):
            ask(cursor=cursor)


def test_what_is_over_is_not_found(search, conversations, letters, clock):
    clock.advance(seconds=KEPT_FOR.total_seconds())

    assert ([], []) == (search().items, conversations().items)


# Conversations


def test_conversations_are_listed_by_their_newest_message(arrive, compose, poll, conversations):
    old = arrive(poll, email_message_id="1@a", subject="first")
    new = arrive(poll, subject="second")
    answer = compose(parent_ids=("1@a",))

    first, second = conversations().items
    assert (old.conversation_id, 2, "outbound", answer.seq, "Grüße", poll.address) == (
        first.conversation_id,
        first.messages,
        first.last_direction,
        first.last_seq,
        first.last_subject,
        first.last_from,
    )
    assert (new.conversation_id, 1, "inbound", "second") == (
        second.conversation_id,
        second.messages,
        second.last_direction,
        second.last_subject,
    )


def test_pages_of_conversations_follow_one_another(arrive, poll, conversations):
    kept = [arrive(poll).conversation_id for _ in range(5)]

    items, pages = walk(conversations, limit=2)

    assert (kept[::-1], 3) == ([item.conversation_id for item in items], pages)


def test_a_long_conversation_hides_no_other(store, arrive, poll, places, conversations):
    quiet = arrive(poll)
    arrive(poll, email_message_id="1@a")

    def many(tx):
        for _ in range(SCAN_LIMIT + 5):
            places.message(tx, poll.address, parent_ids=("1@a",))

    store.run(many)

    items, pages = walk(conversations)
    assert ([SCAN_LIMIT + 6, 1], 2) == ([item.messages for item in items], pages)
    assert quiet.conversation_id == items[-1].conversation_id


def test_messages_of_a_conversation_are_told_with_both_directions(store, arrive, compose, poll, clock):
    asked = arrive(poll, email_message_id="1@a")
    arrive(poll)
    answer = compose(parent_ids=("1@a",))

    page = store.run(
        lambda tx: list_activity_by_agent(
            tx, poll.address, limit=10, cursor=None, now=clock.now(), conversation_id=asked.conversation_id
        )
    )
    assert [answer.id, asked.id] == [item.id for item in page.items]
