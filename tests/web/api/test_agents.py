"""Agents by the API: made, listed, changed, deleted; found in any spelling, and by nobody else."""

import asyncio
from dataclasses import replace
from urllib.parse import quote

import pytest

from relay.directory.agents import RESERVED
from relay.directory.domains import claim
from relay.signing.secrets import parse_whsec
from relay.web.schemas.agents import AgentDocument, SigningSecret
from store.directory.agents import switch_webhook_off
from store.directory.domains import ensure_shared_domain
from store.directory.users import bootstrap_user
from tests.web.client import BOT, OWNER

AGENTS = "/v1/agents"
EVE = "eve@stranger.example"
HOOK = "https://hooks.example/in"
FIELDS = set(AgentDocument.model_fields)


def at(address=BOT, rest=""):
    return f"{AGENTS}/{quote(address, safe='')}{rest}"


async def key_with(api_server, scopes, agent=None):
    return (await api_server.post("/v1/keys", {"scopes": scopes, "agent": agent})).json["api_key"]


@pytest.fixture
async def owned(api_server):
    """A door whose owner has proved agents.example, and claimed claimed.example; with a shared domain."""
    await settle(api_server)
    return api_server


@pytest.fixture
async def sqlite_owned(sqlite_api):
    await settle(sqlite_api)
    return sqlite_api


async def settle(api_server):
    def unit(tx):
        user = bootstrap_user(tx, OWNER, now=api_server.clock.now())
        api_server.places.domain(tx, user)
        claim(tx, user.id, "claimed.example", now=api_server.clock.now())
        ensure_shared_domain(tx, "shared.example", now=api_server.clock.now())

    await api_server.store.write(unit)


async def made(api_server, address=BOT, **more):
    answer = await api_server.post(AGENTS, {"address": address, **more})
    assert 201 == answer.status, answer.body
    return answer.json


# Made


async def test_an_agent_is_made_with_everything(owned):
    answer = await owned.post(
        AGENTS,
        {
            "address": "Bot@Agents.Example",
            "name": "Bot",
            "mode": "webhook",
            "webhook_url": HOOK,
            "events": ["email.received", "email.sent", "email.received"],
            "on_unverified": "reject",
            "answer_lists": True,
        },
    )

    assert (201, FIELDS) == (answer.status, answer.json.keys())
    assert {
        "address": BOT,
        "email_address": BOT,
        "domain": "agents.example",
        "actual_domain": "agents.example",
        "is_shared": False,
        "domain_verified": True,
        "is_postmaster": False,
        "name": "Bot",
        "mode": "webhook",
        "webhook_url": HOOK,
        "webhook_off_at": None,
        "events": ["email.received", "email.sent"],
        "on_unverified": "reject",
        "answer_lists": True,
        "hitl": {"enabled": False, "ttl_seconds": 86400, "expiration_action": "reject"},
        "created_at": "2026-11-23T15:17:00Z",
        "updated_at": None,
    } == answer.json
    assert answer.json == (await owned.get(at())).json


@pytest.mark.parametrize(
    ("given", "mode"),
    [({}, "poll"), ({"webhook_url": HOOK}, "webhook"), ({"webhook_url": HOOK, "mode": "poll"}, "poll")],
)
async def test_an_agent_without_a_word_on_it_polls_unless_it_has_a_url(owned, given, mode):
    document = await made(owned, **given)

    assert (mode, given.get("webhook_url"), ["email.received"], "deliver") == tuple(
        document[name] for name in ("mode", "webhook_url", "events", "on_unverified")
    )


async def test_an_agent_on_a_domain_that_is_not_proved_says_so(owned):
    assert not (await made(owned, "bot@claimed.example"))["domain_verified"]


async def test_a_catch_all_is_made_on_an_own_domain(owned):
    assert "*@agents.example" == (await made(owned, "*@agents.example"))["address"]


