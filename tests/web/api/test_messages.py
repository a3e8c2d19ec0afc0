"""An agent's messages over HTTP: listed, waited for, read, fetched and marked."""

import asyncio
import base64
from hashlib import sha256

import pytest

from store.directory.users import get_user_by_email
from tests.one_database import on_sqlite
from tests.web.client import BASE_URL, BOT, OWNER, PAGE, WITH_FILES, messages


async def ids(api_server, query=""):
    answer = await api_server.get(messages(query))
    assert answer.status == 200, answer.body
    return [item["message_id"] for item in answer.json["items"]]


async def test_unread_messages_are_listed_oldest_first(api_server):
    await api_server.agent()
    kept = [(await api_server.message(subject=str(number))).id for number in range(3)]

    assert kept == await ids(api_server)


@on_sqlite
async def test_an_agent_without_messages_has_an_empty_list(api_server):
    await api_server.agent()

    answer = await api_server.get(messages())

    assert {"items": [], "next_cursor": None} == answer.json


@on_sqlite
async def test_a_listed_message_has_no_text(api_server):
    await api_server.agent()
    message = await api_server.message()

    (item,) = (await api_server.get(messages())).json["items"]

    assert item.keys().isdisjoint({"text", "html", "reply_text", "raw", "headers"})
    assert (message.id, BOT, "unread", "hi", {"name": "Bo", "address": "bo@sender.example"}) == (
        item["message_id"], item["agent"], item["status"], item["subject"], item["from"],
    )  # fmt: skip


@pytest.mark.parametrize(("status", "expected"), [("unread", [1]), ("read", [0]), ("all", [0, 1])])
async def test_a_status_chooses_messages(api_server, status, expected):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(2)]
    await api_server.get(messages(f"/{kept[0]}"))

    assert [kept[number] for number in expected] == await ids(api_server, f"?status={status}")


async def test_pages_follow_each_other_without_gap_or_repetition(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(5)]
    seen, cursor, pages = [], "", 0

    while cursor is not None:
        answer = await api_server.get(messages(f"?status=all&limit=2{cursor and '&cursor='}{cursor}"))
        seen += [item["message_id"] for item in answer.json["items"]]
        cursor, pages = answer.json["next_cursor"], pages + 1

    assert (kept, 3) == (seen, pages)


async def test_a_message_that_comes_between_two_pages_is_not_skipped(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(2)]
    first = (await api_server.get(messages("?status=all&limit=1"))).json
    kept.append((await api_server.message()).id)

    second = await ids(api_server, f"?status=all&cursor={first['next_cursor']}")

    assert kept == [first["items"][0]["message_id"], *second]


async def test_a_list_is_fifty_long_by_default_and_two_hundred_at_most(sqlite_api):
    await sqlite_api.agent()

    def many(tx):
        for _ in range(201):
            sqlite_api.places.message(tx, BOT)

    await sqlite_api.store.write(many)

    assert [50, 200] == [len(await ids(sqlite_api)), len(await ids(sqlite_api, "?limit=200"))]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=", "status=new", "status=", "cursor=x", "cursor=", "cursor=-1",
     "cursor=1.5", "cursor=%C2%B2", "cursor=%00", "cursor=" + "9" * 101, "cursor=" + "9" * 30, "wait=-1", "wait=61", "wait=nan",
     "wait=inf", "wait=x"],
)  # fmt: skip
async def test_a_query_that_does_not_fit_is_a_problem(shared_api, query):
    answer = await shared_api.get(messages("?" + query))

    status, code = answer.problem
    assert (422, True) == (status, code in {"invalid_request", "invalid_value"})


async def test_an_old_message_is_not_listed_any_more(api_server):
    await api_server.agent()
    message = await api_server.message()
    api_server.clock.advance(days=30)

    assert [] == await ids(api_server, "?status=all")
    assert (404, "message_not_found") == (await api_server.get(messages(f"/{message.id}"))).problem


async def test_a_long_poll_is_woken_by_the_commit_of_a_message(api_server):
    await api_server.agent()
    waiting = asyncio.create_task(ids(api_server, "?wait=60"))
    await api_server.has_waiter()

    message = await api_server.message()

    async with asyncio.timeout(4):  # less than it would take to look again without being woken
        assert [message.id] == await waiting


async def test_a_long_poll_is_not_woken_by_another_agents_mail(api_server):
    await api_server.agent()
    await api_server.agent("other@agents.example")
    waiting = asyncio.create_task(ids(api_server, "?wait=60"))
    await api_server.has_waiter()

    await api_server.message(agent="other@agents.example")
    message = await api_server.message()

    assert [message.id] == await waiting


