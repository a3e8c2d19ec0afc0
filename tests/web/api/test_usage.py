"""What was counted, by day."""

import pytest


async def test_days_on_which_there_was_something_are_told(api_server):
    await api_server.agent()
    first, second = await api_server.message(), await api_server.message()
    api_server.clock.advance(days=2)
    third = await api_server.message()

    found = (await api_server.get("/v1/usage")).json

    assert [
        {"day": "2026-11-23", "received": {"count": 2, "bytes": first.raw_size + second.raw_size}},
        {"day": "2026-11-25", "received": {"count": 1, "bytes": third.raw_size}},
    ] == found["items"]
    assert ("2026-10-27", "2026-11-25") == (found["from"], found["to"])


async def test_only_the_days_asked_for_are_told(api_server):
    await api_server.agent()
    await api_server.message()

    assert [] == (await api_server.get("/v1/usage?from=2026-11-24&to=2026-11-30")).json["items"]
    assert 1 == len((await api_server.get("/v1/usage?from=2026-11-23&to=2026-11-23")).json["items"])


async def test_what_another_received_is_not_told(api_server):
    await api_server.agent()
    await api_server.message()

    assert [] == (await api_server.get("/v1/usage", key=await api_server.new_key("eve@stranger.example"))).json["items"]


@pytest.mark.parametrize(
    "query",
    ["from=x", "to=2026-13-01", "from=2026-11-24&to=2026-11-23", "from=2025-01-01&to=2026-11-23", "to=0001-01-01"],
)
async def test_what_are_no_days_is_refused(api_server, query):
    answer = await api_server.get(f"/v1/usage?{query}")

    assert answer.status == (200 if query == "to=0001-01-01" else 422)
