"""Domains by the API: claimed, proved, looked at, given up."""

import asyncio

import pytest

from relay.directory.domains import accept, claim
from relay.web.schemas.agents import DomainDocument, DomainRecord
from store.directory.users import bootstrap_user
from tests.web.client import OWNER

NAME = "agents.example"
PROOF = f"_mailseal.{NAME}"
DOMAINS = "/v1/domains"
ONE = f"{DOMAINS}/{NAME}"
EVE = "eve@stranger.example"
FIELDS = set(DomainDocument.model_fields)
RECORD = set(DomainRecord.model_fields)


async def claimed(door, name=NAME, **more):
    answer = await door.post(DOMAINS, {"domain": name}, **more)
    assert answer.status in {200, 201}, answer.body
    return answer.json


def proof(document):
    return next(record["value"] for record in document["records"] if record["purpose"] == "ownership")


def statuses(document):
    return {record["purpose"]: record["status"] for record in document["records"]}


def publish(door, document):
    door.dns.zone[f"_mailseal.{document['domain']}", "TXT"] = (proof(document),)
    door.dns.zone[document["domain"], "MX"] = ("10 mx.here.example",)


async def verified(door, name=NAME):
    document = await claimed(door, name)
    publish(door, document)
    answer = await door.post(f"{DOMAINS}/{document['domain']}/verify")
    assert 200 == answer.status, answer.body
    return answer.json


# Claimed


async def test_a_claim_answers_what_to_publish(door):
    answer = await door.post(DOMAINS, {"domain": "Agents.Example."})

    assert (201, FIELDS) == (answer.status, answer.json.keys())
    assert (NAME, False, None, "2026-11-23T15:17:00Z", "2026-11-23T15:22:00Z") == tuple(
        answer.json[name] for name in ("domain", "verified", "verified_at", "created_at", "next_check_at")
    )
    txt, mx = answer.json["records"]
    assert RECORD == txt.keys()
    assert ("TXT", PROOF, "ownership", True, "pending", [], None) == tuple(
        txt[name] for name in ("type", "name", "purpose", "required", "status", "found", "checked_at")
    )
    assert txt["value"].startswith("mailseal-verify=")
    assert ("MX", NAME, "10 mx.here.example", "receiving", "pending") == tuple(
        mx[name] for name in ("type", "name", "value", "purpose", "status")
    )


async def test_the_same_claim_again_is_200_with_the_same_token(door):
    first = await door.post(DOMAINS, {"domain": NAME})
    second = await door.post(DOMAINS, {"domain": "AGENTS.example"})

    assert (201, 200) == (first.status, second.status)
    assert first.json == second.json


async def test_a_claim_of_a_domain_that_is_mine_shows_it_verified(door):
    document = await verified(door)

    answer = await door.post(DOMAINS, {"domain": NAME})

    assert (200, document) == (answer.status, answer.json)


async def test_two_users_claim_side_by_side_with_tokens_of_their_own(door):
    eve = await door.new_key(EVE)

    mine, theirs = await claimed(door), await claimed(door, key=eve)

    assert proof(mine) != proof(theirs)
    assert proof(mine) == proof((await door.get(ONE)).json)


async def test_a_domain_that_another_has_proved_is_not_available(door):
    await verified(door)
    eve = await door.new_key(EVE)

    assert (409, "domain_not_available") == (await door.post(DOMAINS, {"domain": NAME}, key=eve)).problem
    assert [] == (await door.get(DOMAINS, key=eve)).json["items"]


@pytest.mark.parametrize(
    "name",
    ["localhost", "a b.example", "-.example", "☃.example", "a\x00b.example", "x" * 64 + ".example", "a@b.example"],
)
async def test_what_is_no_domain_is_refused(sqlite_door, name):
    assert (422, "invalid_value") == (await sqlite_door.post(DOMAINS, {"domain": name})).problem


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, "agents.example", {"domain": None}, {"domain": 1}, {"domain": ""}, {"domain": ["a.example"]}),
        *({"domain": NAME, "verified": True}, {"name": NAME}, {"domain": "a" * 321}),
    ],
)
async def test_a_claim_that_does_not_fit_is_refused(sqlite_door, body):
    assert (422, "invalid_request") == (await sqlite_door.post(DOMAINS, body)).problem
    assert [] == (await sqlite_door.get(DOMAINS)).json["items"]


