"""How much a caller and a stranger may ask: rates over HTTP, and the bounds of bodies."""

import asyncio

import pytest
from fastapi import Request
from starlette.exceptions import HTTPException
from structlog.testing import capture_logs

from relay.bounds import make_api_limits
from relay.directory.keys import find_holder
from relay.settings import load
from relay.signing.keys import new_key
from relay.web.answers.bodies import bounded, takes_message
from relay.web.http.limits import ApiLimits
from store.directory.keys import delete_api_key
from tests.web.client import OWNER, ApiServer, messages, queue

ME = "/v1/me"


def wrong_key(number: int) -> str:
    return new_key(number.to_bytes(32))


@pytest.fixture
async def strict(sqlite_store, clock, places):
    """A door that takes three requests a minute with one key, five of one user, and two wrong keys."""
    limits = ApiLimits(rate_per_key=3, rate_per_user=5, failed_keys_per_peer=2)
    opened = ApiServer(sqlite_store, clock, places, limits)
    await opened.open()
    yield opened
    await opened.close()


async def statuses(api_server, times, **more):
    return [(await api_server.get(ME, **more)).status for _ in range(times)]


def test_what_the_operator_sets_is_what_holds():
    assert ApiLimits() == make_api_limits(load({}))
    names = ("rate_per_key", "rate_per_user", "failed_keys_per_peer", "request_seconds", "max_connections")
    given = {f"MAILSEAL_API_{name.upper()}": str(at) for at, name in enumerate(names, start=1)}

    limits = make_api_limits(load(given | {"MAILSEAL_API_MAX_BODY_BYTES": "70000"}))

    assert ([1, 2, 3, 4, 5], 70_000) == ([getattr(limits, name) for name in names], limits.max_body_bytes)


# Keys and users


async def test_an_answer_says_how_its_asker_stands(strict):
    first, second = await strict.get(ME), await strict.get(ME)

    assert '"key";q=3;w=60, "user";q=5;w=60' == first.headers["RateLimit-Policy"] == second.headers["RateLimit-Policy"]
    assert '"key";r=2;t=20, "user";r=4;t=12' == first.headers["RateLimit"]
    assert '"key";r=1;t=40, "user";r=3;t=24' == second.headers["RateLimit"]


async def test_over_its_rate_a_key_is_told_when_to_come_again(strict):
    assert [200, 200, 200] == await statuses(strict, 3)

    answer = await strict.get(ME)

    assert (429, "rate_limited") == answer.problem
    assert "20" == answer.headers["Retry-After"]
    assert '"key";r=0;t=20, "user";r=2;t=36' == answer.headers["RateLimit"]
    assert '"key";q=3;w=60, "user";q=5;w=60' == answer.headers["RateLimit-Policy"]


async def test_whoever_waits_as_told_is_let_in_again(strict):
    await statuses(strict, 3)
    strict.clock.advance(seconds=int((await strict.get(ME)).headers["Retry-After"]))

    assert [200, 429] == await statuses(strict, 2)


async def test_a_refused_request_costs_nothing(strict):
    await statuses(strict, 50)
    strict.clock.advance(seconds=60)

    assert [200, 200, 200, 429] == await statuses(strict, 4)


async def test_all_keys_of_a_user_have_one_rate_together(strict):
    await statuses(strict, 3)
    second = await strict.new_key(OWNER)
    stranger = await strict.new_key("eve@evil.example")

    assert [200, 200, 429] == await statuses(strict, 3, key=second)
    assert [200] == await statuses(strict, 1, key=stranger)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", messages(agent="nobody@agents.example"), 404),
        ("PUT", ME, 405),
        ("POST", "/v1/keys", 422),
        ("GET", "/v1/keys?limit=0", 422),
    ],
)
async def test_answers_of_every_kind_count_and_say_so(strict, method, path, status):
    answer = await strict.ask(method, path)

    assert (status, '"key";r=2;t=20, "user";r=4;t=12') == (answer.status, answer.headers["RateLimit"])


async def test_what_breaks_here_is_a_problem_that_says_how_its_asker_stands(strict):
    strict.store.write = None  # whatever is not foreseen

    with capture_logs():
        answer = await strict.post("/v1/keys", {})

    assert (500, "internal_error") == answer.problem
    assert answer.headers["RateLimit"].startswith('"key";r=2')


async def test_a_long_poll_costs_one_request(strict):
    await strict.agent()
    waiting = asyncio.create_task(strict.get(messages("?wait=30")))
    await strict.has_waiter()
    strict.store.notifier.wake_all()
    await strict.message()

    assert '"key";r=2;t=20, "user";r=4;t=12' == (await waiting).headers["RateLimit"]
    assert '"key";r=1;t=40, "user";r=3;t=24' == (await strict.get(ME)).headers["RateLimit"]


async def test_health_is_not_counted(strict):
    answers = [await strict.get("/healthz", key=None) for _ in range(10)]

    assert {(200, False)} == {(each.status, "RateLimit" in each.headers) for each in answers}


async def test_a_rate_of_nothing_is_no_bound(sqlite_api):
    assert {200} == set(await statuses(sqlite_api, 50))
    assert not {"RateLimit", "RateLimit-Policy"} & set((await sqlite_api.get(ME)).headers)


