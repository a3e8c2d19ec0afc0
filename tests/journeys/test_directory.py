"""A newcomer's way by the API alone: a domain claimed and proved in real DNS, an agent, a secret that is rotated."""

import asyncio
from urllib.parse import quote

import aiohttp
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from yarl import URL

from relay.demo.zone_server import ZoneServer
from relay.directory.keys import create_key
from relay.signing.check import check_request
from relay.signing.secrets import parse_whsec
from store.directory.users import bootstrap_user
from tests.fakes import FakeClock
from tests.journeys.home import HOOK, Home
from tests.journeys.sender import answered, letter, sent
from tests.one_database import on_sqlite

DOMAIN = "agents.example"
ONE = f"/v1/agents/{quote(HOOK, safe='')}"


class Client:
    """``async with Client(relay's http, key) as api``: asks the API and knows nothing else."""

    def __init__(self, http, key):
        self._http, self._key = "http://{}:{}".format(*http), key

    async def __aenter__(self):
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._key}"})
        return self

    async def __aexit__(self, *_):
        await self._session.close()

    async def ask(self, method, path, json=None):
        """Status and document."""
        async with self._session.request(method, URL(self._http + path, encoded=True), json=json) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
async def zone():
    """The DNS of the world, which remembers nothing and tells of absence for an hour."""
    server = ZoneServer({}, negative_ttl=3600)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def home(tmp_path, database_url, zone):
    made = Home(tmp_path / "data", database_url, "{}:{}".format(*zone.address))
    yield made
    made.close()


@pytest.fixture
def key(home):
    """A key of a user who has nothing yet."""

    def unit(tx):
        user = bootstrap_user(tx, "ana@owner.example", now=home.clock.now())
        return create_key(tx, user.id, name="", now=home.clock.now())[1]

    return home.store.run(unit)


def publish(zone, document):
    for record in document["records"]:
        zone._zone[record["name"], record["type"]] = [record["value"]]


async def test_a_newcomer_claims_proves_and_receives(home, key, zone, sink):
    async with home.daemon() as relay, Client(relay.http, key) as api:
        status, claimed = await api.ask("POST", "/v1/domains", {"domain": DOMAIN})
        assert 201 == status
        assert 201 == (await api.ask("POST", "/v1/agents", {"address": HOOK, "webhook_url": sink.url()}))[0]
        assert (550, "5.1.1") == await answered(relay.smtp, letter(), HOOK)
        status, problem = await api.ask("POST", f"/v1/domains/{DOMAIN}/verify")
        assert (409, "domain_unproven") == (status, problem["code"])

        publish(zone, claimed)
        status, proved = await api.ask("POST", f"/v1/domains/{DOMAIN}/verify")

        assert (200, True, ["verified", "verified"]) == (
            status,
            proved["verified"],
            [record["status"] for record in proved["records"]],
        )
        assert (await api.ask("GET", ONE))[1]["domain_verified"]
        (message_id,) = await sent(relay.smtp, letter(), HOOK)
        assert HOOK == (await sink.got_about(message_id)).event["data"]["agent"]


@on_sqlite
async def test_a_domain_whose_proof_is_published_later_becomes_verified_by_itself(home, key, zone):
    home.clock = clock = FakeClock()
    async with home.daemon() as relay, Client(relay.http, key) as api:
        _, claimed = await api.ask("POST", "/v1/domains", {"domain": DOMAIN})
        publish(zone, claimed)
        clock.advance(minutes=5)

        async with asyncio.timeout(20):
            while not (found := (await api.ask("GET", f"/v1/domains/{DOMAIN}"))[1])["verified"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # a client has no event for it

    assert "2026-11-24T15:22:00Z" == found["next_check_at"]


def holds(posted, secret):
    try:
        Webhook(secret).verify(posted.body, dict(posted.headers))
    except WebhookVerificationError:
        return False
    return True


async def test_after_a_rotation_both_secrets_sign_what_is_posted(home, sink):
    home.agent(HOOK, webhook=sink.url())
    async with home.daemon() as relay, Client(relay.http, home.key) as api:
        _, before = await api.ask("GET", f"{ONE}/secret")
        status, after = await api.ask("POST", f"{ONE}/secret/rotate")
        (message_id,) = await sent(relay.smtp, letter(), HOOK)
        posted = await sink.got_about(message_id)

    old, new = before["secrets"][0]["secret"], after["secrets"][0]["secret"]
    assert (200, [new, old]) == (status, [secret["secret"] for secret in after["secrets"]])
    assert (True, True, False) == (holds(posted, old), holds(posted, new), holds(posted, "whsec_" + "A" * 43 + "="))
    assert after["secrets"][0]["key_id"] == posted.headers["Mailseal-Key-Id"]


async def test_what_was_sealed_before_a_rotation_still_holds_for_who_has_both(home, sink):
    home.agent(HOOK, webhook=sink.url())
    sink.hang("/hook")
    async with home.daemon() as relay, Client(relay.http, home.key) as api:
        (message_id,) = await sent(relay.smtp, letter(), HOOK)
        await api.ask("POST", f"{ONE}/secret/rotate")
        sink.let_go("/hook")
        posted = await sink.got_about(message_id)
        _, after = await api.ask("GET", f"{ONE}/secret")

    document = {"headers": dict(posted.headers), "body": posted.body.decode()}
    secrets = [parse_whsec(secret["secret"]) for secret in after["secrets"]]
    assert check_request(document, secrets, now=home.clock.now()).holds


@on_sqlite
async def test_a_day_after_a_rotation_only_the_new_secret_signs(home, sink):
    home.clock = clock = FakeClock()
    home.agent(HOOK, webhook=sink.url())
    async with home.daemon() as relay, Client(relay.http, home.key) as api:
        for hours, valid in ((0, 2), (23.99, 2), (0.01, 1)):
            clock.advance(hours=hours)
            if not hours:
                await api.ask("POST", f"{ONE}/secret/rotate")
            (message_id,) = await sent(relay.smtp, letter(), HOOK)
            posted = await sink.got_about(message_id)
            assert valid == len(posted.headers["webhook-signature"].split(" "))
            assert valid == len((await api.ask("GET", f"{ONE}/secret"))[1]["secrets"])


async def test_rotating_without_end_keeps_three_secrets(home, sink):
    home.agent(HOOK, webhook=sink.url())
    async with home.daemon() as relay, Client(relay.http, home.key) as api:
        made = [(await api.ask("GET", f"{ONE}/secret"))[1]["secrets"][0]["secret"]]
        for _ in range(4):
            _, answer = await api.ask("POST", f"{ONE}/secret/rotate")
            made.append(answer["secrets"][0]["secret"])
        (message_id,) = await sent(relay.smtp, letter(), HOOK)
        posted = await sink.got_about(message_id)

    assert [False, False, True, True, True] == [holds(posted, secret) for secret in made]
    assert 3 == len(posted.headers["webhook-signature"].split(" "))
