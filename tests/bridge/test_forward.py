"""Handing an event on to a program: what it gets, how often it is tried, and what is said of it."""

import json

import pytest

from relay.bridge.forward import RETRY_SECONDS, forward, request_of
from relay.bridge.sse import SseEvent
from relay.delivery.outcome import WebhookAnswer
from relay.errors import StreamRefused
from tests.fakes import FakeClock

TO = "http://localhost:3000/hook"
HEADERS = {"webhook-id": "evt_1", "Mailseal-Version": "1"}
BODY = (
    b'{"type":"email.received","id":"evt_1","data":{"message_id":"msg_1","from":{"name":"Bo","address":"bo@x.example"},'
    b'"verified":true,"subject":"Gr\xc3\xbc\xc3\x9fe"}}'
)
GOOD, BUSY, GONE = (
    WebhookAnswer(status=204, duration_ms=3),
    WebhookAnswer(status=503),
    WebhookAnswer(error="connection refused"),
)


class Program:
    """Answers what it is told to, and keeps what it got."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.got = []

    async def post(self, url, headers, body):
        self.got.append((url, headers, body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Pauses(list):
    """A sleep that takes no time."""

    async def __call__(self, seconds):
        self.append(seconds)


def message(document=None):
    data = json.dumps({"headers": HEADERS, "body": BODY.decode()} if document is None else document)
    return SseEvent("7", "email.received", data)


async def handed(program, given=None, pauses=None):
    pauses = Pauses() if pauses is None else pauses
    return await forward(given or message(), to=TO, poster=program, now=FakeClock().now, sleep=pauses)


async def test_a_program_gets_the_headers_and_the_very_bytes():
    program = Program(GOOD)
    await handed(program)

    assert [(TO, HEADERS, BODY)] == program.got


async def test_it_is_said_who_wrote_what_and_what_the_program_answered():
    said = await handed(Program(GOOD))

    assert ("email.received", "evt_1", "msg_1", "bo@x.example", True, "Grüße") == (
        said.type, said.id, said.message_id, said.sender, said.verified, said.subject
    )  # fmt: skip
    assert (FakeClock().now(), 204, None, 3, 1, True) == (
        said.at, said.status, said.error, said.duration_ms, said.tries, said.taken
    )  # fmt: skip


@pytest.mark.parametrize("trouble", [BUSY, GONE, WebhookAnswer(status=500), WebhookAnswer(status=429)])
async def test_what_may_pass_is_tried_again(trouble):
    program, pauses = Program(trouble, trouble, GOOD), Pauses()
    said = await handed(program, pauses=pauses)

    assert (3, True, list(RETRY_SECONDS[:2])) == (said.tries, said.taken, pauses)
    assert 1 == len({body for _, _, body in program.got})


async def test_after_a_few_tries_it_is_let_be():
    said = await handed(Program(GONE))

    assert (1 + len(RETRY_SECONDS), False, "connection refused") == (said.tries, said.taken, said.error)


@pytest.mark.parametrize("status", [301, 400, 404, 410, 422])
async def test_what_the_program_will_not_have_is_not_tried_again(status):
    said = await handed(Program(WebhookAnswer(status=status)))

    assert (1, False, status) == (said.tries, said.taken, said.status)


@pytest.mark.parametrize("body", ["", "no JSON", "[]", "{}", '{"data": [1]}', '{"data": {"from": null}}'])
async def test_an_event_that_says_little_is_handed_on_all_the_same(body):
    program = Program(GOOD)
    said = await handed(program, message({"headers": {}, "body": body}))

    assert body.encode() == program.got[0][2]
    assert (None, None, True) == (said.sender, said.subject, said.taken)


@pytest.mark.parametrize(
    "data",
    ["", "x", "[]", "{}", '{"headers": {}}', '{"headers": [], "body": 1}', '{"headers": {"a": 1}, "body": ""}', '{"headers": 1, "body": ""}',
     '{"headers": {}, "body": "\\ud800"}'],
)  # fmt: skip
async def test_what_is_no_event_of_ours_is_refused(data):
    with pytest.raises(StreamRefused):
        request_of(SseEvent("7", "x", data))
