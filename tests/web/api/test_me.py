"""Who asks, as the relay sees them."""

import pytest

from relay.web.http.limits import ApiLimits
from store.directory.users import bootstrap_user
from tests.web.client import BOT, OWNER, ApiServer

ME = "/v1/me"


async def test_a_caller_learns_who_they_are_and_what_they_may(sqlite_store, clock, places):
    limits = ApiLimits(rate_per_key=7, rate_per_user=9, max_body_bytes=70_000)
    api_server = ApiServer(sqlite_store, clock, places, limits)
    await sqlite_store.write(lambda tx: bootstrap_user(tx, OWNER, name="Ana", now=clock.now()))
    await api_server.open()

    me = (await api_server.get(ME)).json

    user, key = me["user"], me["key"]
    assert (OWNER, "Ana", "2026-11-23T15:17:00Z", True) == (
        user["email"], user["name"], user["created_at"], user["id"].startswith("usr_"),
    )  # fmt: skip
    assert ("", api_server.key[:12], None, ["read", "work", "send", "admin"], "2026-11-23T15:17:00Z") == (
        key["name"], key["prefix"], key["agent"], key["scopes"], key["created_at"],
    )  # fmt: skip
    assert {
        "requests_per_minute": {"per_key": 7, "per_user": 9},
        "max_message_bytes": 36_700_160,
        "max_body_bytes": 70_000,
        "page": {"default": 50, "most": 200},
    } == me["limits"]
    await api_server.close()


async def test_what_opens_a_key_and_the_subject_of_a_sign_in_are_not_told(api_server):
    body = (await api_server.get(ME)).body.decode()

    assert [] == [word for word in (api_server.key, "hash", "subject", "local:") if word in body]


@pytest.mark.parametrize("more", [{"scopes": ["read"]}, {"scopes": ["send"]}, {"agent": BOT}])
async def test_any_key_may_ask(api_server, more):
    await api_server.agent()

    key = (await api_server.get(ME, key=await api_server.new_key(**more))).json["key"]

    assert more.items() <= key.items()


async def test_nobody_is_nobody(api_server):
    assert (401, "unauthorized") == (await api_server.get(ME, key=None)).problem