async def test_an_agent_is_made_from_a_slug(owned):
    answer = await owned.post(AGENTS, {"slug": "support-bot.2_x"})

    assert (201, "support-bot.2_x@shared.example", True, True) == (
        answer.status,
        *(answer.json[name] for name in ("address", "is_shared", "domain_verified")),
    )


async def test_a_full_address_on_the_shared_domain_is_its_slug(owned):
    assert (await made(owned, "Bot@Shared.Example"))["is_shared"]
    assert (409, "address_taken") == (await owned.post(AGENTS, {"slug": "bot"})).problem


@pytest.mark.parametrize("local", ["*", "a+b", "postmaster", "Abuse", "a/b", "zo\u00eb", "a&b"])
async def test_what_is_no_slug_is_no_address_on_the_shared_domain(owned, local):
    assert (422, "invalid_value") == (await owned.post(AGENTS, {"address": f"{local}@shared.example"})).problem


@pytest.mark.parametrize(
    "slug",
    ["", "A", "a b", "a+b", "*", "a@b", ".a", "a.", "a..b", "a/b", "\u00e9", "a\n", "a\x00", "x" * 65, 1, None, ["a"]],
)
async def test_what_is_no_slug_is_refused(sqlite_owned, slug):
    assert 422 == (await sqlite_owned.post(AGENTS, {"slug": slug})).problem[0]
    assert ["postmaster@agents.example"] == [
        agent["address"] for agent in (await sqlite_owned.get(AGENTS)).json["items"]
    ]


@pytest.mark.parametrize("slug", sorted(RESERVED))
async def test_nobody_gets_a_name_that_means_the_operator(sqlite_owned, slug):
    answer = await sqlite_owned.post(AGENTS, {"slug": slug})

    assert ((422, "invalid_value"), f"slug: {slug} is reserved") == (answer.problem, answer.json["detail"])


@pytest.mark.parametrize("slug", ["a", "x" * 64, "0", "-", "_", "a.b-c_d"])
async def test_a_slug_has_up_to_64_letters(sqlite_owned, slug):
    assert f"{slug}@shared.example" == (await sqlite_owned.post(AGENTS, {"slug": slug})).json["address"]


async def test_without_a_shared_domain_there_are_no_slugs(sqlite_owned):
    authenticator = sqlite_owned.app.authenticator
    authenticator.ctx = replace(authenticator.ctx, shared_domain=None)

    assert (422, "no_shared_domain") == (await sqlite_owned.post(AGENTS, {"slug": "bot"})).problem
    assert not (await made(sqlite_owned, "bot@shared.example"))["is_shared"]


@pytest.mark.parametrize("address", ["bot@other.example", "bot@sub.agents.example", "*@other.example"])
async def test_nobody_makes_an_agent_where_they_have_claimed_nothing(owned, address):
    assert (404, "domain_not_found") == (await owned.post(AGENTS, {"address": address})).problem


async def test_nobody_makes_an_agent_on_the_domain_of_another(owned):
    eve = await owned.new_key(EVE)

    assert (404, "domain_not_found") == (await owned.post(AGENTS, {"address": BOT}, key=eve)).problem


