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


async def claimed(api_server, name=NAME, **more):
    answer = await api_server.post(DOMAINS, {"domain": name}, **more)
    assert answer.status in {200, 201}, answer.body
    return answer.json


def proof(document):
    return next(record["value"] for record in document["records"] if record["purpose"] == "ownership")


def statuses(document):
    return {record["purpose"]: record["status"] for record in document["records"]}


def publish(api_server, document):
    api_server.dns.zone[f"_mailseal.{document['domain']}", "TXT"] = (proof(document),)
    api_server.dns.zone[document["domain"], "MX"] = ("10 mx.here.example",)


async def verified(api_server, name=NAME):
    document = await claimed(api_server, name)
    publish(api_server, document)
    answer = await api_server.post(f"{DOMAINS}/{document['domain']}/verify")
    assert 200 == answer.status, answer.body
    return answer.json


# Claimed


async def test_a_claim_answers_what_to_publish(api_server):
    answer = await api_server.post(DOMAINS, {"domain": "Agents.Example."})

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


async def test_the_same_claim_again_is_200_with_the_same_token(api_server):
    first = await api_server.post(DOMAINS, {"domain": NAME})
    second = await api_server.post(DOMAINS, {"domain": "AGENTS.example"})

    assert (201, 200) == (first.status, second.status)
    assert first.json == second.json


async def test_a_claim_of_a_domain_that_is_mine_shows_it_verified(api_server):
    document = await verified(api_server)

    answer = await api_server.post(DOMAINS, {"domain": NAME})

    assert (200, document) == (answer.status, answer.json)


async def test_two_users_claim_side_by_side_with_tokens_of_their_own(api_server):
    eve = await api_server.new_key(EVE)

    mine, theirs = await claimed(api_server), await claimed(api_server, key=eve)

    assert proof(mine) != proof(theirs)
    assert proof(mine) == proof((await api_server.get(ONE)).json)


async def test_a_domain_that_another_has_proved_is_not_available(api_server):
    await verified(api_server)
    eve = await api_server.new_key(EVE)

    assert (409, "domain_not_available") == (await api_server.post(DOMAINS, {"domain": NAME}, key=eve)).problem
    assert [] == (await api_server.get(DOMAINS, key=eve)).json["items"]


@pytest.mark.parametrize(
    "name",
    ["localhost", "a b.example", "-.example", "☃.example", "a\x00b.example", "x" * 64 + ".example", "a@b.example"],
)
async def test_what_is_no_domain_is_refused(sqlite_api, name):
    assert (422, "invalid_value") == (await sqlite_api.post(DOMAINS, {"domain": name})).problem


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], None, "agents.example", {"domain": None}, {"domain": 1}, {"domain": ""}, {"domain": ["a.example"]}),
        *({"domain": NAME, "verified": True}, {"name": NAME}, {"domain": "a" * 321}),
    ],
)
async def test_a_claim_that_does_not_fit_is_refused(sqlite_api, body):
    assert (422, "invalid_request") == (await sqlite_api.post(DOMAINS, body)).problem
    assert [] == (await sqlite_api.get(DOMAINS)).json["items"]


async def test_a_claim_is_idempotent_by_key_too(api_server):
    headers = {"Idempotency-Key": "claim-1"}
    first = await api_server.post(DOMAINS, {"domain": NAME}, headers=headers)
    second = await api_server.post(DOMAINS, {"domain": NAME}, headers=headers)

    assert (201, 201, first.json) == (first.status, second.status, second.json)
    assert (422, "idempotency_mismatch") == (
        await api_server.post(DOMAINS, {"domain": "other.example"}, headers=headers)
    ).problem


async def test_claims_at_once_are_one_claim(api_server):
    answers = await asyncio.gather(*[api_server.post(DOMAINS, {"domain": NAME}) for _ in range(8)])

    assert {200, 201} >= {answer.status for answer in answers}
    assert 1 == len({proof(answer.json) for answer in answers})


# Proved