async def test_a_claim_is_idempotent_by_key_too(door):
    headers = {"Idempotency-Key": "claim-1"}
    first = await door.post(DOMAINS, {"domain": NAME}, headers=headers)
    second = await door.post(DOMAINS, {"domain": NAME}, headers=headers)

    assert (201, 201, first.json) == (first.status, second.status, second.json)
    assert (422, "idempotency_mismatch") == (
        await door.post(DOMAINS, {"domain": "other.example"}, headers=headers)
    ).problem


async def test_claims_at_once_are_one_claim(door):
    answers = await asyncio.gather(*[door.post(DOMAINS, {"domain": NAME}) for _ in range(8)])

    assert {200, 201} >= {answer.status for answer in answers}
    assert 1 == len({proof(answer.json) for answer in answers})


# Proved


async def test_verifying_looks_now_and_makes_the_domain_mine(door):
    document = await claimed(door)
    publish(door, document)
    door.clock.advance(minutes=1)

    answer = await door.post(f"{ONE}/verify")

    assert (200, True, "2026-11-23T15:18:00Z", "2026-11-24T15:18:00Z") == (
        answer.status,
        *(answer.json[name] for name in ("verified", "verified_at", "next_check_at")),
    )
    assert {"ownership": "verified", "receiving": "verified"} == statuses(answer.json)
    assert {"2026-11-23T15:18:00Z"} == {record["checked_at"] for record in answer.json["records"]}
    assert answer.json == (await door.get(ONE)).json
    assert ["postmaster@agents.example"] == [agent["address"] for agent in (await door.get("/v1/agents")).json["items"]]


async def test_a_proof_without_an_mx_is_a_proof(door):
    document = await claimed(door)
    publish(door, document)
    door.dns.zone[NAME, "MX"] = ("10 mx.elsewhere.example",)

    answer = (await door.post(f"{ONE}/verify")).json

    assert (True, {"ownership": "verified", "receiving": "mismatch"}) == (answer["verified"], statuses(answer))
    assert ["10 mx.elsewhere.example"] == answer["records"][1]["found"]


@pytest.mark.parametrize(
    ("there", "status", "says"),
    [
        ((), "pending", "there is none"),
        (("mailseal-verify=other", "x"), "mismatch", "there is mailseal-verify=other, x"),
    ],
)
async def test_what_is_not_proved_is_409_and_tells_what_was_seen(door, there, status, says):
    document = await claimed(door)
    door.dns.zone[PROOF, "TXT"] = there

    answer = await door.post(f"{ONE}/verify")

    assert (409, "domain_unproven") == answer.problem
    assert f"no TXT record {proof(document)} at {PROOF}: {says}" == answer.json["detail"]
    kept = (await door.get(ONE)).json
    assert (False, status, list(there)) == (
        kept["verified"],
        kept["records"][0]["status"],
        kept["records"][0]["found"],
    )


async def test_dns_that_does_not_answer_is_503_and_changes_nothing(door):
    await claimed(door)
    before = (await door.get(ONE)).json
    door.dns.down.add(PROOF)
    door.clock.advance(minutes=1)

    answer = await door.post(f"{ONE}/verify")

    assert (503, "try_again_later") == answer.problem
    assert int(answer.headers["Retry-After"]) > 0
    assert before == (await door.get(ONE)).json


async def test_an_mx_that_nobody_answers_for_is_unknown_and_the_proof_counts(door):
    publish(door, await claimed(door))
    door.dns.down.add(NAME)

    answer = (await door.post(f"{ONE}/verify")).json

    assert (True, {"ownership": "verified", "receiving": "unknown"}) == (answer["verified"], statuses(answer))


@pytest.mark.parametrize(
    ("there", "status"), [((), "missing"), (("something else",), "mismatch")], ids=["nothing", "something else"]
)
async def test_a_verified_domain_stays_so_and_shows_since_when_a_record_is_gone(door, there, status):
    before = await verified(door)
    door.dns.zone[PROOF, "TXT"] = there
    door.clock.advance(hours=1)

    answer = await door.post(f"{ONE}/verify")

    assert (200, True, before["verified_at"]) == (answer.status, answer.json["verified"], answer.json["verified_at"])
    assert (status, "2026-11-23T16:17:00Z", list(there)) == tuple(
        answer.json["records"][0][name] for name in ("status", "missing_since", "found")
    )
    door.clock.advance(hours=1)
    publish(door, before)
    again = (await door.post(f"{ONE}/verify")).json
    assert ("verified", None) == tuple(again["records"][0][name] for name in ("status", "missing_since"))


