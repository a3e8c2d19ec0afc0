"""One attempt: what arrives at the endpoint, and what is written down about it."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook, WebhookVerificationError

from relay.clock import SystemClock, rfc3339
from relay.delivery.attempt import attempt, read_endpoint, read_subjects
from relay.delivery.post import Poster
from relay.directory.agents import make_secret
from relay.errors import LeaseTooShort
from relay.events.inbound import RAW_INLINE_BYTES
from relay.inbound.receive import ReceiveContext, receive
from relay.mail.routes import Routes
from relay.signing.seal import NAMES, SIGNATURE, verify_seal
from relay.wiring import SenderAuthenticator
from store.directory.agents import add_secret, get_agent_by_email, lookup_recipient
from store.errors import AgentNotFound, Unavailable
from store.mail.messages import find_message
from store.schema.inbound import agents
from tests.auth.mails import signed, zone
from tests.delivery.way_out import BASE_URL, HOOK
from tests.fakes import FakeResolver
from tests.inbound.way_in import HOSTNAME, SHARED, envelope, spool_with
from tests.one_database import on_sqlite
from tests.sink import Reply

TABLE = (60.0, 600.0)
PDF = bytes(range(256))
LETTER = (
    b'From: "Ana Lopez" <ana@example.com>\r\n'
    b"To: hook@agents.example, Bo <bo@example.net>\r\n"
    b"Cc: =?utf-8?q?J=C3=BCrgen?= <juergen@example.net>\r\n"
    b"Reply-To: replies@example.com\r\n"
    b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"
    b"Date: Mon, 23 Nov 2026 16:17:00 +0100\r\n"
    b"Message-ID: <2@example.com>\r\n"
    b"In-Reply-To: <1@agents.example>\r\n"
    b"References: <0@agents.example> <1@agents.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=x\r\n"
    b"\r\n"
    b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nTsch\xfc\xdf\r\n\r\n"
    b"On Mon, Bo wrote:\r\n> Hello\r\n"
    b"--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Tsch\xc3\xbc\xc3\x9f</p>\r\n"
    b"--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\n' + base64.b64encode(PDF) + b"\r\n--x--\r\n"
)
FORBIDDEN = {
    "loopback": "https://127.0.0.1:{port}/hook",
    "plain http": "http://127.0.0.1:{port}/hook",
    "cloud metadata": "https://169.254.169.254/latest/meta-data",
    "IPv4 in IPv6": "https://[::ffff:10.0.0.1]/hook",
    "loopback in IPv6": "https://[::ffff:127.0.0.1]:{port}/hook",
    "NAT64": "https://[64:ff9b::7f00:1]:{port}/hook",
}


@pytest.fixture
async def hook(way_out):
    return await way_out.agent()


@pytest.fixture
def received(way_out, clock, master):
    """Mail by the way in, judged and sealed."""
    judge = SenderAuthenticator(FakeResolver(zone()))
    routes = Routes(hostname=HOSTNAME, postmaster=None, shared_domain=SHARED)

    async def receive_one(mail=LETTER, *, to="hook+eu@agents.example", **more):
        by = ReceiveContext(store=way_out.store, judge=judge, clock=way_out.clock, master=master, routes=routes)
        recipient = (await read_recipient(way_out, HOOK),)
        with spool_with(mail) as spool:
            (message_id,) = await receive(envelope(to, **more), spool, recipient, ctx=by)
        return await way_out.store.read(lambda tx: find_message(tx, message_id))

    return receive_one


async def read_recipient(way_out, address):
    return await way_out.store.read(lambda tx: lookup_recipient(tx, [address]))


async def rotate(way_out, clock):
    """Give the agent a new secret; the one before stays for a day."""
    clock.advance(seconds=1)
    fresh = make_secret(HOOK, master=way_out.master, now=clock.now())
    await way_out.store.write(lambda tx: add_secret(tx, fresh))


# What arrives


@on_sqlite
async def test_the_event_is_what_the_contract_shows(way_out, sink, clock, received, hook):
    letter = signed(LETTER)  # once: it says when
    mail = await received(letter)
    clock.advance(seconds=5)
    delivery = await way_out.attempt()

    (posted,) = sink.posted
    event = posted.event
    raw = base64.b64decode(event["data"].pop("raw"))
    headers = event["data"].pop("headers")
    (attachment,) = event["data"].pop("attachments")
    url = f"{BASE_URL}/v1/agents/hook%40agents.example/messages/{mail.id}"
    assert {
        "type": "email.received",
        "id": delivery.event_id,
        "timestamp": "2026-11-23T15:17:00Z",
        "data": {
            "message_id": mail.id,
            "agent": HOOK,
            "recipient": "hook+eu@agents.example",
            "tag": "eu",
            "conversation_id": mail.conversation_id,
            "from": {"name": "Ana Lopez", "address": "ana@example.com"},
            "reply_to": [{"name": "", "address": "replies@example.com"}],
            "to": [{"name": "", "address": "hook@agents.example"}, {"name": "Bo", "address": "bo@example.net"}],
            "cc": [{"name": "Jürgen", "address": "juergen@example.net"}],
            "envelope": {
                "mail_from": "ana@example.com",
                "rcpt_to": "hook+eu@agents.example",
                "remote_ip": "192.0.2.1",
                "helo": "mx.example.com",
                "tls": "TLSv1.3",
            },
            "subject": "Grüße",
            "date": "2026-11-23T15:17:00Z",
            "email_message_id": "<2@example.com>",
            "in_reply_to": "<1@agents.example>",
            "references": ["<0@agents.example>", "<1@agents.example>"],
            "text": event["data"]["text"],
            "html": event["data"]["html"],
            "reply_text": event["data"]["reply_text"],
            "truncated": False,
            "automated": False,
            "automated_reason": None,
            "reply_to_foreign": False,
            "preview": event["data"]["preview"],
            "links": [],
            "codes": [],
            "hidden_text": [],
            "calendar": None,
            "report": None,
            "list": None,
            "parse": {"charset": "iso-8859-1", "defects": [], "attachments_truncated": False},
            "verified": True,
            "verified_domain": "example.com",
            "authentication": mail.authentication,
            "auth_headers": mail.auth_headers,
            "raw_size": len(raw),
            "raw_sha256": sha256(raw).hexdigest(),
            "raw_url": f"{url}/raw",
            "received_at": "2026-11-23T15:17:00Z",
        },
    } == event
    assert {
        "index": 0,
        "filename": "a.pdf",
        "content_type": "application/pdf",
        "size": len(PDF),
        "sha256": sha256(PDF).hexdigest(),
        "content_id": None,
        "inline": False,
        "message": None,
        "url": f"{url}/attachments/0",
    } == attachment
    assert "Tschüß\n\nOn Mon, Bo wrote:\n> Hello\nTschüß" == event["data"]["text"].replace("\r\n", "\n").strip()
    assert "Tschüß\n\nTschüß" == event["data"]["reply_text"].strip()
    assert "<p>Tschüß</p>" == event["data"]["html"].strip()
    assert raw.endswith(letter)
    assert ["Return-Path", "Received", "Authentication-Results", "DKIM-Signature", "From"] == [
        name for name, _ in headers[:5]
    ]
    assert all(isinstance(value, str) for _, value in headers)


@on_sqlite
async def test_the_verdict_is_what_the_contract_shows(way_out, sink, received, hook):
    await received(signed(LETTER))
    await way_out.attempt()

    verdict = sink.posted[0].event["data"]["authentication"]
    assert {"verified", "verified_domain", "header_from", "spf", "dkim", "dmarc", "arc"} == verdict.keys()
    assert (True, "example.com", "example.com") == (
        verdict["verified"],
        verdict["verified_domain"],
        verdict["header_from"],
    )
    assert {"result": "pass", "domain": "example.com", "aligned": True} == without_detail(verdict["spf"])
    assert [
        {
            "result": "pass",
            "domain": "example.com",
            "selector": "s1",
            "aligned": True,
            "algorithm": "rsa-sha256",
            "bits": 2048,
        }
    ] == [without_detail(each) for each in verdict["dkim"]]
    assert {"result": "pass", "policy": "reject", "domain": "example.com"} == without_detail(verdict["dmarc"])
    assert {"result": "none", "sealer": None} == without_detail(verdict["arc"])


def without_detail(result):
    assert isinstance(result["detail"], str)
    return {name: value for name, value in result.items() if name != "detail"}


@on_sqlite
async def test_an_empty_mail_has_every_field_all_the_same(way_out, sink, received, hook):
    await received(b"Received: from nowhere\r\n\r\n", to=HOOK, mail_from=None)
    await way_out.attempt()

    data = sink.posted[0].event["data"]
    assert ("", None, []) == (data["envelope"]["mail_from"], data["tag"], data["attachments"])
    assert (None, None, None) == (data["date"], data["email_message_id"], data["in_reply_to"])
    assert (False, None) == (data["authentication"]["verified"], data["authentication"]["verified_domain"])


@on_sqlite
@pytest.mark.parametrize("more", [0, 1])
async def test_the_mail_itself_is_in_the_event_up_to_its_limit(way_out, sink, hook, more):
    head = b"Subject: long\r\n\r\n"
    raw = head + b"x" * (RAW_INLINE_BYTES - len(head) + more)
    mail = await way_out.mail(raw=raw)
    await way_out.attempt()

    data = sink.posted[0].event["data"]
    assert (None if more else base64.b64encode(raw).decode()) == data["raw"]
    assert len(raw) == data["raw_size"]
    assert f"{BASE_URL}/v1/agents/hook%40agents.example/messages/{mail.id}/raw" == data["raw_url"]


async def test_a_mail_of_many_parts_is_delivered_without_its_bytes(way_out, sink, received, hook):
    file = b"\r\n".join([base64.b64encode(bytes(57))] * 27_000)
    head = (
        b'From: ana@example.com\r\nContent-Type: application/zip; name="a.zip"\r\nContent-Transfer-Encoding: base64\r\n'
    )
    mail = await received(head + b"\r\n" + file + b"\r\n")

    delivery = await way_out.attempt()

    data = sink.posted[0].event["data"]
    assert "delivered" == delivery.status
    assert mail.raw_size > 2_000_000
    assert (None, mail.raw_size, mail.raw_sha256) == (data["raw"], data["raw_size"], data["raw_sha256"])
    assert data["raw_url"].endswith(f"/messages/{mail.id}/raw")
    (attachment,) = data["attachments"]
    assert ("a.zip", 57 * 27_000) == (attachment["filename"], attachment["size"])
    assert sha256(bytes(57 * 27_000)).hexdigest() == attachment["sha256"]


# What proves it


@on_sqlite
async def test_the_published_library_verifies_a_request_unchanged(way_out, sink, hook):
    way_out.clock = SystemClock()
    await way_out.mail()
    await way_out.attempt()

    (secret,) = await way_out.shown_secrets()
    (posted,) = sink.posted
    assert posted.event == Webhook(secret).verify(posted.body, dict(posted.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(posted.body.replace(b"hi", b"ho", 1), dict(posted.headers))


@on_sqlite
async def test_the_seal_holds_in_the_headers_and_in_the_event(way_out, sink, received, hook):
    mail = await received(signed(LETTER))
    await way_out.attempt()

    (posted,) = sink.posted
    raw = base64.b64decode(posted.event["data"]["raw"])
    assert {name: posted.headers[name] for name in (*NAMES, SIGNATURE)} == posted.event["data"]["auth_headers"]
    assert verify_seal(posted.headers, await way_out.secrets(), raw).holds
    assert not verify_seal(posted.headers, await way_out.secrets(), raw + b" ").holds
    assert (mail.id, HOOK, "example.com") == (
        posted.headers["Mailseal-Message-Id"],
        posted.headers["Mailseal-Recipient"],
        posted.headers["Mailseal-Verified-Domain"],
    )


@on_sqlite
async def test_for_a_day_after_a_rotation_both_secrets_verify(way_out, sink, clock, hook):
    clock._at = SystemClock().now()
    (old,) = await way_out.shown_secrets()
    await rotate(way_out, clock)
    await way_out.mail()
    await way_out.attempt()

    new, second = await way_out.shown_secrets()
    (posted,) = sink.posted
    assert old == second != new
    assert 2 == len(posted.headers["webhook-signature"].split(" "))
    for secret in (old, new):
        assert posted.event == Webhook(secret).verify(posted.body, dict(posted.headers))


@on_sqlite
async def test_a_day_after_a_rotation_only_the_new_secret_signs(way_out, sink, clock, hook):
    await rotate(way_out, clock)
    clock.advance(hours=24)
    await way_out.mail()
    await way_out.attempt()

    assert 1 == len(await way_out.secrets())
    assert 1 == len(sink.posted[0].headers["webhook-signature"].split(" "))


@on_sqlite
async def test_a_seal_outlives_the_rotation_of_its_secret(way_out, sink, clock, received, hook):
    old = await way_out.secrets()
    await received()
    await rotate(way_out, clock)
    await way_out.attempt()

    (posted,) = sink.posted
    assert verify_seal(posted.headers, old, base64.b64decode(posted.event["data"]["raw"])).holds


@on_sqlite
async def test_a_retry_has_the_same_id_and_body_and_its_own_time(way_out, sink, clock, hook):
    sink.answers("/hook", 500, 204)
    await way_out.mail()
    await way_out.attempt()
    clock.advance(seconds=66)
    await way_out.attempt()

    first, second = sink.posted
    assert first.webhook_id == second.webhook_id == first.event["id"]
    assert first.body == second.body
    assert 66 == int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


# What is written down


@pytest.mark.parametrize(
    ("status", "least", "most", "reply"),
    [
        ("delivered", None, None, Reply(200)),
        ("delivered", None, None, Reply(204)),
        ("dead", None, None, Reply(410)),
        ("pending", 60, 66, Reply(500)),
        ("pending", 60, 66, Reply(404)),
        ("pending", 60, 66, Reply(500, (("Retry-After", "7"),))),
        ("pending", 60, 66, Reply(429)),
        ("pending", 7, 7, Reply(429, (("Retry-After", "7"),))),
        ("pending", 7, 7, Reply(503, (("Retry-After", "7"),))),
        ("pending", 60, 66, Reply(302, (("Location", "/elsewhere"),))),
    ],
)
async def test_an_answer_is_recorded_with_what_follows(way_out, sink, clock, hook, *, status, least, most, reply):
    sink.answers("/hook", reply)
    await way_out.mail()
    delivery = await way_out.attempt(retry_seconds=TABLE)

    (tried,) = await way_out.tried(delivery)
    wait = (delivery.due_at - clock.now()).total_seconds()
    assert status == delivery.status
    assert least is None or least <= wait <= most
    assert (clock.now() if least is None else None) == delivery.settled_at
    assert (1, reply.status, None) == (delivery.attempts, delivery.last_status, delivery.last_error)
    assert (clock.now(), reply.status, None) == (tried.at, tried.status, tried.error)
    assert 0 <= tried.duration_ms < 20_000


@on_sqlite
async def test_an_endpoint_that_asks_for_patience_often_is_heard_until_the_tables_time_is_over(
    way_out, sink, clock, hook
):
    sink.answers("/hook", Reply(503, (("Retry-After", "50"),)))
    await way_out.mail()
    statuses = []
    for _ in range(3):
        statuses.append((await way_out.attempt(retry_seconds=(60,))).status)
        clock.advance(seconds=50)

    assert ["pending", "pending", "dead"] == statuses


@pytest.mark.parametrize(
    ("outcome", "statuses"), [("delivered", [204]), ("later", [500]), ("dead", [500, 500, 500]), ("gone", [410])]
)
@on_sqlite
async def test_what_came_of_an_attempt_is_counted(way_out, sink, clock, hook, *, outcome, statuses):
    sink.answers("/hook", *statuses)
    await way_out.mail()
    for _ in statuses:
        await way_out.attempt(retry_seconds=TABLE)
        clock.advance(days=1)

    assert outcome == way_out.outcomes.told[-1]
    assert len(statuses) == len(way_out.outcomes.told)


async def test_only_an_endpoint_that_is_gone_switches_the_webhook_off(way_out, sink, clock, hook):
    sink.answers("/hook", 500, 410)
    off = []
    for _ in range(2):
        await way_out.mail()
        await way_out.attempt()
        off.append((await way_out.store.read(lambda tx: get_agent_by_email(tx, HOOK))).webhook_off_at)

    assert [None, clock.now()] == off


@on_sqlite
async def test_an_endpoint_that_does_not_answer_in_time_is_recorded(way_out, sink, clock, hook):
    sink.hang("/hook")
    await way_out.mail()
    async with Poster(clock=clock, allow=way_out.places.allow, total_seconds=0.2) as poster:
        delivery = await way_out.attempt(poster=poster)

    (tried,) = await way_out.tried(delivery)
    assert ("pending", "timeout") == (delivery.status, delivery.last_error)
    assert (None, "timeout") == (tried.status, tried.error)


@on_sqlite
@pytest.mark.parametrize("url", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_a_forbidden_target_is_recorded_and_never_connected_to(way_out, clock, hook, url):
    async with listener() as (port, connected), Poster(clock=clock) as poster:
        mail = await way_out.mail()
        await way_out.store.write(lambda tx: put_url(tx, url.format(port=port)))
        delivery = await way_out.attempt(poster=poster, retry_seconds=TABLE)

        (tried,) = await way_out.tried(delivery)
        assert [] == connected

    assert mail.id == delivery.message_id
    assert ("pending", 1, "forbidden address") == (delivery.status, delivery.attempts, delivery.last_error)
    assert (None, "forbidden address") == (tried.status, tried.error)
    assert delivery.due_at - clock.now() >= timedelta(seconds=60)


@on_sqlite
async def test_the_same_target_is_connected_to_where_the_operator_allows_it(way_out, sink, hook):
    """What the cases above refuse would have been reached."""
    await way_out.mail()

    assert "delivered" == (await way_out.attempt()).status


def put_url(tx, url):
    """Past the check of the API, as a row from before a stricter rule would have it."""
    tx.execute(update(agents).where(agents.c.address == HOOK).values(webhook_url=url))


@asynccontextmanager
async def listener():
    """A port of 127.0.0.1, and who connected to it."""
    connected = []

    async def note(_reader, writer):
        connected.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connected
    finally:
        server.close()
        await server.wait_closed()


async def test_an_outcome_that_cannot_be_written_leaves_the_delivery_as_it_was(way_out, sink, hook):
    mail = await way_out.mail()
    claimed, by = await way_out.claim(), way_out.delivery_context()
    letters, endpoint = await read_subjects([claimed], ctx=by), await read_endpoint(HOOK, ctx=by)
    way_out.hide("delivery_attempts")
    with pytest.raises(Unavailable):
        await attempt(claimed, letters[mail.id], endpoint, ctx=by)
    way_out.show("delivery_attempts")

    delivery = await way_out.delivery(mail.id)
    assert ("pending", 0, claimed.until) == (delivery.status, delivery.attempts, delivery.due_at)
    assert [] == await way_out.tried(delivery)
    assert [] == way_out.outcomes.told
    assert 1 == len(sink.posted)


async def begun(way_out, sink, mail):
    """The attempt of a worker whose post is under way."""
    claimed, by = await way_out.claim(), way_out.delivery_context()
    letters, endpoint = await read_subjects([claimed], ctx=by), await read_endpoint(HOOK, ctx=by)
    sink.hang("/hook")
    attempting = asyncio.ensure_future(attempt(claimed, letters[mail.id], endpoint, ctx=by))
    await sink.got(1)
    return attempting


async def test_a_worker_that_comes_back_late_with_a_failure_leaves_the_next_ones_claim_alone(
    way_out, sink, clock, hook
):
    sink.answers("/hook", 500)
    mail = await way_out.mail()
    late = await begun(way_out, sink, mail)
    clock.advance(seconds=25)
    theirs = await way_out.claim()

    sink.let_go("/hook")
    await late

    delivery = await way_out.delivery(mail.id)
    assert ("pending", 0, theirs.until) == (delivery.status, delivery.attempts, delivery.due_at)


async def test_a_worker_that_comes_back_late_with_a_success_has_delivered(way_out, sink, clock, hook):
    mail = await way_out.mail()
    late = await begun(way_out, sink, mail)
    clock.advance(seconds=25)
    await way_out.claim()

    sink.let_go("/hook")
    await late

    assert ["delivered"] == await way_out.statuses([mail])


async def test_a_worker_that_was_frozen_before_its_post_leaves_it_to_the_next_one(way_out, sink, clock, hook):
    mail = await way_out.mail()
    claimed, by = await way_out.claim(), way_out.delivery_context()
    letters, endpoint = await read_subjects([claimed], ctx=by), await read_endpoint(HOOK, ctx=by)
    clock.advance(seconds=25)

    with pytest.raises(LeaseTooShort):
        await attempt(claimed, letters[mail.id], endpoint, ctx=by)

    assert [] == sink.posted
    assert ["pending"] == await way_out.statuses([mail])


async def test_the_endpoint_of_an_agent_that_is_gone_is_an_error(way_out):
    with pytest.raises(AgentNotFound):
        await read_endpoint(HOOK, ctx=way_out.delivery_context())


@on_sqlite
async def test_events_are_json_of_utf_8_with_times_in_whole_seconds(way_out, sink, clock, hook):
    clock.advance(microseconds=987_654)
    mail = await way_out.mail(subject="Grüße")
    await way_out.attempt()

    (posted,) = sink.posted
    assert "application/json" == posted.headers["Content-Type"]
    assert rfc3339(mail.received_at) == json.loads(posted.body.decode())["timestamp"] == "2026-11-23T15:17:00Z"