async def test_an_address_is_given_once(owned):
    await made(owned)

    assert (409, "address_taken") == (await owned.post(AGENTS, {"address": "BOT@agents.example"})).problem


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"address": "nonsense"}, "invalid_value"),
        ({"address": "a b@agents.example"}, "invalid_value"),
        ({"address": "a\x00@agents.example"}, "invalid_value"),
        ({"address": "@agents.example"}, "invalid_value"),
        ({"address": f"{'x' * 65}@agents.example"}, "invalid_value"),
        ({"address": ""}, "invalid_request"),
        ({"address": "x" * 321}, "invalid_request"),
        ({"address": None}, "invalid_request"),
        ({"address": [BOT]}, "invalid_request"),
        ({}, "invalid_request"),
        ({"address": BOT, "slug": "bot"}, "invalid_request"),
        ({"address": BOT, "more": 1}, "invalid_request"),
        ({"address": BOT, "hitl_enabled": True}, "invalid_request"),
        ({"address": BOT, "is_postmaster": True}, "invalid_request"),
        ({"address": BOT, "name": "x" * 201}, "invalid_request"),
        ({"address": BOT, "name": "a\nb"}, "invalid_value"),
        ({"address": BOT, "name": "a\x00b"}, "invalid_value"),
        ({"address": BOT, "name": 1}, "invalid_request"),
        ({"address": BOT, "mode": "push"}, "invalid_request"),
        ({"address": BOT, "mode": "webhook"}, "invalid_value"),
        ({"address": BOT, "mode": None}, "invalid_request"),
        ({"address": BOT, "webhook_url": "http://hooks.example/"}, "invalid_value"),
        ({"address": BOT, "webhook_url": "https://127.0.0.1/"}, "invalid_value"),
        ({"address": BOT, "webhook_url": "https://user:pw@hooks.example/"}, "invalid_value"),
        ({"address": BOT, "webhook_url": "nonsense"}, "invalid_value"),
        ({"address": BOT, "webhook_url": ""}, "invalid_request"),
        ({"address": BOT, "webhook_url": "https://a.example/" + "x" * 2000}, "invalid_request"),
        ({"address": BOT, "events": ["email.lost"]}, "invalid_request"),
        ({"address": BOT, "events": "email.received"}, "invalid_request"),
        ({"address": BOT, "events": ["email.received"] * 11}, "invalid_request"),
        ({"address": BOT, "on_unverified": "drop"}, "invalid_request"),
        ([], "invalid_request"),
        ("bot", "invalid_request"),
    ],
)
async def test_an_agent_that_does_not_fit_is_refused(sqlite_owned, values, code):
    answer = await sqlite_owned.post(AGENTS, values)

    assert (422, code) == answer.problem, answer.body
    assert (404, "agent_not_found") == (await sqlite_owned.get(at())).problem


async def test_a_request_that_comes_twice_makes_one_agent(owned):
    first, second = [
        await owned.post(AGENTS, {"address": BOT}, headers={"Idempotency-Key": "make-1"}) for _ in range(2)
    ]

    assert (201, 201, first.json) == (first.status, second.status, second.json)


async def test_of_many_who_want_an_address_at_once_one_gets_it(owned):
    answers = await asyncio.gather(*[owned.post(AGENTS, {"slug": "bot"}) for _ in range(8)])

    assert [201] + [409] * 7 == sorted(answer.status for answer in answers)


# Listed


async def test_agents_are_listed_by_address_a_page_at_a_time(owned):
    for address in ("c@agents.example", "a@agents.example", "b@agents.example"):
        await made(owned, address)
    await owned.agent("z@else.example", owner=EVE)

    first = (await owned.get(f"{AGENTS}?limit=3")).json
    second = (await owned.get(f"{AGENTS}?limit=3&cursor={quote(first['next_cursor'])}")).json

    assert ["a@agents.example", "b@agents.example", "c@agents.example", "postmaster@agents.example"] == [
        agent["address"] for page in (first, second) for agent in page["items"]
    ]
    assert ("c@agents.example", None) == (first["next_cursor"], second["next_cursor"])
    assert FIELDS == first["items"][0].keys()


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=", "cursor=nonsense", "cursor=a%00b", "cursor=%FF"])  # fmt: skip
async def test_a_list_that_does_not_fit_is_refused(api_server, query):
    assert 422 == (await api_server.get(f"{AGENTS}?{query}")).problem[0]


async def test_a_key_for_one_agent_sees_that_one(owned):
    await made(owned)
    await made(owned, "other@agents.example")
    key = await key_with(owned, ["read"], BOT)

    page = (await owned.get(AGENTS, key=key)).json
    assert ([BOT], None) == ([agent["address"] for agent in page["items"]], page["next_cursor"])
    assert 200 == (await owned.get(at(), key=key)).status
    assert (404, "agent_not_found") == (await owned.get(at("other@agents.example"), key=key)).problem