@on_sqlite
async def test_a_long_poll_finds_what_is_there_at_once(api_server):
    await api_server.agent()
    message = await api_server.message()

    async with asyncio.timeout(4):
        assert [message.id] == await ids(api_server, "?wait=60")


async def test_a_long_poll_ends_empty_when_nothing_comes(sqlite_api):
    await sqlite_api.agent()

    assert [] == await ids(sqlite_api, "?wait=0.05")


async def test_getting_a_message_marks_it_read(api_server):
    await api_server.agent()
    message = await api_server.message()

    answer = await api_server.get(messages(f"/{message.id}"))

    assert ("read", []) == (answer.json["status"], await ids(api_server))


async def test_peeking_at_a_message_leaves_it_unread(api_server):
    await api_server.agent()
    message = await api_server.message()

    answer = await api_server.get(messages(f"/{message.id}?peek=true"))

    assert ("unread", [message.id]) == (answer.json["status"], await ids(api_server))


@on_sqlite
async def test_a_message_is_told_whole(api_server):
    await api_server.agent()
    message = await api_server.message(WITH_FILES, tag="eu", recipient="bot+eu@agents.example")

    found = (await api_server.get(messages(f"/{message.id}"))).json

    link = f"{BASE_URL}/v1/agents/bot%40agents.example/messages/{message.id}"
    assert ("files", "See the files.", "eu", "bot+eu@agents.example", BOT) == (
        found["subject"], found["text"].strip(), found["tag"], found["recipient"], found["agent"],
    )  # fmt: skip
    assert (f"{link}/raw", f"{link}/attachments/1") == (found["raw_url"], found["attachments"][1]["url"])
    assert WITH_FILES == base64.b64decode(found["raw"])
    assert (message.authentication, message.auth_headers) == (found["authentication"], found["auth_headers"])


async def test_the_raw_mail_is_the_stored_bytes(api_server):
    await api_server.agent()
    message = await api_server.message(WITH_FILES)

    answer = await api_server.get(messages(f"/{message.id}/raw"))

    assert WITH_FILES == answer.body
    assert {
        "Content-Type": "message/rfc822",
        "Content-Length": str(len(WITH_FILES)),
        "Content-Disposition": f'attachment; filename="{message.id}.eml"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
    }.items() <= dict(answer.headers).items()


async def test_fetching_the_raw_mail_leaves_it_unread(api_server):
    await api_server.agent()
    message = await api_server.message()

    await api_server.get(messages(f"/{message.id}/raw"))

    assert [message.id] == await ids(api_server)


@on_sqlite
async def test_a_large_message_is_told_whole_too(api_server):
    await api_server.agent()
    message = await api_server.message(b"Subject: hi\r\n\r\n" + b"0123456789\r\n" * 40_000)

    found = (await api_server.get(messages(f"/{message.id}"))).json

    assert (True, None, 480_015) == (found["truncated"], found["raw"], found["raw_size"])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("index", "content", "content_type", "filename"),
    [
        (0, PAGE, "text/html", "page.html"),
        (1, bytes(range(256)), "application/pdf", None),
        (2, b"<svg/>", "image/svg+xml", "attachment-2"),
        (3, b"odd", None, "odd"),
    ],
)
async def test_an_attachment_is_for_saving_and_never_for_showing(shared_api, index, content, content_type, filename):
    answer = await shared_api.get(messages(f"/{shared_api.message_id}/attachments/{index}"))

    assert (200, content) == (answer.status, answer.body)
    assert content_type is None or content_type == answer.headers["Content-Type"]
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''" + (filename or ""))
    assert ("nosniff", "default-src 'none'; sandbox") == (
        answer.headers["X-Content-Type-Options"],
        answer.headers["Content-Security-Policy"],
    )


@on_sqlite
async def test_a_listed_attachment_is_the_one_that_is_fetched(api_server):
    await api_server.agent()
    message = await api_server.message(WITH_FILES)

    for listed in (await api_server.get(messages(f"/{message.id}"))).json["attachments"]:
        body = (await api_server.get(messages(f"/{message.id}/attachments/{listed['index']}"))).body
        assert (listed["size"], listed["sha256"]) == (len(body), sha256(body).hexdigest())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("index", ["4", "-1", "99999999999999999999999"])
