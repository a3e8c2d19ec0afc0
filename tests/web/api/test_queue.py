"""The poll queue over HTTP."""

import asyncio

import pytest

from relay.clock import SystemClock
from tests.one_database import on_sqlite
from tests.places import Places
from tests.web.client import BOT, ApiServer, queue

OTHER = "other@agents.example"
LOST = {"status": 409, "code": "lease_lost"}


async def lease(api_server, agent=BOT, **wanted):
    answer = await api_server.post(queue("lease", agent), wanted)
    assert answer.status == 200, answer.body
    return answer.json["items"]


async def lease_one(api_server, **wanted):
    (item,) = await lease(api_server, **wanted)
    return item


@on_sqlite
async def test_a_lease_holds_the_whole_message(api_server):
    await api_server.agent()
    message = await api_server.message()

    item = await lease_one(api_server, lease_seconds=30)

    assert (1, "2026-11-23T15:17:30Z", message.id, "hello") == (
        item["attempt"], item["lease_expires_at"], item["message"]["message_id"], item["message"]["text"].strip(),
    )  # fmt: skip


@on_sqlite
async def test_a_lease_needs_no_body(api_server):
    await api_server.agent()
    await api_server.message()

    answer = await api_server.ask("POST", queue("lease"))

    assert 1 == len(answer.json["items"])


async def test_messages_are_leased_oldest_first_and_as_many_as_asked_for(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(3)]

    assert kept[:2] == [item["message"]["message_id"] for item in await lease(api_server, max=2)]
    assert kept[2:] == [item["message"]["message_id"] for item in await lease(api_server, max=100)]


async def test_two_pollers_at_once_never_get_the_same_message(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(12)]

    leases = await asyncio.gather(*[lease(api_server, max=2) for _ in range(8)])

    assert sorted(kept) == sorted(item["message"]["message_id"] for items in leases for item in items)


async def test_a_leased_message_is_nobody_elses_until_the_lease_ends(api_server):
    await api_server.agent()
    await api_server.message()
    await lease_one(api_server, lease_seconds=60)

    api_server.clock.advance(seconds=59)
    assert [] == await lease(api_server)
    api_server.clock.advance(seconds=1)
    assert 2 == (await lease_one(api_server))["attempt"]


async def test_an_acked_message_never_comes_back(api_server):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server))["receipt"]

    answer = await api_server.post(queue("ack"), {"receipts": [receipt]})

    assert (200, [{"receipt": receipt, "status": 200, "code": None}]) == (answer.status, answer.json["items"])
    api_server.clock.advance(days=1)
    assert [] == await lease(api_server)


@on_sqlite
async def test_acking_twice_is_no_error(api_server):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server))["receipt"]
    await api_server.post(queue("ack"), {"receipts": [receipt]})

    assert 200 == (await api_server.post(queue("ack"), {"receipts": [receipt]})).status


@pytest.mark.parametrize("delay", [0, 90])
async def test_a_message_given_back_comes_again_after_its_delay(api_server, delay):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server))["receipt"]

    answer = await api_server.post(queue("nack"), {"receipts": [receipt], "delay_seconds": delay})

    assert 200 == answer.status
    api_server.clock.advance(seconds=delay - 1)
    assert delay == 0 or await lease(api_server) == []
    api_server.clock.advance(seconds=1)
    assert 2 == (await lease_one(api_server))["attempt"]


async def test_an_extended_lease_lasts_from_now_on(api_server):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server, lease_seconds=60))["receipt"]
    api_server.clock.advance(seconds=50)

    assert 200 == (await api_server.post(queue("extend"), {"receipts": [receipt], "lease_seconds": 60})).status

    api_server.clock.advance(seconds=59)
    assert [] == await lease(api_server)
    api_server.clock.advance(seconds=1)
    assert 2 == (await lease_one(api_server))["attempt"]


