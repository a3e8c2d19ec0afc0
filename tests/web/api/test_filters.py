"""Messages by what they are, as a client asks for them."""

import asyncio

import pytest

from tests.web.client import messages


@pytest.fixture
async def letters(api_server):
    """Three messages, an hour from one another."""
    await api_server.agent()
    kept = []
    for changes in (
        {"from_address": "Ana@a.example", "email_message_id": "1@a"},
        {"from_address": "bo@b.example", "verified": False, "verified_domain": None},
        {"from_address": "ana@a.example", "parent_ids": ("1@a",)},
    ):
        kept.append(await api_server.message(**changes))
        api_server.clock.advance(hours=1)
    return kept


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=ana@a.example", [0, 2]),
        ("from=ana%40a.example&limit=1", [0]),
        ("verified=true", [0, 2]),
        ("verified=false", [1]),
        ("since=2026-11-23T16:17:00Z", [1, 2]),
        ("since=2026-11-23T17:17:00%2B01:00", [1, 2]),
        ("conversation_id=conv_404", []),
        ("status=read&verified=true", []),
    ],
)
async def test_messages_are_listed_by_what_they_are(api_server, letters, query, found):
    answer = await api_server.get(messages(f"?{query}"))

    assert [letters[n].id for n in found] == [item["message_id"] for item in answer.json["items"]]


async def test_messages_of_a_conversation_are_listed(api_server, letters):
    answer = await api_server.get(messages(f"?conversation_id={letters[0].conversation_id}"))

    assert [letters[0].id, letters[2].id] == [item["message_id"] for item in answer.json["items"]]


@pytest.mark.parametrize(
    "query",
    [
        "verified=maybe",
        "since=yesterday",
        "since=2026-11-23T16:17:00",
        "from=" + "a" * 321,
        "sender=x",
        "conversation_id=" + "c" * 37,
    ],
)
async def test_what_is_no_filter_is_refused(api_server, letters, query):
    assert (422, "invalid_request") == (await api_server.get(messages(f"?{query}"))).problem


async def test_who_waits_for_somebody_s_mail_is_woken_by_it_and_not_by_another(api_server, letters):
    cursor = letters[-1].seq
    waiting = asyncio.ensure_future(api_server.get(messages(f"?from=cy@c.example&wait=20&cursor={cursor}")))
    await api_server.has_waiter()
    await api_server.message(from_address="bo@b.example")
    wanted = await api_server.message(from_address="cy@c.example")

    assert [wanted.id] == [item["message_id"] for item in (await waiting).json["items"]]
