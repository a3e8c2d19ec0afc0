"""A client that knows the contract, and nothing of how it is kept, walks every route there is."""

import asyncio
import base64
import hashlib
import io
import json
import zipfile
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from store.directory.domains import ensure_shared_domain
from tests.web.client import OWNER, WITH_FILES, ApiServer
from tests.web.world import AUTHENTICATION, dead_delivery, suppressed

DOMAIN = "agents.example"
BOT = f"bot@{DOMAIN}"
HOOK = f"hook@{DOMAIN}"
AGENT = f"/v1/agents/{quote(BOT, safe='')}"
RECORD = {"type", "name", "value", "purpose", "status"}
LIST = {"items", "next_cursor"}
SECRET = {"key_id", "secret", "created_at", "expires_at"}
LEASED = {"receipt", "attempt", "lease_expires_at", "message"}
MESSAGE = {
    *("message_id", "agent", "recipient", "tag", "conversation_id", "from", "reply_to", "to", "cc", "envelope"),
    *("subject", "date", "email_message_id", "in_reply_to", "references", "text", "html", "reply_text", "truncated"),
    *("attachments", "headers", "automated", "authentication", "auth_headers", "raw_size", "raw_sha256", "raw_url"),
    *("raw", "received_at", "automated_reason", "reply_to_foreign", "preview", "links", "codes", "hidden_text"),
    *("calendar", "report", "list", "parse"),
}
ENVELOPE = {"mail_from", "rcpt_to", "remote_ip", "helo", "tls"}
ATTACHMENT = {"index", "filename", "content_type", "size", "sha256", "content_id", "inline", "message", "url"}
VERDICT = {"verified", "verified_domain", "header_from", "spf", "dkim", "dmarc", "arc"}


