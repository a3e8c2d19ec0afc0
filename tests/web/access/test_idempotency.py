"""Idempotency-Key: what comes twice is done once, and both get the one answer."""

import asyncio

import pytest
from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response
from structlog.testing import capture_logs

from relay.web.access.dependencies import InjectedContext
from relay.web.access.idempotency import IdempotentRoute
from relay.web.answers.json import json_answer
from store.errors import AddressTaken, InvalidValue, Unavailable
from store.schema.inbound import api_keys, idempotency_keys
from tests.broken_store import lose_table
from tests.web.client import OWNER, ApiServer

KEYS = "/v1/keys"
NAMED = {"name": "worker"}


def once(key="order-1"):
    return {"headers": {"Idempotency-Key": key}}


async def count(api_server):
    """How many keys there are beside the door's own."""
    return len((await api_server.get(KEYS)).json["items"]) - 1


async def rows(api_server):
    return await api_server.store.read(lambda tx: tx.execute(select(idempotency_keys)).mappings().all())


async def test_the_second_time_nothing_is_done_and_the_answer_is_the_same(api_server):
    first = await api_server.post(KEYS, NAMED, **once())
    second = await api_server.post(KEYS, NAMED, **once())

    assert (201, 201, first.body) == (first.status, second.status, second.body)
    assert first.headers["Content-Type"] == second.headers["Content-Type"]
    assert [None, "true"] == [each.headers.get("Idempotent-Replayed") for each in (first, second)]
    assert 1 == await count(api_server)


async def test_without_the_header_everything_is_done_each_time(api_server):
    await api_server.post(KEYS, NAMED)
    await api_server.post(KEYS, NAMED)

    assert (2, []) == (await count(api_server), await rows(api_server))


async def test_another_word_is_another_thing_to_do(api_server):
    await api_server.post(KEYS, NAMED, **once("a"))
    await api_server.post(KEYS, NAMED, **once("b"))

    assert 2 == await count(api_server)


@pytest.mark.parametrize(
    ("path", "body"), [(KEYS, {"name": "other"}), (KEYS, {}), (f"{KEYS}?x=1", NAMED)], ids=["value", "none", "query"]
)
async def test_the_same_word_for_something_else_is_a_mistake(api_server, path, body):
    await api_server.post(KEYS, NAMED, **once())

    answer = await api_server.post(path, body, **once())

    assert (422, "idempotency_mismatch") == answer.problem
    assert 1 == await count(api_server)


async def test_a_word_is_a_user_s_own(api_server):
    await api_server.post(KEYS, NAMED, **once())

    answer = await api_server.post(KEYS, NAMED, key=await api_server.new_key("eve@evil.example"), **once())

    assert (201, None) == (answer.status, answer.headers.get("Idempotent-Replayed"))


async def test_a_key_that_may_not_do_it_does_not_get_the_answer_of_one_that_may(api_server):
    await api_server.post(KEYS, NAMED, **once())
    reader = await api_server.new_key(OWNER, scopes=["read"])

    answer = await api_server.post(KEYS, NAMED, key=reader, **once())

    assert (422, "idempotency_mismatch") == answer.problem


async def test_an_answer_is_kept_for_a_day(api_server):
    first = await api_server.post(KEYS, NAMED, **once())
    api_server.clock.advance(hours=24, seconds=-1)
    assert first.body == (await api_server.post(KEYS, NAMED, **once())).body

    api_server.clock.advance(seconds=1)

    assert first.body != (await api_server.post(KEYS, NAMED, **once())).body


@pytest.mark.parametrize("word", ["", "x" * 256, "caf\u00e9\u0080", "tab\there"])
async def test_a_word_that_cannot_be_one_is_refused(api_server, word):
    answer = await api_server.post(KEYS, NAMED, **once(word))

    assert (422, "invalid_value") == answer.problem
    assert 0 == await count(api_server)


async def test_the_secret_in_an_answer_does_not_lie_in_the_database(api_server):
    made = (await api_server.post(KEYS, NAMED, **once())).json["api_key"]

    (kept,) = await rows(api_server)

    assert 201 == kept["status"]
    assert [] == [value for value in kept.values() if made in str(value) or "mk_" in str(value)]


async def test_what_was_kept_does_not_open_in_another_place(api_server):
    await api_server.post(KEYS, NAMED, **once("a"))
    await api_server.post(KEYS, {"name": "other"}, **once("b"))

    def swap(tx):
        answers = {row.key: row.answer for row in tx.execute(select(idempotency_keys))}
        move = idempotency_keys.update().where(idempotency_keys.c.key == "a")
        tx.execute(move.values(answer=answers["b"]))

    await api_server.store.write(swap)

    assert (422, "refused") == (await api_server.post(KEYS, NAMED, **once("a"))).problem


