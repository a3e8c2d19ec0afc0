"""Deliveries by the API: listed, looked at, sent again, tried."""

from ipaddress import ip_network

import pytest

from relay.directory.agents import read_secrets
from relay.signing.check import check_request
from relay.signing.secrets import parse_whsec
from store.mail.deliveries import claim_due, settle_dead, settle_delivered
from store.outbound.sending import LEASE
from store.records.mail import Attempt
from tests.sink import Sink
from tests.web.client import BOT

HOOK = "hook@agents.example"
EVE = "eve@stranger.example"
TEST = "/v1/agents/hook%40agents.example/test"


@pytest.fixture
async def hooked(api_server):
    """A door with an agent that has a webhook nobody listens at."""
    await api_server.agent(HOOK, webhook="https://hooks.example/in")
    return api_server


async def settled(api_server, how, *, status=500, agent=HOOK):
    """Has a mail arrive and its delivery settled; answers the delivery's id."""
    await api_server.message(agent=agent)

    def unit(tx):
        now = api_server.clock.now()
        (claim,) = claim_due(tx, agent, limit=1, lease=LEASE, now=now)
        how(tx, claim, Attempt(at=now, duration_ms=7, status=status, error=None), now=now)
        return claim.delivery.id

    return await api_server.store.write(unit)


# Looked at


async def test_deliveries_are_listed_newest_first_and_by_status(hooked):
    delivered = await settled(hooked, settle_delivered, status=204)
    dead = await settled(hooked, settle_dead)
    await hooked.message(agent=HOOK)

    async def ids(query=""):
        return [item["delivery_id"] for item in (await hooked.get(f"/v1/deliveries{query}")).json["items"]]

    assert [dead, delivered] == (await ids())[1:]
    assert ([delivered], [dead]) == (await ids("?status=delivered"), await ids("?status=dead"))
    assert 3 == len(await ids("?agent=hook%40agents.example"))
    assert [] == await ids("?status=delivered&agent=HOOK%40agents.example&limit=1&cursor=" + delivered)


async def test_a_list_goes_on_behind_its_cursor(hooked):
    for _ in range(3):
        await settled(hooked, settle_dead)

    first = (await hooked.get("/v1/deliveries?limit=2")).json
    second = (await hooked.get(f"/v1/deliveries?limit=2&cursor={first['next_cursor']}")).json

    assert (2, 1, None) == (len(first["items"]), len(second["items"]), second["next_cursor"])


async def test_one_delivery_is_told_with_every_attempt(hooked):
    dead = await settled(hooked, settle_dead)

    found = (await hooked.get(f"/v1/deliveries/{dead}")).json

    assert ("dead", 1, 500, HOOK, "email.received") == tuple(
        found[name] for name in ("status", "attempts", "last_status", "agent", "event_type")
    )
    assert [{"at": "2026-11-23T15:17:00Z", "status": 500, "duration_ms": 7, "error": None}] == found["tried"]


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=201", "agent=" + "a" * 321])
async def test_what_does_not_fit_is_refused(hooked, query):
    assert 422 == (await hooked.get(f"/v1/deliveries?{query}")).problem[0]


# Sent again


async def test_a_dead_delivery_is_replayed_under_its_event_id(hooked):
    dead = await settled(hooked, settle_dead)
    before = (await hooked.get(f"/v1/deliveries/{dead}")).json

    answer = await hooked.post(f"/v1/deliveries/{dead}/replay")

    assert (202, "pending", 0, before["event_id"]) == (
        answer.status,
        answer.json["status"],
        answer.json["attempts"],
        answer.json["event_id"],
    )
    assert (409, "not_replayable") == (await hooked.post(f"/v1/deliveries/{dead}/replay")).problem


