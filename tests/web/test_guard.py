"""Who may ask, and that nobody learns of what belongs to others."""

import pytest

from relay.directory.keys import find_holder
from relay.signing.keys import KEY_BYTES, new_key
from store.keys import delete_api_key
from tests.web.client import BOT, messages, queue

UNKNOWN = new_key(bytes(KEY_BYTES))
ROUTES = [
    ("GET", messages()),
    ("GET", messages("/msg_0")),
    ("GET", messages("/msg_0/raw")),
    ("GET", messages("/msg_0/attachments/0")),
    ("PATCH", messages("/msg_0")),
    ("POST", queue("lease")),
    ("POST", queue("ack")),
    ("POST", queue("nack")),
    ("POST", queue("extend")),
]
BODIES = {"PATCH": {"status": "read"}, "lease": {}, "ack": {"receipts": ["x"]}, "nack": {"receipts": ["x"]}, "extend": {"receipts": ["x"]}}  # fmt: skip


def body_for(method, path):
    found = BODIES.get(method, BODIES.get(path.rpartition("/")[2]))
    return {} if found is None else {"json": found}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_without_a_key(still_door, method, path):
    answer = await still_door.ask(method, path, key=None, **body_for(method, path))

    assert (401, "unauthorized") == answer.problem
    assert 'Bearer realm="mailseal"' == answer.headers["WWW-Authenticate"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", f"Bearer {UNKNOWN}", f"Basic {UNKNOWN}", UNKNOWN, "Bearer mk_x", "Bearer \xe9"]
)
async def test_a_header_without_a_valid_key_is_unauthorized(still_door, header):
    answer = await still_door.get(messages(), key=None, headers={"Authorization": header})

    assert (401, "unauthorized") == answer.problem


@pytest.mark.asyncio(loop_scope="module")
async def test_the_scheme_is_read_in_any_case(still_door):
    answer = await still_door.get(messages(), key=None, headers={"Authorization": f"bEARER {still_door.key}"})

    assert 200 == answer.status


async def test_a_revoked_key_is_worth_nothing_from_then_on(door):
    await door.agent()
    await door.get(messages())

    def revoke(tx):
        user, key = find_holder(tx, door.key)
        delete_api_key(tx, user.id, key.id)

    await door.store.write(revoke)

    assert (401, "unauthorized") == (await door.get(messages())).problem


async def test_a_keys_use_is_remembered_once_a_minute(door):
    await door.agent()

    async def used():
        _, key = await door.store.read(lambda tx: find_holder(tx, door.key))
        return key.last_used_at

    first = door.clock.now()
    await door.get(messages())
    door.clock.advance(seconds=59)
    await door.get(messages())
    assert first == await used()

    door.clock.advance(seconds=1)
    await door.get(messages())
    assert door.clock.now() == await used()


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_anothers_agent_cannot_be_told_from_none(sqlite_door, method, path):
    stranger = await sqlite_door.new_key("eve@evil.example")
    unknown = await sqlite_door.ask(method, path, key=stranger, **body_for(method, path))
    await sqlite_door.agent()

    anothers = await sqlite_door.ask(method, path, key=stranger, **body_for(method, path))

    assert (404, "agent_not_found") == anothers.problem
    assert (unknown.status, unknown.body) == (anothers.status, anothers.body)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("agent", ["postmaster", "nobody@agents.example", "*@agents.example"])
async def test_an_agent_that_is_not_the_callers_is_not_found(still_door, agent):
    assert (404, "agent_not_found") == (await still_door.get(messages(agent=agent))).problem


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (BOT, "bot@agents.example"),
        (BOT, "bot%40agents.example"),
        (BOT, "BOT%40Agents.Example"),
        (BOT, "%62ot%40agents%2Eexample"),
        ("bot+eu@agents.example", "bot%2Beu%40agents.example"),
        ("bot+eu@agents.example", "bot+eu@agents.example"),
        ("*@agents.example", "%2A%40agents.example"),
        ("zo\u00eb@agents.example", "zo%C3%AB%40agents.example"),
        ("a%b@agents.example", "a%25b%40agents.example"),
    ],
)
async def test_an_address_in_a_path_is_url_encoded(sqlite_door, address, path):
    await sqlite_door.agent(address)

    answer = await sqlite_door.get(f"/v1/agents/{path}/messages")

    assert 200 == answer.status, answer.body


@pytest.mark.parametrize(
    "path", ["nonsense", "a%00b%40agents.example", "%FF%40agents.example", "a%20b%40agents.example", "%40"]
)
async def test_what_is_no_address_is_a_problem(door, path):
    status, _ = (await door.get(f"/v1/agents/{path}/messages")).problem

    assert status in {404, 422}
