"""What a JSON body consists of is bounded before objects are made of it, and any body costs little."""

import asyncio
import io
import json
import tracemalloc

import pytest
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from relay.web.access.json_route import JsonRoute
from relay.web.answers.json_bounds import MAX_COMMAS, _has_many_commas, _parsed, parsed_json, require_few_values
from relay.web.app import make_api
from tests.cost import cost
from tests.web.client import BOT, ApiServer
from tests.web.http.wire import head, line

SIZE = 10_000_000
PATH = f"/v1/agents/{BOT}/send"
LARGE = {
    "unknown fields": b"{" + b",".join(b'"k%d":1' % number for number in range(900_000)) + b"}",
    "recipients": b'{"to":[' + b",".join([b'"a@b.c"'] * 900_001) + b"]}",
    "files": b'{"attachments":[' + b",".join([b'{"filename":"a","data":"eA=="}'] * 350_001) + b"]}",
    "headers": b'{"headers":[' + b",".join([b'["X-A","1"]'] * 900_001) + b"]}",
    "lists in lists": b"[" * SIZE,
    "objects in objects": b'{"a":' * (SIZE // 5),
    "strings without commas": b'"a"' * (SIZE // 3),
    "strings and a few commas": b'["a",' + b'"",' * 4_000 + b'"a"' * (SIZE // 3),
    "escaped quotes": b'{"text":"' + b'\\",' * (SIZE // 3) + b'"}',
    "backslashes": b'{"text":"' + b"\\\\" * (SIZE // 2) + b'",' + b"1," * 6_000,
    "commas in a string": b'{"text":"' + b"," * SIZE + b'"}',
    "a string without end": b'{"text":"' + b"," * SIZE,
    "spaces": b"{" + b" \n" * (SIZE // 2) + b"}",
    "digits": b"[" + b"1" * SIZE + b"]",
    "a fraction": b"[0." + b"1" * SIZE + b"]",
    "escapes": b'{"text":"' + b"\\u00e9" * (SIZE // 6) + b'"}',
    "another encoding": json.dumps(["x"] * 100_000).encode("utf-16"),
    "a comma after a quote in another encoding": ('["\\"",' + "1," * 400_000).encode("utf-16-le"),
}
UNITS = 60  # half a second of a machine like that of tests/cost.py, for ten megabytes


def outcome(body):
    """What parsing *body* raises, and the bytes that were held at most."""
    tracemalloc.start()
    try:
        _parsed(body)
    except (RequestValidationError, HTTPException) as error:
        return type(error), tracemalloc.get_traced_memory()[1]
    else:
        return None, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", LARGE)
def test_any_large_body_costs_little_time_and_memory(name):
    body = LARGE[name]

    def parse():
        try:
            _parsed(body)  # in this thread, whose time is counted
        except (RequestValidationError, HTTPException):
            return

    assert UNITS > cost(parse, rounds=2)
    assert 6 * SIZE > outcome(body)[1]


texts = st.text(alphabet='a,"\\\n[{é😀', max_size=40)
values = st.recursive(
    texts | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner)
)


@given(values, st.booleans())
def test_commas_are_counted_outside_of_strings(value, is_ascii):
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    outside = len(json.dumps(_without_texts(value)).encode().replace(b", ", b",").split(b",")) - 1

    padded = b"[" + body + b',"' + b'\\\\,\\",' * MAX_COMMAS + b'"' + b",1" * (MAX_COMMAS - 1 - outside) + b"]"

    assert not _has_many_commas(padded)
    assert _has_many_commas(padded[:-1] + b",1]")
    assert len(json.loads(padded)) == MAX_COMMAS + 1 - outside


def _without_texts(value):
    if isinstance(value, list):
        return [_without_texts(each) for each in value]
    if isinstance(value, dict):
        return [_without_texts(each) for each in value.values()]
    return 1


@given(st.integers(0, 9), st.integers(65_520, 65_560))
def test_a_piece_ends_nowhere_inside_of_an_escape(backslashes, at):
    text = "x" * at + "\\" * backslashes + '",' + "y" * 70_000
    body = json.dumps([text, 1]).encode()

    assert not _has_many_commas(body + b'["' + b"," * 9_000 + b'"]')
    assert _has_many_commas(body + b"[" + b"1," * 5_001)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"1", b'"x"', b"null", b'{"to": ["a@b.c"], "text": "x, y"}'])
def test_a_small_body_is_parsed(body):
    assert json.loads(body) == asyncio.run(parsed_json(body, is_json=True))


def test_objects_of_many_fields_are_refused_with_their_place():
    for body, at in (({str(n): 1 for n in range(65)}, ()), ({"a": [{}, {str(n): 1 for n in range(65)}]}, ("a", 1))):
        with pytest.raises(RequestValidationError) as caught:
            asyncio.run(parsed_json(json.dumps(body).encode(), is_json=True))
        assert ("body", *at) == caught.value.errors()[0]["loc"]


def test_utf_16_is_refused():
    with pytest.raises(HTTPException):
        require_few_values('{"a": 1}'.encode("utf-16"))


def test_every_route_with_a_json_body_bounds_it():
    def all_routes(routes):
        for each in routes:
            yield getattr(each, "original_route", each)
            router = getattr(each, "original_router", None)
            yield from all_routes(router.routes if router else ())

    found = [each for each in all_routes(make_api().routes) if isinstance(each, APIRoute) and each.body_field]

    assert len(found) > 10
    assert [] == [each.path for each in found if not isinstance(each, JsonRoute)]


# Over HTTP


@pytest.fixture
async def api_server(sqlite_store, clock, places):
    opened = ApiServer(sqlite_store, clock, places)
    await opened.open()
    await opened.agent()
    yield opened
    await opened.close()


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("name", ["unknown fields", "recipients", "files", "headers", "lists in lists"])
async def test_a_hostile_body_is_refused(api_server, name):
    answer = await api_server.ask("POST", PATH, data=io.BytesIO(LARGE[name]), headers=JSON)

    assert answer.status in {400, 422}
    assert 2_000 > len(answer.body)


async def test_a_refusal_names_at_most_twenty_places(api_server):
    answer = await api_server.post(PATH, {f"k{number}": 1 for number in range(64)})

    assert (422, "invalid_request") == answer.problem
    assert 20 == len(answer.json["errors"])


async def test_lists_of_a_mail_have_bounds(api_server):
    lists = {"to": ["a@b.c"] * 51, "headers": [["X-A", "1"]] * 51}
    lists |= {"attachments": [{"filename": "a", "data": "eA=="}] * 101}
    for field, value in lists.items():
        answer = await api_server.post(PATH, {"to": "ana@customer.example", "text": "x", field: value})

        assert ((422, "invalid_request"), f"body/{field}") == (answer.problem, answer.json["errors"][0]["at"])


async def test_a_key_without_the_scope_is_refused_before_its_body_is_read(api_server):
    key = await api_server.new_key(scopes=("read",))
    async with line(api_server) as client:
        fields = ("Content-Type: application/json", "Content-Length: 10000000")
        await client.say(head(api_server, PATH, *fields, method="POST", key=key), b"{")

        assert (403, "insufficient_scope") == (await client.reply()).problem


async def test_large_bodies_of_a_user_that_never_arrive_leave_room_for_the_others(api_server):
    stranger = await api_server.new_key("eve@evil.example")
    await api_server.agent("eve@evil.example", owner="eve@evil.example")
    path = "/v1/agents/eve@evil.example/send"
    lines = [line(api_server) for _ in range(6)]
    fields = ("Content-Type: application/json", "Content-Length: 10000000")
    clients = [await each.__aenter__() for each in lines]
    for client in clients:
        await client.say(head(api_server, path, *fields, method="POST", key=stranger), b"{")

    assert (429, "too_many_at_once") == (await clients[5].reply()).problem
    large = {"to": "bo@agents.example", "text": "x" * 1_000_000, "bogus": 1}
    assert (422, "invalid_request") == (await api_server.post(PATH, large)).problem
    assert b'bound="http_bytes_of_user"' in api_server.metrics.render()
    for each in lines:
        await each.__aexit__(None, None, None)
