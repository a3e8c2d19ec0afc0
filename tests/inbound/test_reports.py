"""Bounces by mail: the tag of the reverse-path proves which message they are about, and nothing else does."""

import json
import ssl
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest
import trustme

from relay.delivery.attempt import InboundSubject, composed
from relay.directory.keys import create_key
from relay.events.inbound import message_data
from relay.inbox.pulses import Pulses
from relay.inbox.read import read_message
from relay.inbox.stream import StreamContext, follow
from relay.outbound.couriers.smarthost import Smarthost, SmarthostCourier
from relay.outbound.feedback.mail_reports import settle_report
from relay.outbound.send import send_queued
from relay.outbound.submit import OutboundRequest, submit
from relay.signing.return_tag import read_return_tag, return_tag
from relay.signing.secrets import master_key
from store.directory.agents import get_agent_by_email
from store.mail.bodies import read_body
from store.mail.deliveries import list_deliveries_of_message
from store.mail.events_feed import Follower
from store.mail.messages import find_message
from store.outbound.feedback import list_feedback
from store.outbound.sending import LEASE, claim_queued
from store.outbound.suppression import list_suppressions
from store.records.outbound import Draft
from tests.outbound.couriers.host import Host
from tests.send_contexts import BASE, make_send_context

BOT, EVE = "bot@agents.example", "eve@agents.example"
BO, CY = "bo@reader.example", "cy@reader.example"
EVENTS = ["email.received", "email.delivered", "email.bounced", "email.complained"]


class Relay:
    """A relay that sends by a smarthost over SMTP and receives what comes back."""

    def __init__(self, way_in, courier, host):
        self.way_in, self.host, self.store = way_in, host, way_in.store
        self.clock, self.master = way_in.places.clock, way_in.places.master
        sending = make_send_context(self.store, self.clock, self.master, courier=courier)
        self.ctx = replace(sending, tags_return_path=True)
        by = replace(way_in.receive_context, settle_report=partial(settle_report, ctx=self.ctx))
        way_in.receive_context = by

    async def send(self, *to, agent=BOT):
        """Send a mail; its id and the reverse-path that the smarthost was told."""
        wrote = await self.store.read(lambda tx: get_agent_by_email(tx, agent))
        message = await submit(wrote, OutboundRequest(draft=Draft(to=to, subject="hi", text="hello")), ctx=self.ctx)
        [outgoing] = await self.store.write(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=self.clock.now()))
        await send_queued(outgoing, ctx=self.ctx)
        return message.id, self.host.mails[-1][0]

    async def come_back(self, to, mail):
        """Receive *mail* for *to*; its document."""
        message, raw = await self.way_in.receive_one(mail, to=[to], mail_from=None)
        return message_data(message, raw, base_url=BASE)

    async def effects(self, message_id):
        """Statements about recipients, the agent's events, and the suppressed addresses."""

        def read(tx):
            told = [(each.recipient, each.kind, each.is_permanent) for each in list_feedback(tx, message_id)]
            events = [each.event_type for each in list_deliveries_of_message(tx, message_id)]
            user = get_agent_by_email(tx, BOT).user_id
            return told, events, [each.address for each in list_suppressions(tx, user, limit=50, cursor=None).items]

        return await self.store.read(read)


@pytest.fixture
async def relay(way_in):
    await way_in.agent(BOT, webhook="https://hooks.example/in", events=EVENTS)
    await way_in.agent(EVE)
    async with Host(trustme.CA()) as host:
        to = Smarthost(host="127.0.0.1", port=host.ports["none"], hostname="us.example", tls="none", seconds=30)
        courier = SmarthostCourier(to, trust=ssl.create_default_context())
        yield Relay(way_in, courier, host)
        await courier.close()


def dsn(*recipients, about="<1@agents.example>", note=""):
    """A delivery status notification: an address, its action and its status for each recipient."""
    groups = "\r\n".join(
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {status} it says\r\n"
        for address, action, status in recipients
    )
    return (
        "From: MAILER-DAEMON@reader.example\r\nTo: bot@agents.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nSorry. {note}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.reader.example\r\n\r\n{groups}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {about}\r\n\r\n--b--\r\n"
    ).encode()


def complaint(recipient=""):
    field = f"Original-Rcpt-To: {recipient}\r\n" if recipient else ""
    return (
        "From: fbl@reader.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n"
        f"User-Agent: x\r\n{field}\r\n--b--\r\n"
    ).encode()


NOTHING = ([], [], [])


async def test_a_bounce_to_the_tagged_address_changes_its_message_once(relay):
    message_id, path = await relay.send(BO, CY)
    bounce = [(BO, "failed", "5.1.1"), (CY, "failed", "4.4.7"), ("other@reader.example", "failed", "5.1.1")]

    document = await relay.come_back(path, dsn(*bounce))

    local, _, domain = path.partition("@")
    assert ("bot", "agents.example", True) == (local.partition("+")[0], domain, len(local) <= 64)
    assert (None, path, message_id) == (document["tag"], document["recipient"], document["report"]["message_id"])
    assert "<1@agents.example>" == document["report"]["email_message_id"]
    effects = await relay.effects(message_id)
    assert [(BO, "bounced", True), (CY, "bounced", False)] == sorted(effects[0])
    assert ["email.bounced", "email.bounced"] == effects[1]
    assert [BO] == effects[2]

    await relay.come_back(path.upper(), dsn(*bounce, note="The same, written again."))
    assert effects == await relay.effects(message_id)


async def posted(relay, message_id):
    """What a webhook gets of a message."""

    def read(tx):
        message = find_message(tx, message_id)
        [received] = [each for each in list_deliveries_of_message(tx, message_id) if each.event_type == EVENTS[0]]
        return InboundSubject(message, read_body(tx, message.raw_sha256)), received

    return json.loads(composed(*await relay.store.read(read), base_url=BASE))["data"]