@on_sqlite
@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
async def test_an_expired_receipt_changes_nothing(api_server, verb):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server, lease_seconds=60))["receipt"]
    api_server.clock.advance(seconds=60)

    answer = await api_server.post(queue(verb), {"receipts": [receipt]})

    assert (409, [{"receipt": receipt, **LOST}]) == (answer.status, answer.json["items"])
    assert 2 == (await lease_one(api_server))["attempt"]


@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
async def test_a_receipt_of_an_older_lease_changes_nothing(api_server, verb):
    await api_server.agent()
    await api_server.message()
    old = (await lease_one(api_server, lease_seconds=60))["receipt"]
    api_server.clock.advance(seconds=60)
    new = (await lease_one(api_server, lease_seconds=60))["receipt"]

    assert 409 == (await api_server.post(queue(verb), {"receipts": [old]})).status

    assert [] == await lease(api_server)
    assert 200 == (await api_server.post(queue("ack"), {"receipts": [new]})).status


async def test_a_lost_receipt_does_not_hurt_the_others(api_server):
    await api_server.agent()
    await api_server.message()
    receipt = (await lease_one(api_server))["receipt"]

    answer = await api_server.post(queue("ack"), {"receipts": ["nonsense", receipt, "msg_0.0"]})

    assert [409, 200, 409] == [item["status"] for item in answer.json["items"]]
    api_server.clock.advance(days=1)
    assert [] == await lease(api_server)


@on_sqlite
@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
async def test_another_agents_receipt_changes_nothing(api_server, verb):
    await api_server.agent()
    await api_server.agent(OTHER)
    await api_server.message(agent=OTHER)
    (item,) = await lease(api_server, OTHER)

    assert 409 == (await api_server.post(queue(verb), {"receipts": [item["receipt"]]})).status

    assert 200 == (await api_server.post(queue("extend", OTHER), {"receipts": [item["receipt"]]})).status


async def test_a_waiting_lease_is_woken_by_the_commit_of_a_message(api_server):
    await api_server.agent()
    waiting = asyncio.create_task(lease_one(api_server, wait=60))
    await api_server.has_waiter()

    message = await api_server.message()

    async with asyncio.timeout(4):  # less than it would take to look again without being woken
        assert message.id == (await waiting)["message"]["message_id"]


@on_sqlite
async def test_a_waiting_lease_is_woken_by_a_message_given_back(api_server):
    await api_server.agent()
    message = await api_server.message()
    receipt = (await lease_one(api_server))["receipt"]
    waiting = asyncio.create_task(lease_one(api_server, wait=60))
    await api_server.has_waiter()

    await api_server.post(queue("nack"), {"receipts": [receipt]})

    async with asyncio.timeout(4):
        assert message.id == (await waiting)["message"]["message_id"]


async def test_a_waiting_lease_gets_what_another_worker_lets_go_without_a_word(sqlite_store, master):
    clock = SystemClock()
    api_server = ApiServer(sqlite_store, clock, Places(clock, master))
    await api_server.open()
    await api_server.agent()
    message = await api_server.message()
    await lease_one(api_server, lease_seconds=1)

    async with asyncio.timeout(4):
        again = await lease_one(api_server, wait=60)
    await api_server.close()

    assert (message.id, 2) == (again["message"]["message_id"], again["attempt"])


async def test_one_message_wakes_two_waiting_leases_and_goes_to_one(api_server):
    await api_server.agent()
    pollers = [asyncio.create_task(lease(api_server, wait=wait)) for wait in (0.5, 0.5)]
    await api_server.has_waiter()

    await api_server.message()

    assert 1 == sum(map(len, await asyncio.gather(*pollers)))


async def test_a_message_marked_unread_can_be_leased_again(api_server):
    await api_server.agent()
    message = await api_server.message()
    await api_server.post(queue("ack"), {"receipts": [(await lease_one(api_server))["receipt"]]})

    await api_server.patch(f"/v1/agents/{BOT}/messages/{message.id}", {"status": "unread"})

    assert message.id == (await lease_one(api_server))["message"]["message_id"]