# Changed


async def test_what_is_named_is_changed_and_the_rest_stays(owned):
    before = await made(owned, webhook_url=HOOK, name="Bot", on_unverified="reject")
    owned.clock.advance(minutes=1)

    answer = await owned.patch(at(), {"name": "New"})

    assert (200, before | {"name": "New", "updated_at": "2026-11-23T15:18:00Z"}) == (answer.status, answer.json)
    assert answer.json == (await owned.get(at())).json


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"mode": "poll"},
        {"webhook_url": "https://hooks.example/new"},
        {"events": ["email.sent", "email.failed"]},
        {"events": []},
        {"on_unverified": "reject"},
        {"answer_lists": True},
        {"mode": "poll", "webhook_url": "https://hooks.example/kept"},
        {"name": "x", "mode": "webhook", "webhook_url": "https://x.example/", "events": [], "on_unverified": "reject"},
    ],
)
async def test_each_thing_can_be_changed(owned, change):
    before = await made(owned, webhook_url=HOOK, name="Bot")

    answer = await owned.patch(at(), change)

    assert (200, before | change) == (answer.status, answer.json | {"updated_at": None})


async def test_a_change_of_nothing_changes_nothing(owned):
    before = await made(owned)

    assert (200, before) == ((answer := await owned.patch(at(), {})).status, answer.json)


async def test_a_url_alone_means_webhook_mode(owned):
    await made(owned)

    changed = (await owned.patch(at(), {"webhook_url": HOOK})).json

    assert ("webhook", HOOK) == (changed["mode"], changed["webhook_url"])


async def test_an_agent_goes_back_to_the_url_it_had(owned):
    await made(owned, webhook_url=HOOK)
    await owned.patch(at(), {"mode": "poll"})

    changed = (await owned.patch(at(), {"mode": "webhook"})).json
    assert ("webhook", HOOK) == (changed["mode"], changed["webhook_url"])


async def test_webhook_mode_needs_a_url(owned):
    await made(owned)

    assert (422, "invalid_value") == (await owned.patch(at(), {"mode": "webhook", "name": "New"})).problem
    found = (await owned.get(at())).json
    assert ("poll", "") == (found["mode"], found["name"])


async def test_a_webhook_that_was_switched_off_is_on_again_once_its_url_is_set(owned):
    await made(owned, webhook_url=HOOK)
    await owned.store.write(lambda tx: switch_webhook_off(tx, BOT, now=owned.clock.now()))
    assert "2026-11-23T15:17:00Z" == (await owned.patch(at(), {"name": "New"})).json["webhook_off_at"]

    assert (await owned.patch(at(), {"webhook_url": HOOK})).json["webhook_off_at"] is None


async def test_mail_that_a_webhook_has_not_had_waits_for_whoever_polls(owned):
    await made(owned, webhook_url=HOOK)
    message = await owned.message()

    await owned.patch(at(), {"mode": "poll"})

    (item,) = (await owned.post(at(rest="/queue/lease"), {})).json["items"]
    assert message.id == item["message"]["message_id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"address": "new@agents.example"}, "invalid_request"),
        ({"slug": "new"}, "invalid_request"),
        ({"hitl": {"enabled": True}}, "invalid_request"),
        ({"webhook_off_at": None}, "invalid_request"),
        ({"domain_verified": True}, "invalid_request"),
        ({"user_id": "usr_1"}, "invalid_request"),
        ({"name": None}, "invalid_request"),
        ({"name": "x" * 201}, "invalid_request"),
        ({"name": "a\x1bb"}, "invalid_value"),
        ({"mode": None}, "invalid_request"),
        ({"mode": "push"}, "invalid_request"),
        ({"webhook_url": None}, "invalid_request"),
        ({"webhook_url": ""}, "invalid_request"),
        ({"webhook_url": "ftp://hooks.example/"}, "invalid_value"),
        ({"webhook_url": "https://10.0.0.1/"}, "invalid_value"),
        ({"events": None}, "invalid_request"),
        ({"events": ["email.lost"]}, "invalid_request"),
        ({"events": {"email.received": 1}}, "invalid_request"),
        ({"on_unverified": None}, "invalid_request"),
        ({"on_unverified": True}, "invalid_request"),
        ({"answer_lists": None}, "invalid_request"),
        ({"answer_lists": "yes"}, "invalid_request"),
        ([], "invalid_request"),
    ],
)
async def test_a_change_that_does_not_fit_changes_nothing(sqlite_owned, change, code):
    before = await made(sqlite_owned, webhook_url=HOOK)

    assert (422, code) == (await sqlite_owned.patch(at(), change)).problem
    assert before == (await sqlite_owned.get(at())).json


