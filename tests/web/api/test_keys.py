"""API keys over HTTP: made, listed, revoked."""

import asyncio

import pytest

from relay.directory.keys import create_key
from store.database.connect import open_store
from store.ids import new_key_id
from tests.web.client import BOT, OWNER

KEYS = "/v1/keys"
ME = "/v1/me"
STRANGER = "eve@evil.example"


async def made(api_server, **wanted):
    answer = await api_server.post(KEYS, wanted)
    assert 201 == answer.status, answer.body
    return answer.json


async def own_id(api_server, key=""):
    return (await api_server.get(ME, key=key)).json["key"]["id"]


async def test_a_key_is_made_and_shown_once(api_server):
    new = await made(api_server, name="worker")

    assert ("worker", None, ["read", "work", "send", "admin"], None) == (
        new["name"], new["agent"], new["scopes"], new["last_used_at"],
    )  # fmt: skip
    assert "2026-11-23T15:17:00Z" == new["created_at"]
    assert new["prefix"] == new["api_key"][:12]
    listed = await api_server.get(KEYS)
    assert {name: value for name, value in new.items() if name != "api_key"} in listed.json["items"]
    assert new["api_key"] not in listed.body.decode()


async def test_a_new_key_opens_the_door(api_server):
    new = await made(api_server)

    assert new["id"] == await own_id(api_server, new["api_key"])


async def test_a_key_can_be_for_one_agent_and_for_little(api_server):
    await api_server.agent()

    new = await made(api_server, agent="BOT@agents.example", scopes=["admin", "read", "read"])

    assert (BOT, ["read", "admin"]) == (new["agent"], new["scopes"])
    assert (403, "insufficient_scope") == (await api_server.get(KEYS, key=new["api_key"])).problem


@pytest.mark.parametrize("agent", ["none@agents.example", "eve@evil.example"])
async def test_a_key_is_for_an_agent_of_one_s_own(api_server, agent):
    await api_server.agent("eve@evil.example", owner=STRANGER)

    assert (404, "agent_not_found") == (await api_server.post(KEYS, {"agent": agent})).problem


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        ((422, "invalid_request"), {"name": "x" * 201}),
        ((422, "invalid_request"), {"name": 1}),
        ((422, "invalid_request"), {"scopes": []}),
        ((422, "invalid_request"), {"scopes": ["root"]}),
        ((422, "invalid_request"), {"scopes": "read"}),
        ((422, "invalid_request"), {"user": STRANGER}),
        ((422, "invalid_request"), []),
        ((422, "invalid_request"), None),
        ((422, "invalid_value"), {"name": "a\nb"}),
        ((422, "invalid_value"), {"name": "a\0b"}),
        ((422, "invalid_value"), {"agent": "nonsense"}),
    ],
)
async def test_what_cannot_be_a_key_is_not_made(api_server, problem, wanted):
    assert problem == (await api_server.post(KEYS, wanted)).problem
    assert 1 == len((await api_server.get(KEYS)).json["items"])


async def test_a_key_gives_no_more_than_it_has(api_server):
    key = await api_server.new_key(scopes=["read", "admin"])

    refused = await api_server.post(KEYS, {"scopes": ["send"]}, key=key)
    given = await api_server.post(KEYS, {}, key=key)

    assert (403, "insufficient_scope") == refused.problem
    assert (201, ["read", "admin"]) == (given.status, given.json["scopes"])


@pytest.mark.parametrize("scopes", [["read"], ["send"], ["read", "send"]])
async def test_keys_are_administered_by_admins(api_server, scopes):
    key, others = await api_server.new_key(scopes=scopes), await own_id(api_server)
    answers = [
        await api_server.get(KEYS, key=key),
        await api_server.post(KEYS, {}, key=key),
        await api_server.ask("DELETE", f"{KEYS}/{others}", key=key),
    ]

    assert [(403, "insufficient_scope")] * 3 == [each.problem for each in answers]


