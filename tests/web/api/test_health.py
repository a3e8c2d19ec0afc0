"""Alive, ready, counted; and what the door says of itself and of its errors."""

import asyncio
import json

import pytest

from tests.broken_store import lose_table
from tests.web.client import BOT, messages, queue


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_alive(shared_api):
    answer = await shared_api.get("/healthz", key=None)

    assert (200, {"status": "ok"}) == (answer.status, answer.json)


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_ready(shared_api):
    answer = await shared_api.get("/readyz", key=None)

    assert (200, {"status": "ok"}) == (answer.status, answer.json)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/login", "/openapi.json", "/v1/me", messages()])
async def test_head_is_answered_as_get_without_a_body(shared_api, path):
    told, asked = await shared_api.ask("HEAD", path), await shared_api.get(path)

    assert (200, b"") == (told.status, told.body)
    assert asked.headers["Content-Type"] == told.headers["Content-Type"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", [messages("?wait=5"), f"/v1/agents/{BOT}/events", queue("lease")])
async def test_head_waits_for_nothing(shared_api, path):
    answer = await shared_api.ask("HEAD", path)

    assert (405, b"") == (answer.status, answer.body)


async def test_head_of_a_message_does_not_mark_it(sqlite_api):
    await sqlite_api.agent()
    message = await sqlite_api.message()

    assert 200 == (await sqlite_api.ask("HEAD", messages(f"/{message.id}"))).status

    assert [message.id] == [each["message_id"] for each in (await sqlite_api.get(messages())).json["items"]]


async def test_it_says_when_it_could_take_no_mail(sqlite_api):
    sqlite_api.ready = False

    answer = await sqlite_api.get("/readyz", key=None)

    assert ((503, "not_ready"), "5") == (answer.problem, answer.headers["Retry-After"])


async def test_it_is_alive_with_a_broken_store(sqlite_api):
    lose_table(sqlite_api.store, "api_keys")

    assert 200 == (await sqlite_api.get("/healthz", key=None)).status


async def test_the_counters_are_there_for_prometheus(sqlite_api):
    sqlite_api.metrics.count_mail("accepted")

    answer = await sqlite_api.get("/metrics", key=None)

    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert b'mailseal_mails_total{outcome="accepted"} 1.0' in answer.body


@pytest.mark.parametrize("table", ["api_keys", "messages"])
async def test_a_store_that_cannot_answer_is_a_problem_that_passes(api_server, table):
    await api_server.agent()
    lose_table(api_server.store, table)

    for answer in (await api_server.get(messages()), await api_server.post(queue("lease"), {})):
        assert ((503, "store_unavailable"), "5") == (answer.problem, answer.headers["Retry-After"])
        assert b"table" not in answer.body


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/v1", (404, "not_found")),
        ("GET", "/redoc", (404, "not_found")),
        ("GET", "/v2/agents", (404, "not_found")),
        ("DELETE", "/healthz", (405, "method_not_allowed")),
        ("PUT", messages(), (405, "method_not_allowed")),
    ],
)
async def test_what_is_no_route_is_a_problem(shared_api, method, path, problem):
    assert problem == (await shared_api.ask(method, path)).problem


async def test_an_error_of_our_own_tells_nothing_of_itself(sqlite_api):
    sqlite_api.ready = RuntimeError("the password is swordfish")

    answer = await sqlite_api.get("/readyz", key=None)

    assert ((500, "internal_error"), False) == (answer.problem, b"swordfish" in answer.body)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_api_describes_itself(shared_api):
    answer = await shared_api.get("/openapi.json", key=None)

    described = {(method.upper(), path) for path, verbs in answer.json["paths"].items() for method in verbs}
    agent = "/v1/agents/{address}"
    assert {
        ("GET", f"{agent}/messages"),
        ("GET", f"{agent}/messages/{{message_id}}"),
        ("PATCH", f"{agent}/messages/{{message_id}}"),
        ("GET", f"{agent}/messages/{{message_id}}/raw"),
        ("GET", f"{agent}/messages/{{message_id}}/attachments/{{index}}"),
        ("POST", f"{agent}/queue/lease"),
        ("POST", f"{agent}/queue/ack"),
        ("POST", f"{agent}/queue/nack"),
        ("POST", f"{agent}/queue/extend"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
    } <= described
    assert json.loads(answer.body)["openapi"].startswith("3.")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_description_names_the_key(shared_api):
    document = (await shared_api.get("/openapi.json", key=None)).json

    schemes = document["components"]["securitySchemes"]
    used = document["paths"]["/v1/agents/{address}/messages"]["get"]["security"]
    assert ["bearer"] == [schemes[name]["scheme"] for each in used for name in each]


async def test_a_long_poll_does_not_hold_up_a_stop(sqlite_api):
    await sqlite_api.agent()
    waiting = asyncio.create_task(sqlite_api.get(messages("?wait=60")))
    async with asyncio.timeout(10):
        await sqlite_api.has_waiter()

        await sqlite_api.server.stop(1)
        await asyncio.gather(waiting, return_exceptions=True)