# Whether a person is asked

HITL = {"enabled": True, "ttl_seconds": 60, "expiration_action": "approve"}


async def test_a_person_is_asked_from_now_on(owned):
    before = await made(owned)
    owned.clock.advance(minutes=1)

    answer = await owned.ask("PUT", at(rest="/hitl"), json=HITL)

    assert (200, before | {"hitl": HITL, "updated_at": "2026-11-23T15:18:00Z"}) == (answer.status, answer.json)


async def test_what_is_not_said_of_asking_is_as_for_a_new_agent(owned):
    await made(owned)
    await owned.ask("PUT", at(rest="/hitl"), json=HITL)

    answer = await owned.ask("PUT", at(rest="/hitl"), json={"enabled": False})

    assert {"enabled": False, "ttl_seconds": 86400, "expiration_action": "reject"} == answer.json["hitl"]


@pytest.mark.parametrize("seconds", [1, 604_800])
async def test_a_mail_waits_a_second_or_a_week(sqlite_owned, seconds):
    await made(sqlite_owned)

    answer = await sqlite_owned.ask("PUT", at(rest="/hitl"), json=HITL | {"ttl_seconds": seconds})

    assert seconds == answer.json["hitl"]["ttl_seconds"]


@pytest.mark.parametrize(
    "wanted",
    [
        *({}, [], None, {"ttl_seconds": 60}, HITL | {"more": 1}),
        *[HITL | {"ttl_seconds": value} for value in (0, -1, 604_801, 1.5, 60.0, "60", True, None, 10**30)],
        *[HITL | {"enabled": value} for value in (1, "true", None)],
        *[HITL | {"expiration_action": value} for value in ("ask", "", None, True)],
    ],
)
async def test_a_wish_for_asking_that_does_not_fit_changes_nothing(sqlite_owned, wanted):
    before = await made(sqlite_owned)

    assert (422, "invalid_request") == (await sqlite_owned.ask("PUT", at(rest="/hitl"), json=wanted)).problem
    assert before == (await sqlite_owned.get(at())).json


# Deleted


async def test_an_agent_is_deleted_with_its_mail(owned):
    await made(owned)
    await owned.message()

    answer = await owned.ask("DELETE", at())

    assert (204, b"") == (answer.status, answer.body)
    assert (404, "agent_not_found") == (await owned.get(at())).problem
    assert (404, "agent_not_found") == (await owned.ask("DELETE", at())).problem
    await made(owned)
    assert [] == (await owned.get(at(rest="/messages?status=all"))).json["items"]