# Guesses


async def test_wrong_keys_are_counted_where_they_come_from(strict):
    answers = [await strict.get(ME, key=wrong_key(number)) for number in range(3)]

    assert [(401, "unauthorized"), (401, "unauthorized"), (429, "rate_limited")] == [each.problem for each in answers]
    assert [None, None, "30"] == [each.headers.get("Retry-After") for each in answers]
    assert ['"failed-keys";r=1;t=30', '"failed-keys";r=0;t=30', '"failed-keys";r=0;t=30'] == [
        each.headers["RateLimit"] for each in answers
    ]


async def test_a_guess_too_many_is_not_even_looked_up(strict):
    await statuses(strict, 2, key="mk_nonsense")

    assert [429] == await statuses(strict, 1)  # a good key, for the first time here: it could be a guess


async def test_guesses_cannot_shut_out_who_is_at_work(strict):
    await statuses(strict, 1)
    await statuses(strict, 5, key="mk_nonsense")

    assert [200] == await statuses(strict, 1)


async def test_a_revoked_key_is_a_guess_like_any_other(strict):
    await statuses(strict, 1)

    def revoke(tx):
        user, key = find_holder(tx, strict.key)
        delete_api_key(tx, user.id, key.id)

    await strict.store.write(revoke)

    assert [401, 401, 429] == await statuses(strict, 3)


async def test_after_a_while_guesses_are_forgiven(strict):
    await statuses(strict, 5, key="mk_nonsense")
    strict.clock.advance(seconds=30)

    assert [200] == await statuses(strict, 1)


async def test_no_key_is_no_guess(strict):
    assert {401} == set(await statuses(strict, 10, key=None))
    assert [200] == await statuses(strict, 1)


# Bodies


@takes_message
async def large(request: Request) -> int:
    return len(await request.body())


async def small(request: Request) -> int:
    return len(await request.body())


def scope(endpoint, *, declared=None):
    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    return {"method": "POST", "headers": headers, "endpoint": endpoint}


async def read_all(asked, sizes, *, most=100_000):
    parts = [{"type": "http.request", "body": b"x" * size, "more_body": True} for size in sizes]
    read = 0

    async def receive():
        nonlocal read
        read += 1
        return parts.pop(0)

    receive_bounded = bounded(asked, receive, most=most)
    try:
        for _ in sizes:
            await receive_bounded()
    except HTTPException as error:
        return error.status_code, read
    return 200, read


@pytest.mark.parametrize(
    ("endpoint", "sizes", "outcome"),
    [
        (small, [65_536], (200, 1)),
        (small, [65_536, 1, 1], (413, 2)),
        (small, [1] * 65_536, (200, 65_536)),
        (large, [65_536, 34_464], (200, 2)),
        (large, [65_536, 34_465, 1], (413, 2)),
        (None, [65_537], (413, 1)),
    ],
)
async def test_a_body_is_read_as_far_as_its_route_takes_it(endpoint, sizes, outcome):
    assert outcome == await read_all(scope(endpoint), sizes)


@pytest.mark.parametrize(
    ("endpoint", "declared", "outcome"),
    [(small, 65_536, (200, 1)), (small, 65_537, (413, 0)), (large, 100_000, (200, 1)), (large, 10**30, (413, 0))],
)
async def test_a_body_that_says_it_is_too_large_is_not_read_at_all(endpoint, declared, outcome):
    assert outcome == await read_all(scope(endpoint, declared=declared), [1])


async def test_a_route_that_takes_mails_has_more_room(sqlite_store, clock, places):
    api_server = ApiServer(sqlite_store, clock, places, ApiLimits(max_body_bytes=100_000))
    api = api_server.own_api()
    api.post("/v1/large")(large)
    api.post("/v1/small")(small)
    await api_server.open()

    answers = [
        await api_server.ask("POST", path, data=b"x" * size)
        for path, size in (("/v1/large", 100_000), ("/v1/large", 100_001), ("/v1/small", 65_536), ("/v1/small", 65_537))
    ]

    assert [200, 413, 200, 413] == [each.status for each in answers]
    await api_server.close()


async def test_a_body_that_nobody_reads_does_not_break_an_answer_off(sqlite_api):
    await sqlite_api.agent()
    message = await sqlite_api.message(b"Subject: big\r\n\r\n" + b"x" * 3_000_000)

    answer = await sqlite_api.ask("GET", messages(f"/{message.id}/raw"), data=b"x" * 1_000_000)

    assert (200, message.raw_size) == (answer.status, len(answer.body))


async def test_a_body_within_bounds_changes_something_and_one_over_them_nothing(api_server):
    await api_server.agent()
    padded = b'{"wait": 0' + b" " * 65_525 + b"}"

    fits = await api_server.ask("POST", queue("lease"), data=padded, headers={"Content-Type": "application/json"})
    over = await api_server.ask(
        "POST", queue("lease"), data=padded + b" ", headers={"Content-Type": "application/json"}
    )

    assert 200 == fits.status
    assert (413, "body_too_large") == over.problem
