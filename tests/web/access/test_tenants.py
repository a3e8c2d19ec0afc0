"""Two users of one relay: to either, what is the other's is as if it were not there.

Every route of /openapi.json is asked. One that the tables here do not know fails the first test.
"""

import io
import zipfile
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from sqlalchemy import select

from store.schema.inbound import metadata
from tests.web.client import Answer
from tests.web.schemas.described import OPERATIONS
from tests.web.world import as_asked, furnish

# What is said when a path names something that is not there.
CODES = {
    "address": "agent_not_found",
    "domain": "domain_not_found",
    "key_id": "key_not_found",
    "message_id": "message_not_found",
    "conversation_id": "conversation_not_found",
    "delivery_id": "delivery_not_found",
    "recipient": "suppression_not_found",
}
NOWHERE = {
    "address": "bot@nil.example",
    "domain": "nil.example",
    **{name: f"{prefix}_{'0' * 29}" for name, prefix in (("key_id", "key"), ("message_id", "msg"))},
    **{name: f"{prefix}_{'0' * 29}" for name, prefix in (("conversation_id", "conv"), ("delivery_id", "dlv"))},
    "recipient": "gone@nil.example",
    "index": "0",
}
OWN = {  # one's own, nothing named
    *("me", "list_keys", "list_domains", "list_agents", "list_reviews", "deliveries", "suppressions"),
    *("usage", "export", "list_sessions", "end_sessions"),
}
MAKING = {"make_key", "claim_domain", "make_agent", "replay_all_dead", "erase"}  # each looked at by itself below
OPEN = {"healthz", "readyz", "metrics", "description", "reference"}
LINKS = {"review_page", "decide_by_link"}  # open to whoever has the letter: tests/web/pages/test_review_page.py
ENDLESS = {"follow_events"}


