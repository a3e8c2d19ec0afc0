"""What no mail can be made of: each request gets a problem that names the place; nothing is kept, nothing is sent."""

import base64
import io
import itertools
import json
from email import message_from_bytes, policy

import pytest
from sqlalchemy import func, select

from relay.outbound.send import send_queued
from store.outbound.sending import claim_queued
from store.schema.inbound import bodies, messages
from tests.fakes import FakeCourier
from tests.web.client import BOT, serve_api

SEND = f"/v1/agents/{BOT}/send"
MAIL = {"to": ["ana@customer.example"], "subject": "hello", "text": "hello"}
FILE = {"filename": "a.txt", "content_type": "text/plain", "data": "aGVsbG8="}
TWO_LINES = ["\r\nBcc: eve@evil.example", "\n.", "\r", "\0", "\x0b", "\u2028x", "\x85x", "\ud800"]


@pytest.fixture
def courier() -> FakeCourier:
    return FakeCourier()


@pytest.fixture
async def scenario(sqlite_store, clock, places, courier):
    """A door with one agent, and a courier that must never be asked."""
    async with serve_api(sqlite_store, clock, places, courier=courier) as api_server:
        await api_server.agent()
        yield api_server


async def refused(scenario, path=SEND, **changes):
    """The problem's code and field, of a mail that leaves nothing behind."""
    before = await kept(scenario)
    answer = await scenario.post(path, MAIL | changes)
    assert before == await kept(scenario)
    status, code = answer.problem
    assert 400 <= status < 500, answer.json
    return code, answer.json


def place_of(problem):
    """The one place in the body that a problem names."""
    (error,) = problem["errors"]
    return error["at"].removeprefix("body/")


def field_of(problem):
    """The field of that place."""
    return place_of(problem).split("/")[0]


async def kept(scenario):
    """How many messages and bodies there are."""

    def unit(tx):
        return [tx.execute(select(func.count()).select_from(table)).scalar() for table in (messages, bodies)]

    return await scenario.store.read(unit)


def odd_values():
    for sign in TWO_LINES:
        yield "subject", {"subject": f"hello{sign}"}
        for field in ("to", "cc", "bcc"):
            yield field, {field: [f"ana@customer.example{sign}"]}
            yield field, {field: [f"an{sign}a@customer.example"]}
        yield "headers", {"headers": [["X-Ticket", f"1021{sign}"]]}
        yield "headers", {"headers": [[f"X-Tick{sign}et", "1021"]]}
        yield "headers", {"headers": {f"X-Ticket{sign}": "1021"}}
        yield "attachments", {"attachments": [FILE | {"filename": f"a{sign}.txt"}]}
        yield "attachments", {"attachments": [FILE | {"content_type": f"text/plain{sign}"}]}
        yield "attachments", {"attachments": [FILE | {"content_type": f'text/plain; charset="x{sign}"'}]}
        yield "attachments", {"attachments": [FILE | {"data": f"{sign}aGVsbG8="}]}


async def test_a_line_end_or_another_control_is_refused_in_every_field_of_one_line(scenario, courier):
    for field, changes in odd_values():
        code, problem = await refused(scenario, **changes)

        assert ("bad_draft", field) == (code, field_of(problem)), (changes, problem)
    assert [] == courier.taken


async def test_a_text_with_a_sign_that_no_mail_has_is_refused(scenario):
    for field, sign in itertools.product(("text", "html"), ("\0", "\ud800", "\udfff\ud800")):
        code, problem = await refused(scenario, **{field: f"hello {sign}"})

        assert ("bad_draft", field) == (code, field_of(problem))


async def test_a_conversation_that_is_none_is_not_found(scenario):
    for sign in ("\r\nX: y", "\0", "' OR 1=1", "x" * 5000):
        code, _ = await refused(scenario, conversation_id=f"conv_{sign}")

        assert "conversation_not_found" == code, sign
    assert "invalid_value" == (await refused(scenario, conversation_id="conv_\ud800"))[0]