async def streamed(relay):
    """What a stream tells of the first message."""

    def unit(tx):
        bot = get_agent_by_email(tx, BOT)
        key, _ = create_key(tx, bot.user_id, name="", now=relay.clock.now())
        return Follower(agent=BOT, made_at=bot.created_at, user_id=bot.user_id, key_id=key.id)

    ctx = StreamContext(
        store=relay.store,
        clock=relay.clock,
        master=relay.master,
        base_url=BASE,
        heartbeat_seconds=15.0,
        is_over=lambda: False,
        pulses=Pulses(relay.store),
    )
    async with aclosing(follow(await relay.store.write(unit), 0, ctx=ctx)) as events:
        return json.loads((await anext(events)).body)["data"]


async def test_webhook_api_and_stream_tell_the_same_report(relay):
    sent, path = await relay.send(BO)
    told = (await relay.come_back(path, dsn((BO, "failed", "5.1.1"))))["message_id"]

    now = relay.clock.now()
    read = await read_message(BOT, told, peek=True, base_url=BASE, store=relay.store, now=now)
    documents = [await posted(relay, told), read, await streamed(relay)]

    assert [told] * 3 == [each["message_id"] for each in documents]
    assert [sent] * 3 == [each["report"]["message_id"] for each in documents]
    assert documents[0]["report"] == documents[1]["report"] == documents[2]["report"]


async def test_deliveries_delays_and_complaints_go_the_same_way(relay):
    message_id, path = await relay.send(BO)

    await relay.come_back(path, dsn((BO, "delayed", "4.2.0")))
    await relay.come_back(path, dsn((BO, "relayed", "2.0.0")))
    await relay.come_back(path, dsn((BO, "failed", "5.2.2")))
    await relay.come_back(path, complaint())

    told, events, suppressed = await relay.effects(message_id)
    kinds = [(BO, "delayed", False), (BO, "delivered", False), (BO, "bounced", False), (BO, "complained", True)]
    assert kinds == told
    assert {"email.delivered", "email.bounced", "email.complained"} == set(events)
    assert [BO] == suppressed


async def test_a_report_without_a_valid_tag_changes_nothing(relay):
    message_id, path = await relay.send(BO)
    local, _, domain = path.partition("@")
    altered = local[:-1] + ("a" if local[-1] != "a" else "c")
    moment = local[len("bot+b") :][:12]
    foreign = return_tag(f"snd_{moment}", BOT, key=master_key(b"another master key").links)
    unknown = return_tag("snd_" + "0" * 12, BOT, key=relay.master.links)
    addresses = [
        BOT,
        "bot+eu@agents.example",
        f"{altered}@{domain}",
        f"bot+{foreign}@{domain}",
        f"bot+{unknown}@{domain}",
    ]
    addresses.append(f"eve+{local.partition('+')[2]}@{domain}")  # of another agent

    for number, address in enumerate(addresses):
        document = await relay.come_back(address, dsn((BO, "failed", "5.1.1"), note=str(number)))
        assert (None, "<1@agents.example>") == (
            document["report"]["message_id"],
            document["report"]["email_message_id"],
        ), address
        assert NOTHING == await relay.effects(message_id), address


async def test_a_tag_proves_nothing_after_thirty_days(relay):
    message_id, path = await relay.send(BO)
    relay.clock.advance(days=30, seconds=1)

    document = await relay.come_back(path, dsn((BO, "failed", "5.1.1")))

    assert (None, None) == (document["tag"], document["report"]["message_id"])
    assert NOTHING == await relay.effects(message_id)


async def test_an_ordinary_mail_to_the_tagged_address_is_no_report(relay):
    message_id, path = await relay.send(BO)

    document = await relay.come_back(path, b"From: bo@reader.example\r\nSubject: away\r\n\r\nI am on holiday.\r\n")

    assert (None, None) == (document["report"], document["tag"])
    assert NOTHING == await relay.effects(message_id)


async def test_a_long_local_part_gets_no_tag(relay, way_in):
    long = "a" * 36 + "@agents.example"
    await way_in.agent(long)

    assert long == (await relay.send(BO, agent=long))[1]


def test_a_tag_is_valid_for_its_agent_and_key_alone():
    key = master_key(b"a master key for this").links
    tag = return_tag("snd_0123456789abrest", BOT, key=key)

    assert "0123456789ab" == read_return_tag(tag, BOT, key=key) == read_return_tag(tag.upper(), BOT, key=key)
    for wrong in (tag[:-1], tag + "a", "c" + tag[1:], tag[:1] + "1" + tag[2:], "", "é" * 29):
        assert read_return_tag(wrong, BOT, key=key) is None, wrong
    parts = (tag[1:13], tag[13:])
    forged = [tag[1:], tag * 2, f"eu+{tag}", f"{tag}+eu", f"{tag}\n", f" {tag}", tag.replace("b", "\u212a", 1)]
    forged += [f"b{parts[1]}{parts[0]}", f"b{parts[0]}", f"b{parts[0]}{parts[1][:15]}", f"b{parts[0]}{'a' * 16}"]
    forged += [
        f"b{parts[0][:-1]}z{parts[1]}",
        f"b{parts[0]}{parts[1][::-1]}",
        "b" + "\u0660" * 12 + parts[1],
        "b" * 100_000,
    ]
    assert [] == [each[:60] for each in forged if read_return_tag(each, BOT, key=key) is not None]
    assert read_return_tag(tag, f"x{BOT}", key=key) is None
    assert read_return_tag(tag, EVE, key=key) is None