def names(path: str) -> list[str]:
    """The parameters of a path, in order."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def filled(path: str, values: dict[str, str]) -> str:
    for name in names(path):
        path = path.replace(f"{{{name}}}", quote(values[name], safe=""))
    return path


def body_of(operation: dict) -> dict:
    content = operation.get("requestBody", {}).get("content", {})
    return {"json": content["application/json"]["example"]} if content else {}


def strays() -> Iterator[tuple[str, str]]:
    """Each operation with the name of what in its path is the other's; what stands before it is one's own."""
    for name, (_, path, _) in OPERATIONS.items():
        yield from ((name, each) for each in names(path) if each in CODES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(shared_api):
    """Ana and Eve, each with one of everything; nothing is there of what both ask for first."""
    ana = await furnish(shared_api, owner="ana@one.example", domain="ana.example")
    eve = await furnish(shared_api, owner="eve@two.example", domain="eve.example")
    for each in (ana, eve):
        await shared_api.get("/v1/me", key=each["key"])  # the key's first use is written down
    return shared_api, ana, eve


async def rows(api_server) -> dict[str, list]:
    """Everything there is."""

    def unit(tx):
        return {table.name: sorted(map(str, tx.execute(select(table)))) for table in metadata.sorted_tables}

    return await api_server.store.read(unit)


async def asked(api_server, work) -> tuple[Answer, list[str]]:
    """An answer, and what was asked of the store for it."""
    store, used = api_server.store, []

    def counting(name):
        ask = getattr(type(store), name)

        async def counted(unit):
            used.append(name)
            return await ask(store, unit)

        return counted

    for name in ("read", "write", "read_on_loop"):
        setattr(store, name, counting(name))
    try:
        return await work(), used
    finally:
        for name in ("read", "write", "read_on_loop"):
            delattr(store, name)


def likeness(answer: Answer) -> tuple:
    """All that may be told of something that is not there."""
    changing = {"Date", "RateLimit"}
    return answer.status, answer.body, {name: value for name, value in answer.headers.items() if name not in changing}


def test_every_route_is_looked_at():
    named = {name for name, _ in strays()}

    assert set(OPERATIONS) == named | OWN | MAKING | OPEN | LINKS
    assert set() == {each for _, path, _ in OPERATIONS.values() for each in names(path)} - {*CODES, "index", "token"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "parameter"), list(strays()))
async def test_what_is_the_other_s_is_as_if_it_were_not_there(two, name, parameter):
    api_server, ana, eve = two
    method, path, operation = OPERATIONS[name]
    before = names(path)[: names(path).index(parameter)]
    own = {each: eve[each] for each in before}

    was = await rows(api_server)
    theirs, used = await asked(
        api_server,
        lambda: api_server.ask(method, filled(path, as_asked(name, ana) | own), key=eve["key"], **body_of(operation)),
    )
    nobodys, needed = await asked(
        api_server, lambda: api_server.ask(method, filled(path, NOWHERE | own), key=eve["key"], **body_of(operation))
    )

    assert (404, CODES[parameter]) == theirs.problem
    assert likeness(nobodys) == likeness(theirs)
    assert needed == used
    assert was == await rows(api_server)
    assert [] == api_server.dns.asked


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "name", [name for name, (method, _, _) in OPERATIONS.items() if method == "GET" and name not in ENDLESS]
)
async def test_what_is_one_s_own_tells_nothing_of_the_other(two, name):
    api_server, ana, eve = two
    method, path, operation = OPERATIONS[name]

    answer = await api_server.ask(
        method, filled(path, as_asked(name, eve)), key=eve["key"] if operation.get("security") else None
    )

    assert 200 == answer.status
    body = answer.body
    if answer.headers["Content-Type"] == "application/zip":
        parts = zipfile.ZipFile(io.BytesIO(body))
        body = b"".join(parts.read(each) for each in parts.namelist())
    assert [] == [each for each in (*ana.values(), "ana@one.example") if each != ana["index"] and each.encode() in body]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("problem", "method", "path", "body"),
    [
        ("agent_not_found", "POST", "/v1/keys", {"agent": "{address}"}),
        ("agent_not_found", "POST", "/v1/deliveries/replay", {"agent": "{hook}"}),
        ("agent_not_found", "GET", "/v1/deliveries?agent={hook}", None),
        ("domain_not_found", "POST", "/v1/agents", {"address": "new@{domain}"}),
        ("domain_not_found", "POST", "/v1/agents", {"address": "{address}"}),
    ],
)
async def test_what_a_body_or_a_query_names_is_not_there_either(two, problem, method, path, body):
    api_server, ana, eve = two

    def request(ids):
        given = {name: value.format(**ids) for name, value in (body or {}).items()}
        return api_server.ask(method, path.format(**ids), key=eve["key"], **({} if body is None else {"json": given}))

    was = await rows(api_server)
    theirs, used = await asked(api_server, lambda: request(ana))
    nobodys, needed = await asked(api_server, lambda: request(NOWHERE | {"hook": "hook@nil.example"}))

    assert (404, problem) == theirs.problem
    assert likeness(nobodys) == likeness(theirs)
    assert needed == used
    assert was == await rows(api_server)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("verb", ["ack", "nack", "extend"])
async def test_a_receipt_of_the_other_s_is_one_whose_lease_is_over(two, verb):
    api_server, ana, eve = two
    queue = "/v1/agents/{}/queue/{}"
    leased = await api_server.post(queue.format(ana["address"], "lease"), {"max": 1}, key=ana["key"])
    if leased.json["items"]:
        ana["receipt"] = leased.json["items"][0]["receipt"]

    was = await rows(api_server)
    answers = [
        await api_server.post(queue.format(eve["address"], verb), {"receipts": [each]}, key=eve["key"])
        for each in (ana["receipt"], f"{NOWHERE['message_id']}.0")
    ]

    assert [(409, 409, "lease_lost")] * 2 == [
        (each.status, each.json["items"][0]["status"], each.json["items"][0]["code"]) for each in answers
    ]
    assert was == await rows(api_server)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "query", ["messages?status=all&conversation_id={conversation_id}", "messages?status=all&cursor=99999"]
)
async def test_a_filter_by_what_is_the_other_s_finds_nothing(two, query):
    api_server, ana, eve = two

    answer = await api_server.get(f"/v1/agents/{eve['address']}/{query.format(**ana)}", key=eve["key"])

    assert (200, [], None) == (answer.status, answer.json["items"], answer.json["next_cursor"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cursor_of_the_other_s_list_leads_on_in_one_s_own(two):
    api_server, ana, eve = two

    for path in ("/v1/keys?cursor={key_id}", "/v1/domains?cursor={domain}", "/v1/agents?cursor={address}"):
        answer = await api_server.get(path.format(**ana), key=eve["key"])
        assert 200 == answer.status
        assert not any(each.encode() in answer.body for each in ana.values() if each != ana["index"])


@pytest.mark.asyncio(loop_scope="module")
async def test_a_domain_that_is_proved_cannot_be_claimed_and_one_that_is_not_can(two):
    api_server, ana, eve = two
    pending = await api_server.post("/v1/domains", {"domain": "pending.example"}, key=ana["key"])
    was = await rows(api_server)

    assert (409, "domain_not_available") == (
        await api_server.post("/v1/domains", {"domain": ana["domain"]}, key=eve["key"])
    ).problem
    assert was == await rows(api_server)

    claimed = await api_server.post("/v1/domains", {"domain": "pending.example"}, key=eve["key"])
    assert (201, False) == (claimed.status, claimed.json["verified"])
    assert not {each["value"] for each in pending.json["records"] if each["type"] == "TXT"} & {
        each["value"] for each in claimed.json["records"] if each["type"] == "TXT"
    }


@pytest.mark.asyncio(loop_scope="module")
async def test_whoever_goes_takes_nothing_of_the_other_s_along(two):
    api_server, ana, _ = two
    mal = await furnish(api_server, owner="mal@three.example", domain="mal.example")
    whole = {table: set(each) for table, each in (await rows(api_server)).items()}

    answer = await api_server.ask("DELETE", "/v1/account", key=mal["key"])

    left = {table: set(each) for table, each in (await rows(api_server)).items()}
    gone = [row for table, each in whole.items() for row in each - left[table]]
    assert 200 == answer.status
    assert gone
    assert [] == [row for row in gone if any(ana[each] in row for each in ana if each != "index")]
    assert 200 == (await api_server.get("/v1/me", key=ana["key"])).status