class Client:
    """Plain HTTP, and a key."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str) -> None:
        self.session = session
        self.base = base
        self.key = key

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any) -> Any:
        """What comes back: JSON where it is, bytes where not."""
        headers = {"Authorization": f"Bearer {self.key}", **more}
        url = URL(self.base + path, encoded=True)
        data = None if body is None else json.dumps(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        async with self.session.request(method, url, data=data, headers=headers) as answer:
            content = await answer.read()
            assert status == answer.status, (method, path, content)
            kind = answer.headers.get("Content-Type", "")
            assert (status >= 400 and status != 409) <= (kind == "application/problem+json")
            return json.loads(content) if "json" in kind else content


@pytest.fixture
async def client(sqlite_api):
    host, port = sqlite_api.server.addresses[0]
    async with aiohttp.ClientSession() as session:
        yield Client(session, f"http://{host}:{port}", sqlite_api.key)


@pytest.fixture
async def housed(sqlite_api, client):
    """A client with a verified domain, an agent that polls, and one with a webhook."""
    claimed = await client.ask("POST", "/v1/domains", {"domain": DOMAIN}, status=201)
    publish(sqlite_api, claimed["records"])
    await client.ask("POST", f"/v1/domains/{DOMAIN}/verify")
    await client.ask("POST", "/v1/agents", {"address": BOT, "name": "Bot", "mode": "poll"}, status=201)
    await client.ask("POST", "/v1/agents", {"address": HOOK, "webhook_url": "https://hooks.example/in"}, status=201)
    return client


def publish(api_server: ApiServer, records: list[dict]) -> None:
    for each in records:
        api_server.dns.zone[each["name"], each["type"]] = (each["value"],)


async def arrives(api_server: ApiServer, agent: str = BOT, raw: bytes = WITH_FILES, **more: Any) -> str:
    return (await api_server.message(raw, agent=agent, authentication=AUTHENTICATION, **more)).id


async def test_a_caller_learns_who_they_are(client):
    me = await client.ask("GET", "/v1/me")

    assert {"user", "key", "limits"} <= me.keys()
    assert OWNER == me["user"]["email"]


async def test_a_key_is_shown_once_works_and_is_revoked(client):
    made = await client.ask("POST", "/v1/keys", {"name": "worker"}, status=201)
    other = Client(client.session, client.base, made["api_key"])
    assert made["id"] == (await other.ask("GET", "/v1/me"))["key"]["id"]

    listed = await client.ask("GET", "/v1/keys?limit=200")
    assert LIST == listed.keys()
    assert made["id"] in [each["id"] for each in listed["items"]]
    assert made["api_key"] not in json.dumps(listed)

    await client.ask("DELETE", f"/v1/keys/{made['id']}", status=204)
    assert "unauthorized" == (await other.ask("GET", "/v1/me", status=401))["code"]


async def test_the_same_request_twice_is_done_once(client):
    once = {"Idempotency-Key": "walk-1"}
    first = await client.ask("POST", "/v1/keys", {"name": "one"}, status=201, **once)
    again = await client.ask("POST", "/v1/keys", {"name": "one"}, status=201, **once)

    assert first == again


async def test_a_domain_is_claimed_proved_and_given_up(sqlite_api, client):
    claimed = await client.ask("POST", "/v1/domains", {"domain": DOMAIN}, status=201)
    (proof,) = [each for each in claimed["records"] if each["name"] == f"_mailseal.{DOMAIN}"]
    assert ("TXT", True, True) == (proof["type"], proof["value"].startswith("mailseal-verify="), RECORD <= proof.keys())
    assert 409 == (await client.ask("POST", f"/v1/domains/{DOMAIN}/verify", status=409))["status"]

    publish(sqlite_api, claimed["records"])
    assert (await client.ask("POST", f"/v1/domains/{DOMAIN}/verify"))["verified"]
    assert (await client.ask("GET", f"/v1/domains/{DOMAIN}"))["verified"]
    assert [DOMAIN] == [each["domain"] for each in (await client.ask("GET", "/v1/domains"))["items"]]

    await client.ask("DELETE", f"/v1/domains/{DOMAIN}", status=204)
    await client.ask("GET", f"/v1/domains/{DOMAIN}", status=404)


async def test_an_agent_is_made_changed_and_deleted(housed):
    wanted = {"address": f"new@{DOMAIN}", "name": "New", "mode": "poll", "events": ["email.received"]}
    made = await housed.ask("POST", "/v1/agents", wanted | {"on_unverified": "reject"}, status=201)
    assert (wanted | {"on_unverified": "reject"}).items() <= made.items()

    one = f"/v1/agents/new%40{DOMAIN}"
    assert "Newer" == (await housed.ask("PATCH", one, {"name": "Newer"}))["name"]
    hitl = {"enabled": True, "ttl_seconds": 604800, "expiration_action": "approve"}
    await housed.ask("PUT", f"{one}/hitl", hitl)
    assert "Newer" == (await housed.ask("GET", one))["name"]
    assert wanted["address"] in [each["address"] for each in (await housed.ask("GET", "/v1/agents"))["items"]]

    await housed.ask("DELETE", one, status=204)
    assert "agent_not_found" == (await housed.ask("GET", one, status=404))["code"]


async def test_an_agent_is_made_from_a_slug(sqlite_api, client):
    now = sqlite_api.clock.now()
    await sqlite_api.store.write(lambda tx: ensure_shared_domain(tx, "shared.example", now=now))

    made = await client.ask("POST", "/v1/agents", {"slug": "my-bot"}, status=201)

    assert ("my-bot@shared.example", "poll") == (made["address"], made["mode"])


async def test_a_signing_secret_is_read_and_rotated(housed):
    (first,) = (await housed.ask("GET", f"{AGENT}/secret"))["secrets"]
    rotated = (await housed.ask("POST", f"{AGENT}/secret/rotate"))["secrets"]

    assert [SECRET, SECRET] == [each.keys() for each in rotated]
    assert (None, True) == (rotated[0]["expires_at"], first["secret"] == rotated[1]["secret"])
    assert 32 == len(base64.b64decode(first["secret"].removeprefix("whsec_")))


async def test_messages_are_listed_read_and_fetched(sqlite_api, housed):
    ids = [await arrives(sqlite_api), await arrives(sqlite_api)]

    page = await housed.ask("GET", f"{AGENT}/messages?status=unread&limit=1")
    more = await housed.ask("GET", f"{AGENT}/messages?status=unread&limit=1&cursor={page['next_cursor']}")
    assert ids == [each["message_id"] for each in (*page["items"], *more["items"])]
    assert not {"text", "html", "raw"} & page["items"][0].keys()

    one = f"{AGENT}/messages/{ids[0]}"
    whole = await housed.ask("GET", f"{one}?peek=true")
    assert MESSAGE <= whole.keys()
    assert (ENVELOPE, VERDICT) == (whole["envelope"].keys(), whole["authentication"].keys())
    assert [ATTACHMENT] * 4 == [each.keys() for each in whole["attachments"]]
    assert ids == [each["message_id"] for each in (await housed.ask("GET", f"{AGENT}/messages"))["items"]]
    await housed.ask("GET", one)
    assert ids[1:] == [each["message_id"] for each in (await housed.ask("GET", f"{AGENT}/messages"))["items"]]
    await housed.ask("PATCH", one, {"status": "unread"})
    assert ids == [each["message_id"] for each in (await housed.ask("GET", f"{AGENT}/messages"))["items"]]


async def test_the_bytes_are_those_that_the_message_tells_of(sqlite_api, housed):
    one = f"{AGENT}/messages/{await arrives(sqlite_api)}"
    whole = await housed.ask("GET", one)

    raw = await housed.ask("GET", f"{one}/raw")
    file = await housed.ask("GET", f"{one}/attachments/1")

    assert (whole["raw_size"], whole["raw_sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert raw == base64.b64decode(whole["raw"])
    told = whole["attachments"][1]
    assert (told["size"], told["sha256"]) == (len(file), hashlib.sha256(file).hexdigest())
    assert f"https://relay.example{one}/raw" == whole["raw_url"]


async def test_a_long_poll_answers_with_the_first_new_message(sqlite_api, housed):
    waiting = asyncio.create_task(housed.ask("GET", f"{AGENT}/messages?wait=60"))
    await sqlite_api.has_waiter()

    arrived = await arrives(sqlite_api)

    assert [arrived] == [each["message_id"] for each in (await waiting)["items"]]


async def test_messages_are_leased_kept_given_back_and_acked(sqlite_api, housed):
    arrived = await arrives(sqlite_api)

    (first,) = (await housed.ask("POST", f"{AGENT}/queue/lease", {"max": 1, "lease_seconds": 60, "wait": 0}))["items"]
    assert (LEASED, arrived, 1) == (first.keys(), first["message"]["message_id"], first["attempt"])
    assert MESSAGE <= first["message"].keys()
    assert [] == (await housed.ask("POST", f"{AGENT}/queue/lease", {"max": 100}))["items"]
    await housed.ask("POST", f"{AGENT}/queue/extend", {"receipts": [first["receipt"]], "lease_seconds": 3600})
    await housed.ask("POST", f"{AGENT}/queue/nack", {"receipts": [first["receipt"]], "delay_seconds": 0})

    (second,) = (await housed.ask("POST", f"{AGENT}/queue/lease", {"max": 1}))["items"]
    assert 2 == second["attempt"]
    await housed.ask("POST", f"{AGENT}/queue/ack", {"receipts": [first["receipt"]]}, status=409)
    await housed.ask("POST", f"{AGENT}/queue/ack", {"receipts": [second["receipt"]]})
    assert [] == (await housed.ask("POST", f"{AGENT}/queue/lease", {"max": 1}))["items"]


async def test_what_went_on_is_told_newest_first_and_by_conversation(sqlite_api, housed):
    first = await arrives(sqlite_api, email_message_id="1@sender")
    second = await arrives(sqlite_api, parent_ids=("1@sender",))

    page = await housed.ask("GET", f"{AGENT}/activity")
    (conversation,) = (await housed.ask("GET", f"{AGENT}/conversations"))["items"]
    told = await housed.ask("GET", f"{AGENT}/conversations/{conversation['conversation_id']}")

    assert (LIST, LIST) == (page.keys(), told.keys())
    assert [second, first] == [each["message_id"] for each in page["items"]]
    assert [second, first] == [each["message_id"] for each in told["items"]]


async def test_deliveries_are_listed_told_with_attempts_and_replayed(sqlite_api, housed):
    dead = await dead_delivery(sqlite_api, HOOK)

    page = await housed.ask("GET", f"/v1/deliveries?agent={quote(HOOK, safe='')}&status=dead")
    assert [dead] == [each["delivery_id"] for each in page["items"]]
    (attempt,) = (await housed.ask("GET", f"/v1/deliveries/{dead}"))["tried"]
    assert {"at", "status", "duration_ms", "error"} == attempt.keys()
    assert "pending" == (await housed.ask("POST", f"/v1/deliveries/{dead}/replay", status=202))["status"]


async def test_addresses_that_bounced_are_listed_and_written_to_again(sqlite_api, housed):
    gone = await suppressed(sqlite_api, OWNER, "gone@reader.example")

    page = await housed.ask("GET", "/v1/suppressions?limit=200")
    assert LIST == page.keys()
    assert [gone] == [each["address"] for each in page["items"]]

    await housed.ask("DELETE", f"/v1/suppressions/{quote(gone, safe='')}", status=204)
    assert [] == (await housed.ask("GET", "/v1/suppressions"))["items"]


async def test_usage_is_told_by_day(sqlite_api, housed):
    await arrives(sqlite_api)

    told = await housed.ask("GET", "/v1/usage?from=2026-11-01&to=2026-11-30")

    assert [("2026-11-23", 1)] == [(each["day"], each["received"]["count"]) for each in told["items"]]


async def test_an_account_is_taken_along_and_taken_away(sqlite_api, housed):
    await arrives(sqlite_api)

    export = zipfile.ZipFile(io.BytesIO(await housed.ask("GET", "/v1/account/export")))
    counts = await housed.ask("DELETE", "/v1/account")

    assert b"whsec_" not in b"".join(export.read(each) for each in export.namelist())
    assert counts["deleted"]["messages"] == 1
    await housed.ask("GET", "/v1/me", status=401)


async def test_health_and_the_description_need_no_key(client):
    nobody = Client(client.session, client.base, "")

    assert [{"status": "ok"}, {"status": "ok"}] == [await nobody.ask("GET", path) for path in ("/healthz", "/readyz")]
    assert b"# HELP" in await nobody.ask("GET", "/metrics")
    assert (await nobody.ask("GET", "/openapi.json"))["openapi"].startswith("3.")


async def test_an_error_is_a_document_with_a_code(housed):
    told = await housed.ask("POST", f"{AGENT}/queue/lease", {"max": 101}, status=422)

    assert {"type", "title", "status", "code", "detail"} <= told.keys()