@on_sqlite
async def test_a_message_that_was_read_is_not_leased(api_server):
    await api_server.agent()
    message = await api_server.message()

    await api_server.get(f"/v1/agents/{BOT}/messages/{message.id}")

    assert [] == await lease(api_server)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("lease", {"max": 0}),
        ("lease", {"max": 101}),
        ("lease", {"max": "many"}),
        ("lease", {"lease_seconds": 0}),
        ("lease", {"lease_seconds": 3601}),
        ("lease", {"wait": -1}),
        ("lease", {"wait": 61}),
        ("lease", {"limit": 1}),
        ("lease", []),
        ("ack", {}),
        ("ack", {"receipts": []}),
        ("ack", {"receipts": ["x"] * 101}),
        ("ack", {"receipts": ["x" * 101]}),
        ("ack", {"receipts": [1]}),
        ("ack", {"receipts": "x"}),
        ("ack", {"receipts": ["x"], "delay_seconds": 1}),
        ("nack", {"receipts": ["x"], "delay_seconds": -1}),
        ("nack", {"receipts": ["x"], "delay_seconds": 86_401}),
        ("extend", {"receipts": ["x"], "lease_seconds": 0}),
        ("extend", {"receipts": ["x"], "lease_seconds": 3601}),
        ("extend", None),
    ],
)
async def test_a_body_that_does_not_fit_is_a_problem(shared_api, verb, body):
    answer = await shared_api.post(queue(verb), body)

    assert (422, "invalid_request") == answer.problem
    assert all(each["at"].startswith("body") and each["problem"] for each in answer.json["errors"])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("problem", "body"),
    [
        ((400, "malformed_json"), b"{"),
        ((400, "malformed_json"), b"\xff"),
        ((400, "malformed_json"), b'{"receipts": ["x"]}trailing'),
        ((400, "malformed_json"), b"[" * 60_000),
        ((400, "malformed_json"), b'{"receipts": [' + b"9" * 5000 + b"]}"),
        ((422, "invalid_request"), b""),
        ((422, "invalid_request"), b'{"receipts": ["\\ud800"]}'),
        ((422, "invalid_request"), b'{"\\ud800": 1}'),
    ],
    ids=["open", "no UTF-8", "trailing", "deep", "long number", "empty", "surrogate", "surrogate's name"],
)
async def test_a_body_that_is_no_json_is_a_problem(shared_api, problem, body):
    answer = await shared_api.ask("POST", queue("ack"), data=body, headers={"Content-Type": "application/json"})

    assert problem == answer.problem


async def test_a_receipt_with_a_nul_is_a_problem_or_lost(api_server):
    await api_server.agent()

    answer = await api_server.post(queue("ack"), {"receipts": ["msg_\0.x"]})

    assert answer.status in {409, 422}


async def test_a_client_that_hung_up_takes_no_message_with_it(api_server):
    await api_server.agent()
    waiter = asyncio.create_task(api_server.post(queue("lease"), {"max": 1, "wait": 30}))
    await api_server.has_waiter()
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    await api_server.message()

    leased = await lease_one(api_server, wait=5)

    assert 1 == leased["attempt"]


async def test_an_answer_has_no_more_than_about_four_megabytes_of_mail(sqlite_api):
    await sqlite_api.agent()
    for _ in range(10):
        await sqlite_api.message(b"Subject: big\r\n\r\n" + b"x" * 1_000_000 + b"\r\n")

    counts = [len((await sqlite_api.post(queue("lease"), {"max": 100})).json["items"]) for _ in range(4)]

    assert [4, 4, 2, 0] == counts
    assert 0 == len(sqlite_api.app.authenticator.bytes_in_flight)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", [{"max": True}, {"max": "5"}, {"lease_seconds": "60"}, {"wait": "1"}, {"wait": True}])
async def test_a_value_of_another_type_is_refused(shared_api, wrong):
    answer = await shared_api.post(queue("lease"), wrong)

    assert (422, "invalid_request") == answer.problem