async def test_verifying_looks_now_and_makes_the_domain_mine(api_server):
    document = await claimed(api_server)
    publish(api_server, document)
    api_server.clock.advance(minutes=1)

    answer = await api_server.post(f"{ONE}/verify")

    assert (200, True, "2026-11-23T15:18:00Z", "2026-11-24T15:18:00Z") == (
        answer.status,
        *(answer.json[name] for name in ("verified", "verified_at", "next_check_at")),
    )
    assert {"ownership": "verified", "receiving": "verified"} == statuses(answer.json)
    assert {"2026-11-23T15:18:00Z"} == {record["checked_at"] for record in answer.json["records"]}
    assert answer.json == (await api_server.get(ONE)).json
    assert ["postmaster@agents.example"] == [
        agent["address"] for agent in (await api_server.get("/v1/agents")).json["items"]
    ]


async def test_a_proof_without_an_mx_is_a_proof(api_server):
    document = await claimed(api_server)
    publish(api_server, document)
    api_server.dns.zone[NAME, "MX"] = ("10 mx.elsewhere.example",)

    answer = (await api_server.post(f"{ONE}/verify")).json

    assert (True, {"ownership": "verified", "receiving": "mismatch"}) == (answer["verified"], statuses(answer))
    assert ["10 mx.elsewhere.example"] == answer["records"][1]["found"]


@pytest.mark.parametrize(
    ("there", "status", "says"),
    [
        ((), "pending", "there is none"),
        (("mailseal-verify=other", "x"), "mismatch", "there is mailseal-verify=other, x"),
    ],
)
async def test_what_is_not_proved_is_409_and_tells_what_was_seen(api_server, there, status, says):
    document = await claimed(api_server)
    api_server.dns.zone[PROOF, "TXT"] = there

    answer = await api_server.post(f"{ONE}/verify")

    assert (409, "domain_unproven") == answer.problem
    assert f"no TXT record {proof(document)} at {PROOF}: {says}" == answer.json["detail"]
    kept = (await api_server.get(ONE)).json
    assert (False, status, list(there)) == (
        kept["verified"],
        kept["records"][0]["status"],
        kept["records"][0]["found"],
    )


async def test_dns_that_does_not_answer_is_503_and_changes_nothing(api_server):
    await claimed(api_server)
    before = (await api_server.get(ONE)).json
    api_server.dns.down.add(PROOF)
    api_server.clock.advance(minutes=1)

    answer = await api_server.post(f"{ONE}/verify")

    assert (503, "try_again_later") == answer.problem
    assert int(answer.headers["Retry-After"]) > 0
    assert before == (await api_server.get(ONE)).json


async def test_an_mx_that_nobody_answers_for_is_unknown_and_the_proof_counts(api_server):
    publish(api_server, await claimed(api_server))
    api_server.dns.down.add(NAME)

    answer = (await api_server.post(f"{ONE}/verify")).json

    assert (True, {"ownership": "verified", "receiving": "unknown"}) == (answer["verified"], statuses(answer))


@pytest.mark.parametrize(
    ("there", "status"), [((), "missing"), (("something else",), "mismatch")], ids=["nothing", "something else"]
)
async def test_a_verified_domain_stays_so_and_shows_since_when_a_record_is_gone(api_server, there, status):
    before = await verified(api_server)
    api_server.dns.zone[PROOF, "TXT"] = there
    api_server.clock.advance(hours=1)

    answer = await api_server.post(f"{ONE}/verify")

    assert (200, True, before["verified_at"]) == (answer.status, answer.json["verified"], answer.json["verified_at"])
    assert (status, "2026-11-23T16:17:00Z", list(there)) == tuple(
        answer.json["records"][0][name] for name in ("status", "missing_since", "found")
    )
    api_server.clock.advance(hours=1)
    publish(api_server, before)
    again = (await api_server.post(f"{ONE}/verify")).json
    assert ("verified", None) == tuple(again["records"][0][name] for name in ("status", "missing_since"))


async def test_an_outage_does_not_touch_a_verified_domain(api_server):
    await verified(api_server)
    before = (await api_server.get(ONE)).json
    api_server.dns.down.add(PROOF)

    assert (503, "try_again_later") == (await api_server.post(f"{ONE}/verify")).problem
    assert before == (await api_server.get(ONE)).json


