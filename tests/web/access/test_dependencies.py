"""Who may ask, and that nobody learns of what belongs to others."""

import asyncio
import inspect

import pytest

from relay.directory.keys import find_holder
from relay.signing.keys import KEY_BYTES, new_key
from relay.web.access import dependencies as guard
from relay.web.app import make_api
from store.database.connect import open_store
from store.directory.agents import delete_agent
from store.directory.keys import delete_api_key
from tests.broken_store import lose_table
from tests.web.client import BOT, OWNER, ApiServer, messages, queue

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
async def test_no_route_answers_without_a_key(shared_api, method, path):
    answer = await shared_api.ask(method, path, key=None, **body_for(method, path))

    assert (401, "unauthorized") == answer.problem
    assert 'Bearer realm="mailseal"' == answer.headers["WWW-Authenticate"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", f"Bearer {UNKNOWN}", f"Basic {UNKNOWN}", UNKNOWN, "Bearer mk_x", "Bearer \xe9"]
)
async def test_a_header_without_a_valid_key_is_unauthorized(shared_api, header):
    answer = await shared_api.get(messages(), key=None, headers={"Authorization": header})

    assert (401, "unauthorized") == answer.problem


@pytest.mark.asyncio(loop_scope="module")
async def test_the_scheme_is_read_in_any_case(shared_api):
    answer = await shared_api.get(messages(), key=None, headers={"Authorization": f"bEARER {shared_api.key}"})

    assert 200 == answer.status


def revoke(key):
    def unit(tx):
        user, kept = find_holder(tx, key)
        delete_api_key(tx, user.id, kept.id)

    return unit


async def test_a_revoked_key_is_worth_nothing_from_then_on(api_server):
    await api_server.agent()
    await api_server.get(messages())

    await api_server.store.write(revoke(api_server.key))

    assert (401, "unauthorized") == (await api_server.get(messages())).problem


async def test_a_key_that_another_process_revoked_is_worth_nothing_from_then_on(api_server, database_url):
    await api_server.agent()
    await api_server.get(messages())
    beside = open_store(database_url)

    await asyncio.to_thread(beside.run, revoke(api_server.key))

    assert (401, "unauthorized") == (await api_server.get(messages())).problem
    beside.engine.dispose()


async def test_a_use_that_cannot_be_written_down_keeps_nobody_from_reading(sqlite_api):
    await sqlite_api.agent()
    with sqlite_api.store.engine.begin() as connection:
        refuse = "CREATE TRIGGER full BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        connection.exec_driver_sql(refuse)

    assert 200 == (await sqlite_api.get(messages())).status


async def test_nobody_is_let_in_while_the_store_cannot_say_who_it_is(api_server):
    lose_table(api_server.store, "api_keys")

    answer = await api_server.get(messages())

    assert (503, "store_unavailable") == answer.problem
    assert answer.headers["Retry-After"]


async def test_a_keys_use_is_remembered_once_a_minute(api_server):
    await api_server.agent()

    async def used():
        _, key = await api_server.store.read(lambda tx: find_holder(tx, api_server.key))
        return key.last_used_at

    first = api_server.clock.now()
    await api_server.get(messages())
    api_server.clock.advance(seconds=59)
    await api_server.get(messages())
    assert first == await used()

    api_server.clock.advance(seconds=1)
    await api_server.get(messages())
    assert api_server.clock.now() == await used()


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_anothers_agent_cannot_be_told_from_none(sqlite_api, method, path):
    stranger = await sqlite_api.new_key("eve@evil.example")
    unknown = await sqlite_api.ask(method, path, key=stranger, **body_for(method, path))
    await sqlite_api.agent()

    anothers = await sqlite_api.ask(method, path, key=stranger, **body_for(method, path))

    assert (404, "agent_not_found") == anothers.problem
    assert (unknown.status, unknown.body) == (anothers.status, anothers.body)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("agent", ["postmaster", "nobody@agents.example", "*@agents.example"])
