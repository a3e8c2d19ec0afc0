"""The JSON that an agent gets."""

import base64
import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.events.inbound import RAW_INLINE_BYTES, event_body, message_data, message_item
from store.records.mail import Message
from tests.places import new_message

AT = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
LETTERS = Path(__file__).parent / "letters"
DATA_KEYS = {
    "message_id", "agent", "recipient", "tag", "conversation_id", "from", "reply_to", "to", "cc", "envelope", "subject", "date",
    "email_message_id", "in_reply_to", "references", "text", "html", "reply_text", "truncated", "attachments", "headers", "automated",
    "authentication", "auth_headers", "raw_size", "raw_sha256", "raw_url", "raw", "received_at",
    "automated_reason", "reply_to_foreign", "preview", "links", "codes", "hidden_text", "calendar", "report", "list", "parse",
}  # fmt: skip


def kept(raw: bytes, **changes) -> Message:
    """The row of a mail."""
    new = new_message("bot@agents.example", raw, at=AT)
    values = {name: getattr(new, name) for name in [each.name for each in fields(new)] if name != "parent_ids"}
    row = {"seq": 1, "direction": "inbound", "status": "unread", "conversation_id": "conv_1"}
    return Message(**(values | row | changes))


def told(raw: bytes, **changes):
    return message_data(kept(raw, **changes), raw, base_url="https://relay.example")


@pytest.mark.parametrize("letter", sorted(file.name for file in LETTERS.glob("*.eml")))
def test_everything_the_contract_names_is_there(letter):
    data = told((LETTERS / letter).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    assert data.keys() >= DATA_KEYS
    assert json.loads(json.dumps(data)) == data


def test_what_the_row_knows_is_told_of_the_row():
    data = told(b"\r\n", tag="eu", recipient="bot+eu@agents.example", mail_from="", tls=None, automated=True)

    assert {"mail_from": "", "rcpt_to": "bot+eu@agents.example", "remote_ip": "192.0.2.1", "helo": "mx.sender.example", "tls": None} == (
        data["envelope"]
    )  # fmt: skip
    assert ("bot@agents.example", "eu", "conv_1", True, "2026-11-23T15:17:00Z") == (
        data["agent"], data["tag"], data["conversation_id"], data["automated"], data["received_at"],
    )  # fmt: skip


def test_what_the_mail_says_is_told_of_the_mail():
    data = told(
        b"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>\r\nTo: a@b.example, B <b@b.example>\r\nCc: c@b.example\r\n"
        b"Reply-To: r@b.example\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nDate: Mon, 23 Nov 2026 16:17:00 +0100\r\n"
        b"Message-ID: <1@b>\r\nIn-Reply-To: <0@b>\r\nReferences: <a@b> <0@b>\r\n\r\nHi.\r\n"
    )

    expected = {
        "from": {"name": "Zoë", "address": "zoe@example.com"},
        "to": [{"name": "", "address": "a@b.example"}, {"name": "B", "address": "b@b.example"}],
        "cc": [{"name": "", "address": "c@b.example"}],
        "reply_to": [{"name": "", "address": "r@b.example"}],
        "subject": "Grüße",
        "date": "2026-11-23T15:17:00Z",
        "email_message_id": "<1@b>",
        "in_reply_to": "<0@b>",
        "references": ["<a@b>", "<0@b>"],
    }
    assert expected == {name: data[name] for name in expected}


def test_what_the_mail_does_not_say_is_null_or_empty():
    data = told(b"\r\n")

    assert {"from": None, "date": None, "email_message_id": None, "in_reply_to": None, "html": None} == {
        name: data[name] for name in ("from", "date", "email_message_id", "in_reply_to", "html")
    }
    assert ("", "", [], [], []) == (data["subject"], data["text"], data["to"], data["references"], data["attachments"])


def test_how_a_mail_was_read_is_told():
    data = told(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHi.\r\n")

    expected = {"charset": "us-ascii", "defects": ["a multipart has no end"], "attachments_truncated": False}
    assert expected == data["parse"]


def test_a_reply_tells_its_new_text_and_a_preview():
    data = told(
        b"Subject: Re: x\r\n\r\nYes,\r\n\r\nTuesday.\r\n\r\nOn 1 Jan 2026 at 10:00, B <b@b.example> wrote:\r\n> When?\r\n"
    )

    assert ("Yes,\n\nTuesday.", "Yes, Tuesday.") == (data["reply_text"], data["preview"])


def test_a_forward_is_told_whole():
    body = b"See below.\r\n\r\nFrom: B <b@b.example>\r\nSent: 1 Jan 2026 10:00\r\nTo: A\r\nSubject: x\r\n\r\nHelp.\r\n"

    assert told(b"Subject: FW: x\r\n\r\n" + body)["reply_text"].endswith("Help.")
    assert told(b"Subject: Re: x\r\n\r\n" + body)["reply_text"] == "See below."


def test_a_sign_in_code_is_told_with_its_words():
    data = told(b"Subject: Sign in\r\n\r\nYour code to sign in is 483920.\r\n")

    assert [{"code": "483920", "context": "Your code to sign in is 483920."}] == data["codes"]


def test_headers_are_told_in_their_order_with_repetitions():
    data = told(b"X-A: 1\r\nx-b: 2\r\nX-A: 3\r\n\r\n")

    assert [["X-A", "1"], ["x-b", "2"], ["X-A", "3"]] == data["headers"]


@pytest.mark.parametrize(("size", "inline"), [(RAW_INLINE_BYTES, True), (RAW_INLINE_BYTES + 1, False)])
def test_a_small_mail_carries_its_bytes(size, inline):
    raw = b"\r\n" + b"x" * (size - 2)

    data = told(raw)

    assert (base64.b64encode(raw).decode() if inline else None) == data["raw"]
    assert size == data["raw_size"]


def test_a_long_text_is_cut_and_says_so():
    data = told(b"\r\n" + "ü".encode() * 200_000)

    assert (True, True) == (data["truncated"], len(data["text"].encode()) <= 256 * 1024)


@pytest.mark.parametrize(
    "agent", ["bot+eu@agents.example", "*@agents.example", "a/b@agents.example", "zoë@agents.example"]
)
def test_links_hold_the_address_url_encoded(agent):
    data = told((LETTERS / "attachments.eml").read_bytes(), agent=agent)

    assert data["raw_url"].startswith("https://relay.example/v1/agents/")
    assert data["raw_url"].count("/") == 8
    assert all(
        each["url"].removesuffix(f"/attachments/{each['index']}") == data["raw_url"].removesuffix("/raw")
        for each in data["attachments"]
    )


def test_a_listed_message_says_what_a_list_needs_and_no_text():
    item = message_item(kept(b"\r\n", email_message_id="1@b"))

    assert ("unread", "<1@b>", {"name": "Bo", "address": "bo@sender.example"}, "hi") == (
        item["status"], item["email_message_id"], item["from"], item["subject"],
    )  # fmt: skip
    assert item.keys().isdisjoint({"text", "html", "raw", "headers", "reply_text"})


def test_a_listed_message_without_an_id_has_none():
    assert message_item(kept(b"\r\n"))["email_message_id"] is None


def test_an_event_stands_around_its_data():
    body = event_body(event_id="evt_1", event_type="email.received", at=AT, data={"text": "Grüße"})

    assert (
        '{"type":"email.received","id":"evt_1","timestamp":"2026-11-23T15:17:00Z","data":{"text":"Grüße"}}'
        == body.decode()
    )