# Found in any spelling


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (BOT, "bot@agents.example"),
        (BOT, "BOT%40AGENTS.EXAMPLE"),
        (BOT, "%62%6f%74%40agents%2Eexample."),
        ("bot@b\u00fccher.example", "bot@b%C3%BCcher.example"),
        ("bot@b\u00fccher.example", "BOT%40B%C3%9CCHER.example"),
        ("bot@b\u00fccher.example", "bot@xn--bcher-kva.example"),
        ("zo\u00eb@agents.example", "zoe%CC%88@agents.example"),
        ("*@agents.example", "*@agents.example"),
        ("*@agents.example", "%2A%40agents.example"),
        ("a%b@agents.example", "a%25b@agents.example"),
        ("a%2fb@agents.example", "a%252fb@agents.example"),
        ("a/b@agents.example", "a%2Fb%40agents.example"),
        ("a/b@agents.example", "a/b@agents.example"),
        ("/@agents.example", "%2F@agents.example"),
        ("a/messages@agents.example", "a%2Fmessages%40agents.example"),
        ("secret/rotate@agents.example", "secret%2Frotate%40agents.example"),
        ("a?b#c@agents.example", "a%3Fb%23c@agents.example"),
        ("bot+eu@agents.example", "bot+eu@agents.example"),
        ("bot+eu@agents.example", "bot%2Beu%40agents.example"),
    ],
)
async def test_an_agent_is_found_in_every_spelling_of_its_address(sqlite_owned, address, path):
    await sqlite_owned.agent(address)
    await sqlite_owned.message(agent=(await sqlite_owned.get(f"{AGENTS}/{path}")).json["address"])

    answers = [await sqlite_owned.get(f"{AGENTS}/{path}{rest}") for rest in ("", "/secret", "/messages", "/activity")]

    assert [200] * 4 == [answer.status for answer in answers]
    assert 1 == len(answers[2].json["items"])


async def test_a_tag_is_part_of_the_address_and_is_not_taken_off(owned):
    await made(owned)

    for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/messages")):
        answer = await owned.ask(method, at("bot+eu@agents.example", rest), json={} if method == "PATCH" else None)
        assert (404, "agent_not_found") == answer.problem


@pytest.mark.parametrize(
    "path",
    [
        *("nonsense", "a%20b@agents.example", "%FF@agents.example", "a%00b@agents.example", "@", "%40", "a@b@c"),
        *(
            "bot@agents.example%0A",
            "bot@agents.example%2Fmessages",
            "postmaster",
            "x" * 4000,
            "%E2%98%83@\u2603.example",
        ),
    ],
)
async def test_what_is_no_address_of_an_agent_is_a_problem(owned, path):
    for method in ("GET", "PATCH", "DELETE"):
        more = {"json": {}} if method == "PATCH" else {}
        assert (await owned.ask(method, f"{AGENTS}/{quote(path, safe='%@/')}", **more)).problem[0] in {404, 405, 422}


# Nobody else's

CALLS = (
    ("GET", "", None),
    ("PATCH", "", {"name": "mine"}),
    ("DELETE", "", None),
    ("PUT", "/hitl", HITL),
    ("GET", "/secret", None),
    ("POST", "/secret/rotate", None),
)


@pytest.mark.parametrize(("method", "rest", "body"), CALLS)
async def test_the_agent_of_another_cannot_be_told_from_none(owned, method, rest, body):
    eve = await owned.new_key(EVE)
    unknown = await owned.ask(method, at(rest=rest), key=eve, json=body)
    before = await made(owned)
    secrets = (await owned.get(at(rest="/secret"))).json

    anothers = await owned.ask(method, at(rest=rest), key=eve, json=body)

    assert (404, "agent_not_found") == anothers.problem
    assert (unknown.status, unknown.body) == (anothers.status, anothers.body)
    assert (before, secrets) == ((await owned.get(at())).json, (await owned.get(at(rest="/secret"))).json)
    assert [] == (await owned.get(AGENTS, key=eve)).json["items"]


@pytest.mark.parametrize(("method", "rest", "body"), CALLS)
async def test_looking_needs_read_or_admin_and_all_else_admin(owned, method, rest, body):
    await made(owned)
    answers = {
        scope: await owned.ask(method, at(rest=rest), key=await key_with(owned, [scope]), json=body)
        for scope in ("send", "read", "admin")
    }

    may_read = (method, rest) == ("GET", "")
    assert (403, may_read, True) == (
        answers["send"].status,
        answers["read"].status == 200,
        answers["admin"].status in {200, 204},
    )
    if not may_read:
        assert (403, "insufficient_scope") == answers["read"].problem