NO_MAILS = [
    ("bcc/49", {"bcc": [f"reader{number}@customer.example" for number in range(50)]}),
    ("to", {"to": []}),
    ("to", {"to": [BOT]}),
    ("to/0", {"to": ["ana"]}),
    ("to/0", {"to": ["Ana <ana@customer.example"]}),
    ("to/0", {"to": ["Ana\n<ana@customer.example>"]}),
    ("to/0", {"to": [{"name": "Ana\r\nBcc: eve@customer.example", "address": "ana@customer.example"}]}),
    ("to/0", {"to": [{"name": "x" * 256, "address": "ana@customer.example"}]}),
    ("to/0", {"to": ["ana@customer.example, bo@customer.example"]}),
    ("to/0", {"to": ["ana@[127.0.0.1]\t"]}),
    ("to/0", {"to": ["a" * 10_000 + "@customer.example"]}),
    ("subject", {"subject": "x" * 1000}),
    ("attachments/0", {"attachments": [FILE | {"data": "not base64!"}]}),
    ("attachments/1", {"attachments": [FILE, FILE | {"data": "aGVsbG8"}]}),
    ("attachments/0", {"attachments": [FILE | {"filename": ""}]}),
    ("attachments/0", {"attachments": [FILE | {"filename": "x" * 256}]}),
    ("attachments/0", {"attachments": [FILE | {"content_type": "multipart/mixed; boundary=x"}]}),
    ("attachments/0", {"attachments": [FILE | {"content_type": "message/partial; id=1"}]}),
    ("attachments/0", {"attachments": [FILE | {"content_type": "text"}]}),
    ("headers/1", {"headers": [["X-A", "1"], ["x-a", "2"]]}),
    ("headers/0", {"headers": [["X-A", "x" * 1000]]}),
    *(
        ("headers/0", {"headers": [[name, "ana@customer.example"]]})
        for name in ("From", "to", "BCC", "Sender", "Reply-To", "Return-Path", "Received", "DKIM-Signature")
    ),
    *(
        ("headers/0", {"headers": [[name, "1"]]})
        for name in ("Subject", "Message-ID", "X-Mailseal-Message-Id", "X-SES-Source-ARN", "Content-Type", "X A")
    ),
]


async def test_a_mail_that_cannot_be_is_refused_with_its_place(scenario, courier):
    for place, changes in NO_MAILS:
        code, problem = await refused(scenario, **changes)

        assert ("bad_draft", place) == (code, place_of(problem)), problem
    assert [] == courier.taken


NO_FIELDS = [
    {"to": 1},
    {"to": [None]},
    {"to": {"a": "b"}},
    {"to": [{"name": "Ana"}]},
    {"to": [{"name": 1, "address": "ana@customer.example"}]},
    {"to": [{"address": None}]},
    {"to": [{"address": "ana@customer.example", "field": "bcc"}]},
    {"subject": 1},
    {"text": ["hello"]},
    {"attachments": [{"data": "aGVsbG8="}]},
    {"attachments": ["a.txt"]},
    {"headers": [["X-A"]]},
    {"headers": [["X-A", "1", "2"]]},
    {"unknown": 1},
    {"unknown": None},
]


async def test_a_field_of_another_shape_is_named(scenario):
    for changes in NO_FIELDS:
        code, problem = await refused(scenario, **changes)

        assert ("invalid_request", next(iter(changes))) == (code, field_of(problem))


async def test_null_is_as_good_as_a_field_left_out(scenario, courier):
    nulls = dict.fromkeys(("cc", "bcc", "html", "attachments", "headers", "conversation_id"))
    file = FILE | {"content_type": None}
    wanted = {"enabled": True, "ttl_seconds": 600, "expiration_action": "approve"}
    await scenario.ask("PUT", f"/v1/agents/{BOT}/hitl", json=wanted)

    message_id = (await scenario.post(SEND, MAIL | nulls | {"attachments": [file]})).json["message_id"]
    before = (await scenario.get(f"/v1/reviews/{message_id}")).json
    changes = dict.fromkeys(("subject", "text", "html", "to", "cc", "bcc", "attachments", "revision"))
    answer = await scenario.ask("PATCH", f"/v1/reviews/{message_id}", json=changes)

    assert (200, before) == (answer.status, (await scenario.get(f"/v1/reviews/{message_id}")).json)
    assert ["application/octet-stream"] == [each["content_type"] for each in before["attachments"]]


async def test_a_mail_over_the_limit_is_too_large_however_it_comes_to_be(scenario):
    large = base64.b64encode(b"x" * 8_000_000).decode()
    before = await kept(scenario)
    for changes in ({"attachments": [FILE | {"data": large}]}, {"text": "x" * 11_000_000}):
        body = io.BytesIO(json.dumps(MAIL | changes).encode())
        answer = await scenario.ask("POST", SEND, data=body, headers={"Content-Type": "application/json"})

        assert (413, "mail_too_large") == answer.problem
    assert before == await kept(scenario)


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000,
        "<b" * 100_000,
        "<table><tr><td>" * 30_000,
        "<!--" * 100_000,
        "<a href='" + "x" * 500_000 + "'>",
        "&" * 100_000,
    ],
    ids=["nested", "unclosed", "tables", "comments", "long", "entities"],
)
async def test_a_bomb_of_html_goes_as_the_bytes_it_is(scenario, courier, html):
    assert 202 == (await scenario.post(SEND, MAIL | {"html": html})).status

    (raw,) = await sent(scenario, courier)
    part = message_from_bytes(raw, policy=policy.default).get_body(["html"])
    assert html == part.get_content().removesuffix("\n")


