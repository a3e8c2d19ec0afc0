"""The check of a whole webhook request kept as JSON."""

import base64
import copy
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.signing.check import check_request
from relay.signing.seal import Statement, seal
from relay.signing.secrets import Secret
from relay.signing.webhook import sign

RAW = b"Return-Path: <>\r\n\r\nHi\r\n"
SECRET = Secret(bytes(range(32)))
OLD_SECRET = Secret(b"o" * 32)
NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
STATEMENT = Statement(
    message_id="msg_01",
    recipient="grüße@agents.example",
    sender="ana@example.com",
    envelope_from="",
    entity_type="human",
    delegation="",
    verified=False,
    verified_domain=None,
    domain_check="spf=none; dkim=none; dmarc=none; arc=none",
    timestamp=NOW,
    body_hash=hashlib.sha256(RAW).hexdigest(),
    key_id="key_01",
)


def event(**data):
    return {
        "type": "email.received",
        "id": "evt_01",
        "data": {
            "message_id": "msg_01",
            "agent": "grüße@agents.example",
            "authentication": {"verified": False, "verified_domain": None},
            "auth_headers": seal(STATEMENT, SECRET),
            "raw_sha256": STATEMENT.body_hash,
            "raw": base64.b64encode(RAW).decode(),
        }
        | data,
    }


