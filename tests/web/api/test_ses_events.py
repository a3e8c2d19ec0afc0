"""Where SNS posts: proved, kept, and nothing there for anybody else."""

import json
import socket
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from relay.outbound.feedback.ses_events import SesEventSource
from store.outbound.feedback import list_feedback
from store.outbound.outbound import create_outbound_message, get_outbound_message
from store.outbound.sending import LEASE, claim_queued
from store.outbound.suppression import list_suppressions
from tests.broken_store import give_back_table, lose_table
from tests.outbound.feedback.told import BO, bounce, complaint, delivery, text
from tests.outbound.feedback.topic import (
    ARN,
    CERTIFICATE_URL,
    FakeSns,
    certificate,
    posted,
    rsa_key,
    signed,
    subscribe_url,
)
from tests.places import new_outbound
from tests.web.client import BOT, OWNER

SECRET = "a-secret-of-the-operator-s"
PATH = f"/ses/events/{SECRET}"
TEXT = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}


class Listening:
    """A door that listens to a topic, and a mail that is being sent."""

    def __init__(self, api_server):
        self.api_server = api_server
        self.sns = FakeSns()
        authenticator = api_server.app.authenticator
        events = SesEventSource(send_context=api_server.send_context, sns=self.sns, topic_arn=ARN, secret=SECRET)
        authenticator.ctx = replace(authenticator.ctx, event_sources={"ses": events})

    async def send(self):
        await self.api_server.agent()
        now = self.api_server.clock.now()

        def unit(tx):
            message = create_outbound_message(tx, new_outbound(BOT, at=now))
            (outgoing,) = claim_queued(tx, limit=1, lease=LEASE, now=now)
            return message.id, outgoing.attempt

        self.message_id, self.attempt = await self.api_server.store.write(unit)

    async def post(self, body, path=PATH, headers=TEXT):
        return await self.api_server.ask("POST", path, key=None, data=body, headers=headers)

    async def hear(self, make=bounce, **more):
        return await self.post(posted(message=text(make(attempt=self.attempt)), **more))

    async def kept(self):
        return [each.kind for each in await self.api_server.store.read(lambda tx: list_feedback(tx, self.message_id))]

    async def status(self):
        return (await self.api_server.store.read(lambda tx: get_outbound_message(tx, self.message_id))).status

    async def suppressed(self):
        def unit(tx):
            return [each.address for each in list_suppressions(tx, self.api_server.places.user(tx, OWNER).id).items]

        return await self.api_server.store.write(unit)


@pytest.fixture
async def listening(sqlite_api):
    found = Listening(sqlite_api)
    await found.send()
    return found


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_event_is_taken_and_followed(listening, version):
    answer = await listening.hear(SignatureVersion=version, Subject="Amazon SES Email Event Notification")

    assert (200, {"status": "ok"}) == (answer.status, answer.json)
    assert (["bounced"], "sent", [BO]) == (
        await listening.kept(), await listening.status(), await listening.suppressed(),
    )  # fmt: skip


async def test_what_it_is_said_to_be_does_not_matter(listening):
    body = posted(message=text(bounce(attempt=listening.attempt)))

    for kind in ("application/json", "text/plain", "application/octet-stream"):
        assert 200 == (await listening.post(body, headers={"Content-Type": kind})).status


async def test_the_same_event_twice_is_one(listening):
    assert [200, 200] == [(await listening.hear(complaint)).status for _ in range(2)]
    assert ["complained"] == await listening.kept()


@pytest.mark.parametrize(
    "message",
    ["Successfully validated SNS topic for Amazon SES event publishing.", "{}", text(bounce(attempt="snd_0"))],
)
async def test_what_is_of_no_mail_here_is_taken_all_the_same(listening, message):
    assert 200 == (await listening.post(posted(message=message))).status
    assert [] == await listening.kept()


async def refuses(listening, body, why, problem=(403, "unproven_event")):
    answer = await listening.post(body)

    assert (problem, True) == (answer.problem, why in answer.json["detail"])
    assert ([], "sending", []) == (await listening.kept(), await listening.status(), listening.sns.begun)


async def test_an_event_that_another_signed_is_refused(listening):
    body = posted(message=text(bounce(attempt=listening.attempt)), key=rsa_key("another's"))

    await refuses(listening, body, "signature")


async def test_an_event_that_was_changed_is_refused(listening):
    body = json.dumps(signed() | {"Message": text(bounce(attempt=listening.attempt))})

    await refuses(listening, body, "signature")


async def test_a_certificate_of_another_host_is_not_even_asked_for(listening):
    url = "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"
    listening.sns.known[url] = certificate()

    await refuses(listening, posted(SigningCertURL=url), "SigningCertURL")
    assert [] == listening.sns.asked


async def test_another_topic_s_event_is_refused_before_anything_is_asked(listening):
    body = posted(message=text(bounce(attempt=listening.attempt)), TopicArn=ARN.replace("mails", "others"))

    await refuses(listening, body, "MAILSEAL_SES_TOPIC_ARN")
    assert [] == listening.sns.asked