async def test_who_proves_second_gets_nothing(api_server):
    eve = await api_server.new_key(EVE)
    mine, theirs = await claimed(api_server), await claimed(api_server, key=eve)
    api_server.dns.zone[PROOF, "TXT"] = (proof(mine), proof(theirs))
    await api_server.post(f"{ONE}/verify")

    assert (409, "domain_not_available") == (await api_server.post(f"{ONE}/verify", key=eve)).problem
    assert (await api_server.get(ONE)).json["verified"]
    assert not (await api_server.get(ONE, key=eve)).json["verified"]


async def test_the_token_of_another_proves_nothing(api_server):
    eve = await api_server.new_key(EVE)
    publish(api_server, await claimed(api_server))
    await claimed(api_server, key=eve)

    assert (409, "domain_unproven") == (await api_server.post(f"{ONE}/verify", key=eve)).problem


async def test_a_domain_that_was_verified_on_the_operators_word_was_not_seen_yet(api_server):
    def unit(tx):
        user = bootstrap_user(tx, OWNER, now=api_server.clock.now())
        claim(tx, user.id, NAME, now=api_server.clock.now())
        accept(tx, user.id, NAME, master=api_server.places.master, now=api_server.clock.now())

    await api_server.store.write(unit)

    document = (await api_server.get(ONE)).json
    assert (True, {"ownership": "pending", "receiving": "pending"}) == (document["verified"], statuses(document))


# For sending


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_records_for_sending_are_told_when_asked_for(api_server, method):
    await claimed(api_server)
    path = f"{ONE}?sending=true" if method == "GET" else f"{DOMAINS}?sending=true"

    answer = await api_server.ask(method, path, **({} if method == "GET" else {"json": {"domain": NAME}}))

    told = {record["purpose"]: record for record in answer.json["records"]}
    assert ["ownership", "receiving", "spf", "dkim", "dmarc"] == list(told)
    assert [False] * 3 == [told[purpose]["required"] for purpose in ("spf", "dkim", "dmarc")]
    assert "v=spf1 mx ~all" == told["spf"]["value"]


async def test_records_for_sending_are_looked_at_when_asked_for(api_server):
    document = await verified(api_server)
    api_server.dns.zone[f"_dmarc.{NAME}", "TXT"] = ("v=DMARC1; p=reject",)
    api_server.dns.zone[NAME, "TXT"] = ("v=spf1 -all",)
    assert 2 == len(document["records"])

    answer = (await api_server.post(f"{ONE}/verify?sending=true")).json

    assert {
        "ownership": "verified",
        "receiving": "verified",
        "spf": "mismatch",
        "dkim": "pending",
        "dmarc": "verified",
    } == statuses(answer)
    assert answer["records"] == (await api_server.get(f"{DOMAINS}?sending=true")).json["items"][0]["records"]


@pytest.mark.parametrize("path", [f"{ONE}?sending=perhaps", f"{DOMAINS}?sending=2", f"{DOMAINS}?limit=0", f"{DOMAINS}?limit=201", f"{DOMAINS}?limit=x"])  # fmt: skip
async def test_a_question_that_does_not_fit_is_refused(sqlite_api, path):
    assert (422, "invalid_request") == (await sqlite_api.get(path)).problem


# Listed


async def test_domains_are_listed_by_name_a_page_at_a_time(api_server):
    for name in ("c.example", "a.example", "bücher.example"):
        await claimed(api_server, name)
    await claimed(api_server, "b.example", key=await api_server.new_key(EVE))

    first = (await api_server.get(f"{DOMAINS}?limit=2")).json
    second = (await api_server.get(f"{DOMAINS}?limit=2&cursor={first['next_cursor']}")).json

    assert ["a.example", "c.example", "xn--bcher-kva.example"] == [
        domain["domain"] for page in (first, second) for domain in page["items"]
    ]
    assert ("c.example", None) == (first["next_cursor"], second["next_cursor"])


@pytest.mark.parametrize("cursor", ["", "x", "%2E%2E", "a%20b.example", "%FF", "a%00b.example"])
async def test_a_cursor_of_no_list_is_refused(api_server, cursor):
    assert 422 == (await api_server.get(f"{DOMAINS}?cursor={cursor}")).problem[0]