async def test_keys_come_by_pages_oldest_first(api_server):
    ids = [await own_id(api_server)] + [(await made(api_server, name=str(number)))["id"] for number in range(4)]

    seen, cursor = [], ""
    while cursor is not None:
        page = (await api_server.get(f"{KEYS}?limit=2{cursor and f'&cursor={cursor}'}")).json
        seen.append([key["id"] for key in page["items"]])
        cursor = page["next_cursor"]

    assert [ids[:2], ids[2:4], ids[4:]] == seen


async def test_a_key_that_goes_meanwhile_does_not_disturb_the_pages(api_server):
    ids = [await own_id(api_server)] + [(await made(api_server))["id"] for _ in range(3)]
    cursor = (await api_server.get(f"{KEYS}?limit=2")).json["next_cursor"]
    await api_server.ask("DELETE", f"{KEYS}/{ids[1]}")

    assert ids[2:] == [key["id"] for key in (await api_server.get(f"{KEYS}?cursor={cursor}")).json["items"]]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=", "cursor=%FF", "cursor=key_", "cursor=key_'--", "limit=201", "limit=x"])  # fmt: skip
async def test_what_is_no_page_is_a_problem(api_server, query):
    assert 422 == (await api_server.get(f"{KEYS}?{query}")).problem[0]


async def test_nobody_sees_another_s_keys(api_server):
    stranger = await api_server.new_key(STRANGER)
    mine = await made(api_server)

    assert [await own_id(api_server, stranger)] == [
        each["id"] for each in (await api_server.get(KEYS, key=stranger)).json["items"]
    ]
    assert (404, "key_not_found") == (await api_server.ask("DELETE", f"{KEYS}/{mine['id']}", key=stranger)).problem
    assert 200 == (await api_server.get(ME, key=mine["api_key"])).status


async def test_the_last_use_of_a_key_is_shown(api_server):
    new = await made(api_server)
    api_server.clock.advance(seconds=90)
    await api_server.get(ME, key=new["api_key"])

    (listed,) = [key for key in (await api_server.get(KEYS)).json["items"] if key["id"] == new["id"]]

    assert "2026-11-23T15:18:30Z" == listed["last_used_at"]


async def test_a_revoked_key_is_gone_at_once(api_server):
    new = await made(api_server)
    await api_server.get(ME, key=new["api_key"])

    answer = await api_server.ask("DELETE", f"{KEYS}/{new['id']}")

    assert (204, b"") == (answer.status, answer.body)
    assert (401, "unauthorized") == (await api_server.get(ME, key=new["api_key"])).problem
    assert (404, "key_not_found") == (await api_server.ask("DELETE", f"{KEYS}/{new['id']}")).problem


@pytest.mark.parametrize("more", [{}, {"scopes": ["read"]}, {"agent": BOT}], ids=["any", "reader", "of an agent"])
async def test_a_key_may_revoke_itself_whatever_else_it_may(api_server, more):
    await api_server.agent()
    key = await api_server.new_key(**more)

    assert 204 == (await api_server.ask("DELETE", f"{KEYS}/{await own_id(api_server, key)}", key=key)).status
    assert (401, "unauthorized") == (await api_server.get(ME, key=key)).problem


@pytest.mark.parametrize("key_id", ["x", "key_0", "%00", "%FF", "key_%27--", "..%2F..", "K" * 5000])
async def test_what_is_no_key_s_id_is_not_found(api_server, key_id):
    answer = await api_server.ask("DELETE", f"{KEYS}/{key_id}")

    assert (404, True) == (answer.status, answer.problem[1] in {"key_not_found", "not_found"})


async def test_a_key_made_by_another_process_is_good_here_at_once(api_server, database_url):
    beside = open_store(database_url)

    def make(tx):
        return create_key(tx, api_server.places.user(tx, OWNER).id, name="", now=api_server.clock.now())

    _, plaintext = await asyncio.to_thread(beside.run, make)

    assert 200 == (await api_server.get(ME, key=plaintext)).status
    beside.engine.dispose()


async def test_an_id_of_the_right_form_is_looked_for(api_server):
    assert (404, "key_not_found") == (await api_server.ask("DELETE", f"{KEYS}/{new_key_id()}")).problem
