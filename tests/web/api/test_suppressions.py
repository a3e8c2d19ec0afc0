"""Addresses that are not written to any more, over HTTP."""

import pytest

from store.outbound.suppression import keep_suppression
from tests.web.client import BOT

PATH = "/v1/suppressions"
STRANGER = "eve@evil.example"


@pytest.fixture
def keep(sqlite_api):
    async def suppress(address, *, reason="bounced", owner="ana@owner.example", **more):
        now = sqlite_api.clock.now()

        def unit(tx):
            user = sqlite_api.places.user(tx, owner)
            keep_suppression(tx, user.id, address, reason=reason, now=now, **more)

        await sqlite_api.store.write(unit)

    return suppress


async def test_addresses_are_listed_with_why_by_name(sqlite_api, keep):
    await keep("gone@reader.example", detail="550 5.1.1 unknown", message_id="msg_1")
    await keep("cross@reader.example", reason="complained")

    answer = await sqlite_api.get(PATH)

    first, second = answer.json["items"]
    assert ("cross@reader.example", "complained", "", None) == (
        first["address"], first["reason"], first["detail"], first["message_id"],
    )  # fmt: skip
    assert {
        "address": "gone@reader.example",
        "reason": "bounced",
        "detail": "550 5.1.1 unknown",
        "message_id": "msg_1",
        "created_at": "2026-11-23T15:17:00Z",
    } == second


async def test_pages_lead_on(sqlite_api, keep):
    for name in "abc":
        await keep(f"{name}@reader.example")

    first = (await sqlite_api.get(f"{PATH}?limit=2")).json
    second = (await sqlite_api.get(f"{PATH}?limit=2&cursor={first['next_cursor']}")).json

    assert ["a@reader.example", "b@reader.example", "c@reader.example"] == [
        each["address"] for each in (*first["items"], *second["items"])
    ]
    assert None is second["next_cursor"]
    assert (422, "invalid_value") == (await sqlite_api.get(f"{PATH}?cursor=7")).problem


@pytest.mark.parametrize("spelling", ["Zo%40B%C3%9CCHER.example", "zo@xn--bcher-kva.example"])
async def test_an_address_is_written_to_again_by_any_spelling(sqlite_api, keep, spelling):
    await keep("zo@bücher.example")

    assert 204 == (await sqlite_api.ask("DELETE", f"{PATH}/{spelling}")).status
    assert (404, "suppression_not_found") == (await sqlite_api.ask("DELETE", f"{PATH}/{spelling}")).problem


async def test_an_address_with_a_slash_is_one(sqlite_api, keep):
    await keep("a/b@reader.example")

    assert 204 == (await sqlite_api.ask("DELETE", f"{PATH}/a%2Fb%40reader.example")).status


@pytest.mark.parametrize("address", ["nobody", "nobody@reader.example", "a%20b@reader.example", "@"])
async def test_what_is_not_on_the_list_cannot_be_taken_off(sqlite_api, keep, address):
    await keep("gone@reader.example")

    answer = await sqlite_api.ask("DELETE", f"{PATH}/{address}")

    assert 404 == answer.status
    assert 1 == len((await sqlite_api.get(PATH)).json["items"])


async def test_a_user_sees_and_changes_only_their_own(sqlite_api, keep):
    await keep("gone@reader.example", owner=STRANGER)

    assert [] == (await sqlite_api.get(PATH)).json["items"]
    answer = await sqlite_api.ask("DELETE", f"{PATH}/gone@reader.example")
    assert (404, "suppression_not_found") == answer.problem


async def test_a_key_does_what_its_scopes_say(sqlite_api, keep):
    await keep("gone@reader.example")
    await sqlite_api.agent()
    reader = await sqlite_api.new_key(scopes=["read"])
    admin = await sqlite_api.new_key(scopes=["admin"])
    one_agent_s = await sqlite_api.new_key(agent=BOT)

    for key in (admin, one_agent_s):
        assert (403, "insufficient_scope") == (await sqlite_api.get(PATH, key=key)).problem
    for key in (reader, one_agent_s):
        answer = await sqlite_api.ask("DELETE", f"{PATH}/gone@reader.example", key=key)
        assert (403, "insufficient_scope") == answer.problem
    assert 200 == (await sqlite_api.get(PATH, key=reader)).status
    assert 204 == (await sqlite_api.ask("DELETE", f"{PATH}/gone@reader.example", key=admin)).status