async def test_making_needs_admin_and_a_key_for_all_agents(owned):
    await made(owned)
    for key in (await key_with(owned, ["read", "send"]), await key_with(owned, ["admin"], BOT)):
        assert (403, "insufficient_scope") == (
            await owned.post(AGENTS, {"address": "new@agents.example"}, key=key)
        ).problem


async def test_a_key_for_one_agent_administers_that_one(owned):
    await made(owned)
    await made(owned, "other@agents.example")
    key = await key_with(owned, ["admin"], BOT)

    assert "Mine" == (await owned.patch(at(), {"name": "Mine"}, key=key)).json["name"]
    assert (404, "agent_not_found") == (
        await owned.patch(at("other@agents.example"), {"name": "Mine"}, key=key)
    ).problem
    assert 204 == (await owned.ask("DELETE", at(), key=key)).status
    assert (401, "unauthorized") == (await owned.get(AGENTS, key=key)).problem


@pytest.mark.parametrize(
    ("method", "path"), [("GET", AGENTS), ("POST", AGENTS), *[(m, at(rest=r)) for m, r, _ in CALLS]]
)
async def test_nobody_asks_without_a_key(sqlite_api, method, path):
    assert (401, "unauthorized") == (await sqlite_api.ask(method, path, key=None)).problem


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", AGENTS, "GET, POST"),
        ("POST", at(), "GET, PATCH, DELETE"),
        ("GET", at(rest="/hitl"), "PUT"),
        ("POST", at(rest="/secret"), "GET"),
        ("GET", at(rest="/secret/rotate"), "POST"),
    ],
)
async def test_another_method_is_told_which_there_are(sqlite_api, method, path, allowed):
    answer = await sqlite_api.ask(method, path)

    assert ((405, "method_not_allowed"), allowed) == (answer.problem, answer.headers["Allow"])


# Signing secrets


async def test_an_agents_secrets_are_shown_only_when_asked_for(owned):
    await made(owned, webhook_url=HOOK)
    for path in (AGENTS, at()):
        assert b"whsec_" not in (await owned.get(path)).body

    answer = await owned.get(at(rest="/secret"))

    (secret,) = answer.json["secrets"]
    assert set(SigningSecret.model_fields) == secret.keys()
    assert ("2026-11-23T15:17:00Z", None, "no-store") == (
        secret["created_at"],
        secret["expires_at"],
        answer.headers["Cache-Control"],
    )
    assert 32 == len(parse_whsec(secret["secret"]).value)


async def test_a_rotated_secret_comes_first_and_the_one_before_has_a_day(owned):
    await made(owned)
    (old,) = (await owned.get(at(rest="/secret"))).json["secrets"]

    answer = await owned.post(at(rest="/secret/rotate"))

    new, before = answer.json["secrets"]
    assert (200, None, old | {"expires_at": "2026-11-24T15:17:00Z"}) == (answer.status, new["expires_at"], before)
    assert answer.json == (await owned.get(at(rest="/secret"))).json
    owned.clock.advance(days=1)
    assert [new] == (await owned.get(at(rest="/secret"))).json["secrets"]


async def test_a_rotation_that_is_asked_for_twice_with_one_key_is_one_rotation(owned):
    await made(owned)

    answers = [await owned.post(at(rest="/secret/rotate"), headers={"Idempotency-Key": "turn-1"}) for _ in range(2)]

    assert answers[0].json == answers[1].json == (await owned.get(at(rest="/secret"))).json


async def test_three_secrets_are_valid_at_most(owned):
    await made(owned)
    made_keys = [(await owned.post(at(rest="/secret/rotate"))).json["secrets"][0]["key_id"] for _ in range(4)]

    valid = [secret["key_id"] for secret in (await owned.get(at(rest="/secret"))).json["secrets"]]

    assert (made_keys[-1], set(made_keys[1:])) == (valid[0], set(valid))