async def test_an_old_event_is_refused(listening):
    listening.api_server.clock.advance(hours=3)

    await refuses(listening, posted(message=text(bounce(attempt=listening.attempt))), "too old")


async def test_an_expired_certificate_proves_nothing(listening):
    now = listening.api_server.clock.now()
    listening.sns.known[CERTIFICATE_URL] = certificate(begins=now.replace(year=2024), ends=now.replace(year=2025))

    await refuses(listening, posted(message=text(bounce(attempt=listening.attempt))), "certificate")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 60_000, "JSON"),
        (b"[1, 2]", "no message of SNS"),
        (text(bounce()).encode(), "not a type"),
        (posted(MessageId=None), "lacks MessageId"),
        (posted(Type="Other"), "not a type"),
    ],
)
async def test_what_sns_would_not_post_is_refused(listening, body, why):
    await refuses(listening, body, why)


async def test_a_large_event_is_taken_and_a_huge_one_not_read(listening):
    large = posted(message=text(delivery(attempt=listening.attempt) | {"more": "x" * 200_000}))

    assert 200 == (await listening.post(large)).status
    assert (413, "body_too_large") == (await listening.post(b"x" * 262_145)).problem
    assert (413, "body_too_large") == (await listening.post(b"{" + b" " * 300_000)).problem
    assert ["delivered"] == await listening.kept()


@pytest.mark.parametrize(
    "path",
    [
        "/ses/events/another-secret-of-nobody",
        f"/ses/events/{SECRET}x",
        f"/ses/events/{SECRET[:-1]}",
        f"/ses/events/{SECRET.upper()}",
        f"{PATH}/",
        f"{PATH}/more",
        "/ses/events/",
        "/ses/events",
        "/ses/events/%C3%BC",
        "/ses/events/%FF",
    ],
)
async def test_without_the_secret_there_is_nothing(listening, path):
    unknown = await listening.post(posted(), "/ses/nothing")
    answer = await listening.post(posted(), path)

    assert ((404, "not_found"), unknown.body) == (answer.problem, answer.body)
    assert [] == listening.sns.asked


async def test_where_no_topic_is_listened_to_there_is_nothing(sqlite_api):
    unknown = await sqlite_api.post("/ses/nothing", {}, key=None)
    answer = await sqlite_api.post(PATH, {}, key=None)

    assert ((404, "not_found"), unknown.body) == (answer.problem, answer.body)


async def test_a_subscription_of_the_topic_begins(listening):
    with capture_logs() as logs:
        answer = await listening.post(posted("SubscriptionConfirmation"))

    assert (200, [subscribe_url()]) == (answer.status, listening.sns.begun)
    assert [("sns_subscription_confirmed", ARN)] == [(each["event"], each["topic"]) for each in logs]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"TopicArn": ARN.replace("mails", "others")}, "MAILSEAL_SES_TOPIC_ARN"),
        ({"SubscribeURL": subscribe_url(topic=ARN.replace("mails", "others"))}, "SubscribeURL"),
        ({"SubscribeURL": "https://evil.example/?Action=ConfirmSubscription"}, "SubscribeURL"),
        ({"SubscribeURL": subscribe_url(action="DeleteTopic")}, "SubscribeURL"),
        ({"key": rsa_key("another's")}, "signature"),
    ],
)
async def test_no_other_subscription_begins(listening, changes, why):
    await refuses(listening, posted("SubscriptionConfirmation", **changes), why)


async def test_the_end_of_a_subscription_is_logged_and_begins_nothing(listening):
    with capture_logs() as logs:
        answer = await listening.post(posted("UnsubscribeConfirmation"))

    assert (200, []) == (answer.status, listening.sns.begun)
    assert ["sns_subscription_ended"] == [each["event"] for each in logs]


@pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation"])
async def test_sns_is_asked_to_come_again_while_its_certificate_cannot_be_had(listening, kind):
    listening.sns.is_down = True

    answer = await listening.post(posted(kind))

    assert (503, "try_again_later") == answer.problem
    assert "5" == answer.headers["Retry-After"]


async def test_sns_is_asked_to_come_again_while_the_store_cannot_keep_it(listening):
    lose_table(listening.api_server.store, "feedback")
    assert (503, "store_unavailable") == (await listening.hear()).problem

    give_back_table(listening.api_server.store, "feedback")
    assert 200 == (await listening.hear()).status
    assert ["bounced"] == await listening.kept()


async def test_who_hangs_up_in_the_middle_is_no_mistake_of_ours(listening):
    with capture_logs() as logs:
        with socket.create_connection(listening.api_server.server.addresses[0]) as line:
            line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
            await listening.post(b"", "/ses/nothing")  # by now the door waits for the rest
        await listening.post(b"", "/ses/nothing")

    assert [] == logs


async def test_the_place_is_not_told_of_in_the_description(listening):
    assert b"/ses/events" not in (await listening.api_server.get("/openapi.json", key=None)).body