async def test_an_attachment_that_is_not_there_is_not_found(shared_api, index):
    assert (404, "message_not_found") == (
        await shared_api.get(messages(f"/{shared_api.message_id}/attachments/{index}"))
    ).problem


@pytest.mark.asyncio(loop_scope="module")
async def test_an_attachments_index_is_a_number(shared_api):
    assert (422, "invalid_request") == (
        await shared_api.get(messages(f"/{shared_api.message_id}/attachments/one"))
    ).problem


async def test_a_message_can_be_marked_and_marked_again(api_server):
    await api_server.agent()
    message = await api_server.message()

    read = await api_server.patch(messages(f"/{message.id}"), {"status": "read"})
    assert ({"message_id": message.id, "status": "read"}, []) == (read.json, await ids(api_server))

    unread = await api_server.patch(messages(f"/{message.id}"), {"status": "unread"})
    assert ({"message_id": message.id, "status": "unread"}, [message.id]) == (unread.json, await ids(api_server))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "body", [{"status": "gone"}, {}, {"status": "read", "more": 1}, [], None, "read", {"status": None}]
)
async def test_a_mark_that_does_not_fit_is_a_problem_and_marks_nothing(shared_api, body):
    answer = await shared_api.patch(messages(f"/{shared_api.message_id}"), body)

    assert ((422, "invalid_request"), [shared_api.message_id]) == (answer.problem, await ids(shared_api))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/raw"), ("GET", "/attachments/0"), ("PATCH", "")])
@pytest.mark.parametrize("message_id", ["msg_0", "x", "%F0%9F%98%80"])
async def test_a_message_that_is_not_there_is_not_found(shared_api, method, rest, message_id):
    body = {"json": {"status": "read"}} if method == "PATCH" else {}

    answer = await shared_api.ask(method, messages(f"/{message_id}{rest}"), **body)

    assert (404, "message_not_found") == answer.problem


@on_sqlite
@pytest.mark.parametrize("rest", ["", "/raw", "/attachments/0"])
async def test_another_agents_message_is_not_found(api_server, rest):
    await api_server.agent()
    await api_server.agent("other@agents.example")
    message = await api_server.message(agent="other@agents.example")

    assert (404, "message_not_found") == (await api_server.get(messages(f"/{message.id}{rest}"))).problem


@on_sqlite
async def test_a_key_that_only_reads_marks_nothing_and_takes_nothing(api_server):
    await api_server.agent()
    message = await api_server.message()
    made = await api_server.post("/v1/keys", {"name": "dashboard", "scopes": ["read"]})
    key = made.json["api_key"]

    read = await api_server.get(messages(f"/{message.id}"), key=key)
    marked = await api_server.patch(messages(f"/{message.id}"), {"status": "read"}, key=key)
    leased = await api_server.post(f"/v1/agents/{BOT}/queue/lease", {}, key=key)

    assert (200, "unread", 403, 403) == (read.status, read.json["status"], marked.status, leased.status)
    assert [message.id] == await ids(api_server)
    assert [message.id] == [
        each["message"]["message_id"]
        for each in (await api_server.post(f"/v1/agents/{BOT}/queue/lease", {})).json["items"]
    ]


@on_sqlite
async def test_a_key_with_the_scope_work_leases_and_marks(api_server):
    await api_server.agent()
    message = await api_server.message()
    made = await api_server.post("/v1/keys", {"name": "worker", "scopes": ["work"]})
    key = made.json["api_key"]

    leased = await api_server.post(f"/v1/agents/{BOT}/queue/lease", {}, key=key)
    marked = await api_server.patch(messages(f"/{message.id}"), {"status": "read"}, key=key)
    read = await api_server.get(messages(f"/{message.id}"), key=key)

    assert (200, 1, 200, 403) == (leased.status, len(leased.json["items"]), marked.status, read.status)


async def test_a_large_message_is_counted_until_its_answer_is_sent(sqlite_api):
    await sqlite_api.agent()
    message = await sqlite_api.message(b"Subject: big\r\n\r\n" + b"x" * 3_000_000)
    shares = sqlite_api.app.authenticator.bytes_in_flight
    user = await sqlite_api.store.read(lambda tx: get_user_by_email(tx, OWNER).id)

    with shares.held({"user": user}, 32_000_000):
        answer = await sqlite_api.get(messages(f"/{message.id}"))
        assert (429, "too_many_at_once") == answer.problem

    assert 200 == (await sqlite_api.get(messages(f"/{message.id}"))).status
    assert 0 == len(shares)