async def test_an_outage_does_not_touch_a_verified_domain(door):
    await verified(door)
    before = (await door.get(ONE)).json
    door.dns.down.add(PROOF)

    assert (503, "try_again_later") == (await door.post(f"{ONE}/verify")).problem
    assert before == (await door.get(ONE)).json


async def test_who_proves_second_gets_nothing(door):
    eve = await door.new_key(EVE)
    mine, theirs = await claimed(door), await claimed(door, key=eve)
    door.dns.zone[PROOF, "TXT"] = (proof(mine), proof(theirs))
    await door.post(f"{ONE}/verify")

    assert (409, "domain_not_available") == (await door.post(f"{ONE}/verify", key=eve)).problem
    assert (await door.get(ONE)).json["verified"]
    assert not (await door.get(ONE, key=eve)).json["verified"]


async def test_the_token_of_another_proves_nothing(door):
    eve = await door.new_key(EVE)
    publish(door, await claimed(door))
    await claimed(door, key=eve)

    assert (409, "domain_unproven") == (await door.post(f"{ONE}/verify", key=eve)).problem


async def test_a_domain_that_was_verified_on_the_operators_word_was_not_seen_yet(door):
    def unit(tx):
        user = bootstrap_user(tx, OWNER, now=door.clock.now())
        claim(tx, user.id, NAME, now=door.clock.now())
        accept(tx, user.id, NAME, master=door.places.master, now=door.clock.now())

    await door.store.write(unit)

    document = (await door.get(ONE)).json
    assert (True, {"ownership": "pending", "receiving": "pending"}) == (document["verified"], statuses(document))


# For sending


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_records_for_sending_are_told_when_asked_for(door, method):
    await claimed(door)
    path = f"{ONE}?sending=true" if method == "GET" else f"{DOMAINS}?sending=true"

    answer = await door.ask(method, path, **({} if method == "GET" else {"json": {"domain": NAME}}))

    told = {record["purpose"]: record for record in answer.json["records"]}
    assert ["ownership", "receiving", "spf", "dkim", "dmarc"] == list(told)
    assert [False] * 3 == [told[purpose]["required"] for purpose in ("spf", "dkim", "dmarc")]
    assert "v=spf1 mx ~all" == told["spf"]["value"]


async def test_records_for_sending_are_looked_at_when_asked_for(door):
    document = await verified(door)
    door.dns.zone[f"_dmarc.{NAME}", "TXT"] = ("v=DMARC1; p=reject",)
    door.dns.zone[NAME, "TXT"] = ("v=spf1 -all",)
    assert 2 == len(document["records"])

    answer = (await door.post(f"{ONE}/verify?sending=true")).json

    assert {
        "ownership": "verified",
        "receiving": "verified",
        "spf": "mismatch",
        "dkim": "pending",
        "dmarc": "verified",
    } == statuses(answer)
    assert answer["records"] == (await door.get(f"{DOMAINS}?sending=true")).json["items"][0]["records"]


@pytest.mark.parametrize("path", [f"{ONE}?sending=perhaps", f"{DOMAINS}?sending=2", f"{DOMAINS}?limit=0", f"{DOMAINS}?limit=201", f"{DOMAINS}?limit=x"])  # fmt: skip
async def test_a_question_that_does_not_fit_is_refused(sqlite_door, path):
    assert (422, "invalid_request") == (await sqlite_door.get(path)).problem


# Listed


async def test_domains_are_listed_by_name_a_page_at_a_time(door):
    for name in ("c.example", "a.example", "bücher.example"):
        await claimed(door, name)
    await claimed(door, "b.example", key=await door.new_key(EVE))

    first = (await door.get(f"{DOMAINS}?limit=2")).json
    second = (await door.get(f"{DOMAINS}?limit=2&cursor={first['next_cursor']}")).json

    assert ["a.example", "c.example", "xn--bcher-kva.example"] == [
        domain["domain"] for page in (first, second) for domain in page["items"]
    ]
    assert ("c.example", None) == (first["next_cursor"], second["next_cursor"])


