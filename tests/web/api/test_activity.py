"""What went in and out, and how to go on reading it."""

import pytest

from store.outbound.outbound import create_outbound_message
from tests.places import new_outbound
from tests.web.client import BOT

ROOT = f"/v1/agents/{BOT.replace('@', '%40')}"


@pytest.fixture
async def both(api_server):
    """The ids of a mail, its answer and another mail; the first two are one conversation."""
    await api_server.agent()
    asked = await api_server.message(email_message_id="1@a", subject="question")
    new = new_outbound(BOT, at=api_server.clock.now(), parent_ids=("1@a",))
    answer = await api_server.store.write(lambda tx: create_outbound_message(tx, new))
    other = await api_server.message(subject="other")
    return asked, answer, other


async def test_both_directions_are_told_newest_first(api_server, both):
    asked, answer, other = both

    found = await api_server.get(f"{ROOT}/activity")

    assert [other.id, answer.id, asked.id] == [item["message_id"] for item in found.json["items"]]
    written = found.json["items"][1]
    assert ("outbound", "queued", list(answer.to + answer.cc + answer.bcc), asked.conversation_id) == (
        written["direction"],
        written["status"],
        written["to"],
        written["conversation_id"],
    )
    assert {"name": "Bo", "address": "bo@sender.example"} == found.json["items"][2]["from"]


async def test_a_list_goes_on_behind_its_cursor(api_server, both):
    first = await api_server.get(f"{ROOT}/activity?limit=2")
    second = await api_server.get(f"{ROOT}/activity?limit=2&cursor={first.json['next_cursor']}")

    assert ([both[0].id], None) == (
        [item["message_id"] for item in second.json["items"]],
        second.json["next_cursor"],
    )


async def test_conversations_are_told_with_their_newest_message(api_server, both):
    asked, answer, other = both

    found = (await api_server.get(f"{ROOT}/conversations")).json["items"]

    assert [(other.conversation_id, 1), (asked.conversation_id, 2)] == [
        (item["conversation_id"], item["messages"]) for item in found
    ]
    assert ("outbound", BOT, answer.subject) == tuple(
        found[1]["last"][name] for name in ("direction", "from_address", "subject")
    )


async def test_a_conversation_is_its_messages_of_both_directions(api_server, both):
    asked, answer, _ = both

    found = await api_server.get(f"{ROOT}/conversations/{asked.conversation_id}")

    assert [answer.id, asked.id] == [item["message_id"] for item in found.json["items"]]


@pytest.mark.parametrize("conversation", ["conv_404", "%00", "%", "a" * 1000])
async def test_a_conversation_that_is_not_there_is_not_found(api_server, both, conversation):
    answer = await api_server.get(f"{ROOT}/conversations/{conversation}")

    assert answer.status in {400, 404}
    assert answer.json["code"] in {"conversation_not_found", "not_found", "malformed_request", "malformed_path"}


@pytest.mark.parametrize("path", ["/activity", "/conversations", "/conversations/{}"])
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=-1"])
async def test_what_does_not_fit_is_refused(api_server, both, path, query):
    answer = await api_server.get(f"{ROOT}{path.format(both[0].conversation_id)}?{query}")

    assert 422 == answer.problem[0]


@pytest.mark.parametrize("path", ["/activity", "/conversations", "/conversations/{}"])
async def test_another_s_agent_is_not_found(api_server, both, path):
    key = await api_server.new_key("eve@stranger.example")

    answer = await api_server.get(f"{ROOT}{path.format(both[0].conversation_id)}", key=key)

    assert (404, "agent_not_found") == answer.problem