# Given up


async def test_a_domain_is_given_up(api_server):
    await verified(api_server)

    answer = await api_server.ask("DELETE", ONE)

    assert (204, b"") == (answer.status, answer.body)
    assert (404, "domain_not_found") == (await api_server.get(ONE)).problem
    assert [] == (await api_server.get("/v1/agents")).json["items"]


async def test_a_domain_with_agents_is_not_given_up(api_server):
    await verified(api_server)
    await api_server.agent(f"bot@{NAME}")

    assert (409, "domain_has_agents") == (await api_server.ask("DELETE", ONE)).problem
    assert (await api_server.get(ONE)).json["verified"]


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
async def test_a_domain_in_a_path_may_be_spelled_in_any_way(sqlite_api, path):
    await claimed(sqlite_api, "bücher.example")

    assert "xn--bcher-kva.example" == (await sqlite_api.get(f"{DOMAINS}/{path}")).json["domain"]


@pytest.mark.parametrize(
    "path", ["nonsense", "a%20b.example", "%FF.example", "a%00b.example", "a" * 400, "%2F", "%2e%2e"]
)
async def test_what_is_no_domain_in_a_path_is_a_problem(api_server, path):
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/verify")):
        assert (await api_server.ask(method, f"{DOMAINS}/{path}{more}")).problem[0] in {404, 405, 422}


async def test_the_domain_of_another_cannot_be_told_from_none(api_server):
    eve = await api_server.new_key(EVE)
    before = [await api_server.ask(method, ONE + more, key=eve) for method, more in CALLS]
    await verified(api_server)

    after = [await api_server.ask(method, ONE + more, key=eve) for method, more in CALLS]

    assert [(404, "domain_not_found")] * 3 == [answer.problem for answer in after]
    assert [answer.body for answer in before] == [answer.body for answer in after]


CALLS = (("GET", ""), ("DELETE", ""), ("POST", "/verify"))


# Who may


async def key_with(api_server, scopes, agent=None):
    return (await api_server.post("/v1/keys", {"scopes": scopes, "agent": agent})).json["api_key"]


async def test_looking_needs_read_or_admin_and_changing_admin(api_server):
    await verified(api_server)
    may_read, may_send, may_admin = [await key_with(api_server, [scope]) for scope in ("read", "send", "admin")]

    for path in (DOMAINS, ONE):
        assert [200, 200, 403] == [
            (await api_server.get(path, key=key)).status for key in (may_read, may_admin, may_send)
        ]
    for method, path in (("POST", f"{ONE}/verify"), ("DELETE", ONE), ("POST", DOMAINS)):
        for key in (may_read, may_send):
            answer = await api_server.ask(
                method, path, key=key, **({"json": {"domain": NAME}} if path == DOMAINS else {})
            )
            assert (403, "insufficient_scope") == answer.problem
    assert 200 == (await api_server.post(f"{ONE}/verify", key=may_admin)).status


async def test_a_key_for_one_agent_has_nothing_to_do_with_domains(api_server):
    await api_server.agent(f"bot@{NAME}")
    key = await key_with(api_server, ["read", "admin"], f"bot@{NAME}")

    for method, path in (("GET", DOMAINS), ("GET", ONE), ("POST", f"{ONE}/verify"), ("DELETE", ONE)):
        assert (403, "insufficient_scope") == (await api_server.ask(method, path, key=key)).problem


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_asks_without_a_key(sqlite_api, method):
    assert (401, "unauthorized") == (await sqlite_api.ask(method, DOMAINS, key=None)).problem


@pytest.mark.parametrize(("method", "path", "allowed"), [("PUT", DOMAINS, "GET, POST"), ("PATCH", ONE, "GET, DELETE"), ("GET", f"{ONE}/verify", "POST")])  # fmt: skip
async def test_another_method_is_told_which_there_are(sqlite_api, method, path, allowed):
    answer = await sqlite_api.ask(method, path)

    assert ((405, "method_not_allowed"), allowed) == (answer.problem, answer.headers["Allow"])