async def test_of_twenty_at_once_one_is_done(api_server):
    answers = await asyncio.gather(*[api_server.post(KEYS, NAMED, **once()) for _ in range(20)])

    made = [each for each in answers if each.status == 201]
    assert {201, 409} >= {each.status for each in answers}
    assert 1 == len({each.body for each in made}) == await count(api_server)
    assert [each.problem for each in answers if each not in made] == [(409, "request_under_way")] * (20 - len(made))


# What fails, and what takes its time


class Work:
    """A route that does what the test says, and counts how often."""

    def __init__(self):
        self.outcomes = []
        self.done = 0
        self.entered = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(self, ctx: InjectedContext, request: Request) -> Response:
        await ctx.store.read(lambda tx: tx.execute(select(api_keys.c.id)).first())
        self.done += 1
        self.entered.set()
        await self.may_go.wait()
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return json_answer({"done": self.done}, outcome)


@pytest.fixture
async def working(live_store, clock, places):
    """A door with a route of which the test decides."""
    opened, work = ApiServer(live_store, clock, places), Work()
    router = APIRouter(prefix="/v1", route_class=IdempotentRoute)
    router.post("/work")(work.__call__)
    router.put("/work")(work.__call__)
    opened.own_api().include_router(router)
    await opened.open()
    opened.work = work
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Unavailable(), 503),
        (AddressTaken("a@b.example is taken"), 409),
        (InvalidValue("no"), 422),
        (RuntimeError("a mistake of ours"), 500),
        (502, 502),
    ],
)
async def test_what_failed_can_be_tried_again(working, failure, status):
    working.work.outcomes = [failure, 201]

    with capture_logs():
        answers = [await working.post("/v1/work", **once()) for _ in range(3)]

    assert [status, 201, 201] == [each.status for each in answers]
    assert 2 == working.work.done


async def test_an_answer_that_says_no_is_an_answer(working):
    working.work.outcomes = [409, 201]

    answers = [await working.post("/v1/work", **once()) for _ in range(2)]

    assert [409, 409] == [each.status for each in answers]
    assert 1 == working.work.done


async def test_a_failed_word_can_be_used_for_something_else(working):
    working.work.outcomes = [Unavailable(), 201]
    await working.post("/v1/work", {"a": 1}, **once())

    assert 201 == (await working.post("/v1/work", {"a": 2}, **once())).status


async def test_while_the_first_is_under_way_the_second_is_told_to_come_back(working):
    working.work.outcomes = [201]
    working.work.may_go.clear()
    first = asyncio.create_task(working.post("/v1/work", **once()))
    await working.work.entered.wait()

    second = await working.post("/v1/work", **once())

    assert ((409, "request_under_way"), "1") == (second.problem, second.headers["Retry-After"])
    working.work.may_go.set()
    assert 201 == (await first).status
    assert "true" == (await working.post("/v1/work", **once())).headers["Idempotent-Replayed"]


async def test_what_nobody_can_be_at_any_more_can_be_tried_again(working):
    working.work.outcomes = [201, 201]
    working.work.may_go.clear()
    first = asyncio.create_task(working.post("/v1/work", **once()))
    await working.work.entered.wait()
    working.clock.advance(minutes=5)
    assert (409, "request_under_way") == (await working.post("/v1/work", **once())).problem

    working.clock.advance(seconds=1)
    working.work.entered.clear()
    second = asyncio.create_task(working.post("/v1/work", **once()))
    await working.work.entered.wait()
    working.work.may_go.set()

    assert ([201, 201], 2) == ([(await first).status, (await second).status], working.work.done)


async def test_whoever_was_served_hears_so_though_the_answer_could_not_be_kept(working):
    working.work.outcomes = [201]
    working.work.may_go.clear()
    first = asyncio.create_task(working.post("/v1/work", **once()))
    await working.work.entered.wait()
    lose_table(working.store, "idempotency_keys")

    working.work.may_go.set()

    assert 201 == (await first).status


async def test_nothing_is_begun_without_an_asker(working):
    assert (401, "unauthorized") == (await working.post("/v1/work", key=None, **once())).problem
    assert [] == await rows(working)


async def test_a_put_is_done_each_time(working):
    working.work.outcomes = [200, 200]

    await working.ask("PUT", "/v1/work", **once())
    await working.ask("PUT", "/v1/work", **once())

    assert (2, []) == (working.work.done, await rows(working))


async def test_the_description_shows_the_header(sqlite_api):
    operations = (await sqlite_api.get("/openapi.json")).json["paths"][KEYS]

    assert ["Idempotency-Key"] == [each["name"] for each in operations["post"]["parameters"] if each["in"] == "header"]
    assert "409" in operations["post"]["responses"]
    assert [] == [each for each in operations["get"].get("parameters", []) if each["in"] == "header"]