def request(content, secret=SECRET):
    """The document of a request with *content*, signed over the bytes that are sent."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    headers = sign("evt_01", NOW, body.encode(), [secret]) | seal(STATEMENT, SECRET)
    return {"headers": headers, "body": body}


def test_a_genuine_request_holds():
    check = check_request(request(event()), [SECRET], now=NOW)

    assert check.holds
    assert check.fresh is True
    assert check.reasons == ()
    assert check.notes == ()


def test_the_report_is_plain_json():
    report = json.loads(json.dumps(check_request(request(event()), [SECRET], now=NOW).to_dict()))

    assert report == {
        "holds": True,
        "fresh": True,
        "age_seconds": 0,
        "webhook_signature": True,
        "seal_signature": True,
        "body_hash": True,
        "reasons": [],
        "notes": [],
    }


def test_headers_may_be_pairs_or_lists_of_values():
    document = request(event())
    pairs = [[name, value] for name, value in document["headers"].items()]
    lists = {name: [value] for name, value in document["headers"].items()}

    assert check_request(document | {"headers": pairs}, [SECRET], now=NOW).holds
    assert check_request(document | {"headers": lists}, [SECRET], now=NOW).holds


def test_an_old_request_still_holds_and_is_told_to_be_old():
    check = check_request(request(event()), [SECRET], now=NOW + timedelta(days=30))

    assert check.holds
    assert check.fresh is False
    assert check.reasons == ("the webhook timestamp is more than five minutes from now",)


def test_without_a_clock_age_is_not_judged():
    check = check_request(request(event()), [SECRET])

    assert check.holds
    assert check.fresh is None


def test_either_secret_of_a_rotation_will_do():
    assert check_request(request(event(), OLD_SECRET), [OLD_SECRET, SECRET]).holds


def test_another_secret_breaks_both_signatures():
    check = check_request(request(event()), [OLD_SECRET])

    assert not check.holds
    assert not check.webhook.signature
    assert not check.seal.signature


def test_a_body_given_parsed_is_written_out_again_and_that_is_said():
    document = request(event())
    check = check_request(document | {"body": json.loads(document["body"])}, [SECRET], now=NOW)

    assert check.holds
    assert "serialised again" in check.notes[0]


def test_a_changed_body_breaks_only_the_webhook_signature():
    document = request(event())
    check = check_request(document | {"body": document["body"] + " "}, [SECRET], now=NOW)

    assert not check.holds
    assert check.seal.holds


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("the body's message_id differs from the header", {"message_id": "msg_02"}),
        ("the body's message_id differs from the header", {"message_id": 5}),
        ("the body's agent differs from the header", {"agent": "other@agents.example"}),
        ("the body's raw_sha256 differs from the header", {"raw_sha256": "0" * 64}),
        (
            "the body's verified differs from the header",
            {"authentication": {"verified": True, "verified_domain": None}},
        ),
        ("the body's verified_domain differs from the header", {"authentication": {"verified_domain": "bank.example"}}),
        ("the body's auth_headers mailseal-sender differs from the header", {"auth_headers": {"Mailseal-Sender": "x"}}),
        ("the body's raw is not valid base64", {"raw": "!"}),
        ("the body's raw is not valid base64", {"raw": ["x"]}),
        ("the body's raw is not valid base64", {"raw": "é"}),
        ("the message's bytes do not match the sealed hash", {"raw": base64.b64encode(b"other").decode()}),
    ],
)
def test_a_body_that_says_otherwise_than_the_seal_does_not_hold(expected, changes):
    check = check_request(request(event(**changes)), [SECRET], now=NOW)

    assert not check.holds
    assert (expected,) == check.reasons


def test_a_large_mails_missing_bytes_are_noted_and_held_against_nobody():
    check = check_request(request(event(raw=None)), [SECRET], now=NOW)

    assert check.holds
    assert check.seal.body_hash is None
    assert "no raw message" in check.notes[0]


def test_the_events_id_must_be_the_requests():
    check = check_request(request(event() | {"id": "evt_02"}), [SECRET], now=NOW)

    assert check.reasons == ("the body's id differs from the header",)


def test_an_event_about_no_received_mail_needs_no_seal():
    body = json.dumps({"type": "email.sent", "id": "evt_01", "data": {}})
    document = {"headers": sign("evt_01", NOW, body.encode(), [SECRET]), "body": body}
    check = check_request(document, [SECRET], now=NOW)

    assert check.holds
    assert check.seal is None
    assert check.to_dict()["seal_signature"] is None


def test_a_seal_on_another_event_is_judged_too():
    body = json.dumps({"type": "email.sent", "id": "evt_01", "data": {}})
    headers = sign("evt_01", NOW, body.encode(), [SECRET]) | seal(STATEMENT, OLD_SECRET)

    assert not check_request({"headers": headers, "body": body}, [SECRET], now=NOW).holds


def test_a_received_mail_without_its_seal_does_not_hold():
    body = json.dumps(event())
    document = {"headers": sign("evt_01", NOW, body.encode(), [SECRET]), "body": body}

    assert len(check_request(document, [SECRET]).seal.missing) == 14


def test_a_header_with_two_values_is_not_believed():
    document = request(event())
    pairs = [*document["headers"].items(), ("mailseal-verified", "true")]
    check = check_request(document | {"headers": pairs}, [SECRET], now=NOW)

    assert not check.holds
    assert check.reasons == ("the header mailseal-verified is given twice",)


def test_a_header_repeated_with_the_same_value_is_one():
    document = request(event())

    assert check_request(document | {"headers": [*document["headers"].items()] * 2}, [SECRET], now=NOW).holds


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"headers": None, "body": None},
        {"headers": [["a"], "b", [1, 2], None], "body": 5},
        {"headers": {"webhook-id": 5}, "body": ""},
        {"headers": {}, "body": "[]"},
        {"headers": {}, "body": "[" * 100_000},
        {"headers": {}, "body": '{"data": ' + "9" * 5000 + "}"},
        {"headers": {}, "body": '{"data": {"authentication": 5, "auth_headers": [], "raw": {}}}'},
        {"headers": {}, "body": {"text": "\ud800"}},
        {"headers": {}, "body": "\ud800"},
    ],
)
def test_a_document_of_any_form_is_reported_and_never_raises(document):
    check = check_request(document, [SECRET], now=NOW)

    assert not check.holds
    assert check.reasons


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3)


@given(st.sampled_from(sorted(event()["data"])), JSON)
def test_no_value_in_the_body_raises_anything(name, value):
    document = copy.deepcopy(request(event(**{name: value})))

    assert check_request(document, [SECRET], now=NOW).webhook.signature