@pytest.mark.parametrize("cursor", ["", "x", "%2E%2E", "a%20b.example", "%FF", "a%00b.example"])
async def test_a_cursor_of_no_list_is_refused(door, cursor):
    assert 422 == (await door.get(f"{DOMAINS}?cursor={cursor}")).problem[0]


# Given up


async def test_a_domain_is_given_up(door):
    await verified(door)

    answer = await door.ask("DELETE", ONE)

    assert (204, b"") == (answer.status, answer.body)
    assert (404, "domain_not_found") == (await door.get(ONE)).problem
    assert [] == (await door.get("/v1/agents")).json["items"]


async def test_a_domain_with_agents_is_not_given_up(door):
    await verified(door)
    await door.agent(f"bot@{NAME}")

    assert (409, "domain_has_agents") == (await door.ask("DELETE", ONE)).problem
    assert (await door.get(ONE)).json["verified"]


# Found in any spelling, and by nobody else


@pytest.mark.parametrize(
    "path",
    [
        "b%C3%BCcher.example",
        "B%C3%9CCHER.example",
        "xn--bcher-kva.example.",
        "XN--BCHER-KVA.example",
        "b%C3%BCcher%2Eexample",
    ],
)
async def test_a_domain_in_a_path_may_be_spelled_in_any_way(sqlite_door, path):
    await claimed(sqlite_door, "bücher.example")

    assert "xn--bcher-kva.example" == (await sqlite_door.get(f"{DOMAINS}/{path}")).json["domain"]


@pytest.mark.parametrize(
    "path", ["nonsense", "a%20b.example", "%FF.example", "a%00b.example", "a" * 400, "%2F", "%2e%2e"]
)
async def test_what_is_no_domain_in_a_path_is_a_problem(door, path):
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
        assert (await door.ask(method, f"{DOMAINS}/{path}{more}")).problem[0] in {404, 405, 422}


async def test_the_domain_of_another_cannot_be_told_from_none(door):
    eve = await door.new_key(EVE)
    before = [await door.ask(method, ONE + more, key=eve) for method, more in CALLS]
    await verified(door)

    after = [await door.ask(method, ONE + more, key=eve) for method, more in CALLS]

    assert [(404, "domain_not_found")] * 3 == [answer.problem for answer in after]
    assert [answer.body for answer in before] == [answer.body for answer in after]


CALLS = (("GET", ""), ("DELETE", ""), ("POST", "/verify"))


# Who may


async def key_with(door, scopes, agent=None):
    return (await door.post("/v1/keys", {"scopes": scopes, "agent": agent})).json["api_key"]


async def test_looking_needs_read_or_admin_and_changing_admin(door):
    await verified(door)
    may_read, may_send, may_admin = [await key_with(door, [scope]) for scope in ("read", "send", "admin")]

    for path in (DOMAINS, ONE):
        assert [200, 200, 403] == [(await door.get(path, key=key)).status for key in (may_read, may_admin, may_send)]
    for method, path in (("POST", f"{ONE}/verify"), ("DELETE", ONE), ("POST", DOMAINS)):
        for key in (may_read, may_send):
            answer = await door.ask(method, path, key=key, **({"json": {"domain": NAME}} if path == DOMAINS else {}))
            assert (403, "insufficient_scope") == answer.problem
    assert 200 == (await door.post(f"{ONE}/verify", key=may_admin)).status


async def test_a_key_for_one_agent_has_nothing_to_do_with_domains(door):
    await door.agent(f"bot@{NAME}")
    key = await key_with(door, ["read", "admin"], f"bot@{NAME}")

    for method, path in (("GET", DOMAINS), ("GET", ONE), ("POST", f"{ONE}/verify"), ("DELETE", ONE)):
        assert (403, "insufficient_scope") == (await door.ask(method, path, key=key)).problem


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_asks_without_a_key(sqlite_door, method):
    assert (401, "unauthorized") == (await sqlite_door.ask(method, DOMAINS, key=None)).problem


@pytest.mark.parametrize(("method", "path", "allowed"), [("PUT", DOMAINS, "GET, POST"), ("PATCH", ONE, "GET, DELETE"), ("GET", f"{ONE}/verify", "POST")])  # fmt: skip
async def test_another_method_is_told_which_there_are(sqlite_door, method, path, allowed):
    answer = await sqlite_door.ask(method, path)

    assert ((405, "method_not_allowed"), allowed) == (answer.problem, answer.headers["Allow"])