@pytest.mark.parametrize("charset", ["x-unknown", "utf-7", "idna", "rot13"])
async def test_a_file_of_an_unknown_charset_goes_as_the_bytes_it_is(scenario, courier, charset):
    odd = FILE | {"content_type": f"text/plain; charset={charset}"}
    assert 202 == (await scenario.post(SEND, MAIL | {"attachments": [odd]})).status

    (raw,) = await sent(scenario, courier)
    _, file = message_from_bytes(raw, policy=policy.compat32).get_payload()
    assert b"hello" == file.get_payload(decode=True)


async def test_an_edit_that_no_mail_could_be_leaves_the_mail_as_it_was(scenario, courier):
    wanted = {"enabled": True, "ttl_seconds": 600, "expiration_action": "approve"}
    await scenario.ask("PUT", f"/v1/agents/{BOT}/hitl", json=wanted)
    message_id = (await scenario.post(SEND, MAIL)).json["message_id"]
    before = (await scenario.get(f"/v1/reviews/{message_id}")).json

    for field, changes in odd_values():
        if field != "headers":
            for method, rest in (("PATCH", ""), ("POST", "/approve")):
                answer = await scenario.ask(method, f"/v1/reviews/{message_id}{rest}", json=changes)
                assert (422, "bad_draft") == answer.problem, (changes, answer.json)
                assert field == field_of(answer.json)

    assert before == (await scenario.get(f"/v1/reviews/{message_id}")).json
    assert [] == courier.taken


HOSTILE = (
    b"From: =?utf-8?q?Ana=0D=0ABcc:_eve@evil.example?= <ana@customer.example>\r\n"
    b"Reply-To: =?utf-8?b?" + base64.b64encode("A\r\nX-Evil: 1\u2028".encode()) + b"?= <ana@customer.example>\r\n"
    b"Subject: =?utf-8?q?hi=0D=0AX-Evil:_1=00=0D=0A=0D=0Aevil_body?=\r\n"
    b"Message-ID: <1\xff\rX-Evil:1@customer.example>\r\n"
    b"References: <2@customer.example>\nX-Evil: 1 <3\x00@x> <y\x01z> <=?utf-8?q?4=0D=0AX-Evil:1?=@x> <"
    + b"5"
    * 3000
    + b"@x>\r\n"
    b'Content-Type: text/plain; name="a\r\nX-Evil: 1"\r\n'
    b"\r\nhello\r\n.\r\nX-Evil: 1\r\n"
)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("reply", {"text": "hello"}),
        ("reply", {"text": "hello", "reply_all": True}),
        ("forward", {"to": ["bo@customer.example"], "text": "see below"}),
        ("forward", {"to": ["bo@customer.example"], "text": "see below", "whole": True}),
    ],
)
async def test_an_answer_to_a_hostile_mail_has_no_line_of_its_writer(scenario, courier, verb, body):
    about = {"from_name": "x", "subject": "hi", "email_message_id": None}
    message = await scenario.message(HOSTILE, mail_from="ana@customer.example", **about)

    answer = await scenario.post(f"/v1/agents/{BOT}/messages/{message.id}/{verb}", body)

    assert 202 == answer.status, answer.json
    (raw,) = await sent(scenario, courier)
    head, _, _ = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    names = [line.partition(b":")[0].lower() for line in lines if line[:1] not in b" \t"]
    assert {b"from", b"to", b"subject", b"message-id", b"date"} <= set(names) <= OURS, names
    assert len(names) == len(set(names))
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert all(line.isascii() and len(line) <= 998 and b"\0" not in line for line in lines)
    assert {"ana@customer.example"} == set(courier.taken[0][2]) or verb == "forward"


OURS = {
    *(b"from", b"to", b"cc", b"subject", b"message-id", b"date", b"in-reply-to", b"references", b"mime-version"),
    *(b"content-type", b"content-transfer-encoding", b"auto-submitted", b"x-mailseal-message-id"),
}


async def sent(scenario, courier):
    """The bytes of everything that has gone out, once all that is queued has."""
    now, lease = scenario.clock.now(), scenario.send_context.lease
    for outgoing in await scenario.store.write(lambda tx: claim_queued(tx, limit=10, lease=lease, now=now)):
        await send_queued(outgoing, ctx=scenario.send_context)
    return [raw for raw, *_ in courier.taken]