async def test_an_agent_that_is_not_the_callers_is_not_found(shared_api, agent):
    assert (404, "agent_not_found") == (await shared_api.get(messages(agent=agent))).problem


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
async def test_an_address_in_a_path_is_url_encoded(sqlite_api, address, path):
    await sqlite_api.agent(address)

    answer = await sqlite_api.get(f"/v1/agents/{path}/messages")

    assert 200 == answer.status, answer.body


@pytest.mark.parametrize(
    "path", ["nonsense", "a%00b%40agents.example", "%FF%40agents.example", "a%20b%40agents.example", "%40"]
)
async def test_what_is_no_address_is_a_problem(api_server, path):
    status, _ = (await api_server.get(f"/v1/agents/{path}/messages")).problem

    assert status in {404, 422}


# What a key may do


@pytest.fixture
async def guarded(sqlite_store, clock, places):
    """A door with a route for each guard."""
    opened = ApiServer(sqlite_store, clock, places)
    api = opened.own_api()
    for name in ("AnyPrincipal", "Reader", "Sender", "Admin"):
        api.get(f"/v1/{name}")(route_for(getattr(guard, name)))
        api.get(f"/outside/{name}")(route_for(getattr(guard, name)))
    for name in ("AgentReader", "AgentSender", "AgentAdmin"):
        api.get(f"/v1/agents/{{address}}/{name}")(route_for(getattr(guard, name)))
        api.get(f"/v1/elsewhere/{{address}}/{name}")(route_for(getattr(guard, name)))
    await opened.open()
    await opened.agent()
    await opened.agent("other@agents.example")
    await opened.agent("eve@evil.example", owner="eve@evil.example")
    yield opened
    await opened.close()


def route_for(wanted):
    async def route(_: wanted) -> str:
        return "in"

    return route


IN, OUT, ELSEWHERE = (200, "in"), (403, "insufficient_scope"), (404, "agent_not_found")
ACCOUNT = ("AnyPrincipal", "Reader", "Sender", "Admin")
AGENT = ("AgentReader", "AgentSender", "AgentAdmin")


async def outcomes(api_server, key, paths):
    answers = [await api_server.get(path, key=key) for path in paths]
    return [(each.status, each.json) if each.status == 200 else each.problem for each in answers]