async def test_all_that_is_dead_of_an_agent_is_replayed(hooked):
    dead = [await settled(hooked, settle_dead) for _ in range(3)]
    await settled(hooked, settle_delivered, status=200)

    answer = await hooked.post("/v1/deliveries/replay", {"agent": HOOK})

    assert (202, sorted(dead), False) == (answer.status, sorted(answer.json["delivery_ids"]), answer.json["more"])
    assert [] == (await hooked.get("/v1/deliveries?status=dead")).json["items"]


@pytest.mark.parametrize("body", [{}, {"agent": 1}, {"agent": HOOK, "more": 1}, []])
async def test_a_replay_that_does_not_fit_is_refused(hooked, body):
    assert 422 == (await hooked.post("/v1/deliveries/replay", body)).problem[0]


async def test_what_belongs_to_another_is_not_found(hooked):
    dead = await settled(hooked, settle_dead)
    eve = await hooked.new_key(EVE)

    assert [] == (await hooked.get("/v1/deliveries", key=eve)).json["items"]
    for answer in (
        await hooked.get(f"/v1/deliveries/{dead}", key=eve),
        await hooked.post(f"/v1/deliveries/{dead}/replay", key=eve),
        await hooked.get("/v1/deliveries/dlv_404"),
    ):
        assert (404, "delivery_not_found") == answer.problem
    for answer in (
        await hooked.get("/v1/deliveries?agent=hook%40agents.example", key=eve),
        await hooked.post("/v1/deliveries/replay", {"agent": HOOK}, key=eve),
        await hooked.post(TEST, key=eve),
    ):
        assert (404, "agent_not_found") == answer.problem
    assert "dead" == (await hooked.get(f"/v1/deliveries/{dead}")).json["status"]


# Tried


@pytest.fixture
async def sink():
    async with Sink() as opened:
        yield opened


@pytest.fixture
async def tried(api_server, sink):
    """A door with an agent whose webhook is the sink."""
    api_server.places.allow = (ip_network("127.0.0.0/8"),)
    await api_server.agent(HOOK, webhook=sink.url())
    return api_server


async def test_a_sample_event_is_posted_as_a_real_one_is(tried, sink):
    answer = await tried.post(TEST)

    assert (200, True, 204, None, sink.url()) == (
        answer.status,
        *(answer.json[name] for name in ("delivered", "status", "error", "webhook_url")),
    )
    (posted,) = await sink.got(1)
    assert answer.json["event_id"] == posted.webhook_id
    assert ("email.received", HOOK, False) == (
        posted.event["type"],
        posted.event["data"]["agent"],
        posted.event["data"]["authentication"]["verified"],
    )
    (secret,) = await tried.store.read(
        lambda tx: read_secrets(tx, HOOK, master=tried.places.master, now=tried.clock.now())
    )
    document = {"headers": dict(posted.headers), "body": posted.body.decode()}
    assert check_request(document, [parse_whsec(secret["secret"])], now=tried.clock.now()).holds


@pytest.mark.parametrize("status", [410, 500, 302])
async def test_what_came_back_is_told_and_nothing_follows_from_it(tried, sink, status):
    sink.answers("/hook", status, status)

    answer = await tried.post(TEST)

    assert (False, status) == (answer.json["delivered"], answer.json["status"])
    assert [] == (await tried.get("/v1/deliveries")).json["items"]
    assert [] == (await tried.get("/v1/agents/hook%40agents.example/messages?status=all")).json["items"]
    assert 200 == (await tried.post(TEST)).status


async def test_an_address_that_must_not_be_asked_is_not_asked_for_a_test_either(api_server):
    await api_server.agent(HOOK, webhook="https://localhost/in")

    answer = await api_server.post(TEST)

    assert (False, None) == (answer.json["delivered"], answer.json["status"])
    assert answer.json["error"]


async def test_an_agent_that_polls_has_nothing_to_try(api_server):
    await api_server.agent(BOT)

    assert (409, "no_webhook") == (await api_server.post("/v1/agents/bot%40agents.example/test")).problem