@pytest.mark.parametrize(
    ("scopes", "account", "agent"),
    [
        (["read", "send", "admin"], [IN, IN, IN, IN], [IN, IN, IN]),
        (["read"], [IN, IN, OUT, OUT], [IN, OUT, OUT]),
        (["send"], [IN, OUT, IN, OUT], [OUT, IN, OUT]),
        (["admin"], [IN, OUT, OUT, IN], [OUT, OUT, IN]),
        (["read", "admin"], [IN, IN, OUT, IN], [IN, OUT, IN]),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(guarded, scopes, account, agent):
    key = await guarded.new_key(scopes=scopes)

    assert account == await outcomes(guarded, key, [f"/v1/{name}" for name in ACCOUNT])
    assert agent == await outcomes(guarded, key, [f"/v1/agents/{BOT}/{name}" for name in AGENT])


async def test_a_key_for_one_agent_has_that_one_and_nothing_of_the_account(guarded):
    key = await guarded.new_key(agent=BOT)

    assert [IN, OUT, OUT, OUT] == await outcomes(guarded, key, [f"/v1/{name}" for name in ACCOUNT])
    assert [IN, IN, IN] == await outcomes(guarded, key, [f"/v1/agents/{BOT}/{name}" for name in AGENT])
    others = ("other@agents.example", "eve@evil.example", "none@agents.example")
    paths = [f"/v1/agents/{address}/{name}" for address in others for name in AGENT]
    assert [ELSEWHERE] * 9 == await outcomes(guarded, key, paths)


async def test_another_s_agent_is_not_found_whatever_the_key_may_do(guarded):
    key = await guarded.new_key(scopes=["read"])

    assert [ELSEWHERE] * 3 == await outcomes(guarded, key, [f"/v1/agents/eve%40evil.example/{name}" for name in AGENT])


async def test_a_key_goes_with_the_agent_it_is_for(guarded):
    key = await guarded.new_key(agent=BOT)

    def remove(tx):
        delete_agent(tx, guarded.places.user(tx, OWNER).id, BOT)

    await guarded.store.write(remove)

    assert [(401, "unauthorized")] == await outcomes(guarded, key, ["/v1/AnyPrincipal"])


async def test_a_guard_where_the_gate_does_not_stand_lets_nobody_in(guarded):
    unauthorized = (401, "unauthorized")

    assert [unauthorized] * 4 == await outcomes(guarded, "", [f"/outside/{name}" for name in ACCOUNT])
    assert [ELSEWHERE] * 3 == await outcomes(guarded, "", [f"/v1/elsewhere/{BOT}/{name}" for name in AGENT])


# In the middle of a long poll

WAITS = [("GET", messages("?wait=30"), {}), ("POST", queue("lease"), {"json": {"wait": 30}})]


@pytest.mark.parametrize(("method", "path", "more"), WAITS)
async def test_a_key_revoked_meanwhile_gets_no_mail(api_server, method, path, more):
    await api_server.agent()
    waiting = asyncio.create_task(api_server.ask(method, path, **more))
    await api_server.has_waiter()

    await api_server.store.write(revoke(api_server.key))
    message = await api_server.message()

    assert (401, "unauthorized") == (await waiting).problem
    leased = await api_server.post(queue("lease"), key=await api_server.new_key())
    assert [(message.id, 1)] == [(item["message"]["message_id"], item["attempt"]) for item in leased.json["items"]]


@pytest.mark.parametrize(("method", "path", "more"), WAITS)
async def test_a_key_revoked_by_another_process_meanwhile_gets_no_mail(api_server, database_url, method, path, more):
    await api_server.agent()
    waiting = asyncio.create_task(api_server.ask(method, path, **more))
    await api_server.has_waiter()
    beside = open_store(database_url)

    await asyncio.to_thread(beside.run, revoke(api_server.key))
    await api_server.message()

    assert (401, "unauthorized") == (await waiting).problem
    beside.engine.dispose()


@pytest.mark.parametrize(("method", "path", "more"), WAITS)
async def test_whoever_waits_for_an_agent_that_goes_hears_so(api_server, method, path, more):
    await api_server.agent()
    waiting = asyncio.create_task(api_server.ask(method, path, **more))
    await api_server.has_waiter()

    await api_server.store.write(lambda tx: delete_agent(tx, api_server.places.user(tx, OWNER).id, BOT))
    api_server.store.notifier.wake_all()

    assert (404, "agent_not_found") == (await waiting).problem


@pytest.mark.parametrize(("method", "path", "more"), WAITS)
async def test_a_key_that_is_still_good_gets_its_mail(api_server, method, path, more):
    await api_server.agent()
    waiting = asyncio.create_task(api_server.ask(method, path, **more))
    await api_server.has_waiter()

    await api_server.message()

    assert (200, 1) == ((await waiting).status, len((await waiting).json["items"]))


def test_no_dependency_occupies_a_thread():
    """FastAPI calls a dependency that is no coroutine in a thread, of which all requests together have few."""
    found = {call for route in _routes(make_api().routes) for call in _calls(route.dependant) if call is not None}

    assert len(found) > 50
    assert set() == {call for call in found if not _is_async(call)}


def _routes(routes):
    for route in routes:
        if hasattr(route, "dependant"):
            yield route
        yield from _routes(getattr(getattr(route, "original_router", route), "routes", None) or ())


def _calls(dependant):
    yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)


def _is_async(call):
    function = call if inspect.isfunction(call) else type(call).__call__
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
