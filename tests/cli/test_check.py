"""Judging by hand: a mail's sender, and a webhook request's signatures."""

import json

import pytest

from relay.events.inbound import event_body, message_data
from relay.signing.check import RECEIVED
from relay.signing.secrets import parse_whsec
from relay.signing.webhook import sign
from store.database.connect import open_store, sqlite_url
from store.mail.bodies import read_body
from store.mail.messages import find_message
from tests.auth.mails import signed
from tests.cli.conftest import HOOK

FROM_ANA = ("--ip", "192.0.2.1", "--mail-from", "ana@example.com", "--helo", "mx.example.com")
FROM_EVE = ("--ip", "203.0.113.9", "--mail-from", "eve@evil.example", "--helo", "mx.evil.example")


@pytest.fixture
def judge(empty, tmp_path, nameserver):
    """What `check` says of a mail, with example.com's zone or another."""

    def check(*arguments, mail=b"From: ana@example.com\n\nHi.\n", records=None):
        empty.settings["MAILSEAL_DNS_NAMESERVERS"] = nameserver(records)
        file = tmp_path / "mail.eml"
        file.write_bytes(mail)
        return empty.json("check", str(file), *arguments)

    return check


def test_a_mail_is_verified_by_where_it_came_from(judge):
    verdict = judge(*FROM_ANA)

    assert (True, "example.com", "pass", "pass") == (
        verdict["verified"], verdict["verified_domain"], verdict["spf"]["result"], verdict["dmarc"]["result"],
    )  # fmt: skip


def test_a_mail_is_verified_by_its_signature(judge):
    verdict = judge(*FROM_EVE, mail=signed().replace(b"\r\n", b"\n"))

    assert (True, ["pass"]) == (verdict["verified"], [signature["result"] for signature in verdict["dkim"]])


def test_a_forged_mail_is_not_verified(judge):
    verdict = judge(*FROM_EVE)

    assert (False, None, "fail", "reject") == (
        verdict["verified"], verdict["verified_domain"], verdict["dmarc"]["result"], verdict["dmarc"]["policy"],
    )  # fmt: skip


def test_a_bounce_is_judged_by_the_name_of_its_host(judge):
    verdict = judge("--ip", "192.0.2.1", "--mail-from", "", "--helo", "mx.example.com")

    assert "mx.example.com" == verdict["spf"]["domain"]


def test_a_verdict_is_printed_for_eyes_too(judge, empty, tmp_path):
    judge(*FROM_ANA)

    shown = empty.ok("check", str(tmp_path / "mail.eml"), *FROM_ANA)

    assert ["verified", "yes"] == shown.splitlines()[0].split()


def test_judging_keeps_nothing(judge, empty):
    empty.ok("init")
    judge(*FROM_ANA)

    assert [] == empty.json("message", "list")["items"]


def test_judging_needs_no_database(judge, empty):
    empty.settings["MAILSEAL_DATABASE_URL"] = "postgresql://127.0.0.1:1/none"

    assert judge(*FROM_ANA)["verified"]


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["--ip", "300.1.1.1", "--mail-from", "a@b.example", "--helo", "x"], 2, "'300.1.1.1' is not an IP address"),
        (["--ip", "192.0.2.1", "--mail-from", "no address", "--helo", "x"], 1, "not an address: 'no address'"),
        (["--ip", "192.0.2.1", "--helo", "x"], 2, "Missing option '--mail-from'"),
    ],
)
def test_what_cannot_be_judged_says_why(empty, mail, arguments, status, why):
    result = empty.run("check", str(mail), *arguments)

    assert (status, True, "") == (result.exit_code, why in result.stderr, result.stdout)


@pytest.fixture(scope="module")
def request_document(posted):
    """The webhook request of the posted mail, and the secret that signs it."""
    (secret,) = posted.json("agent", "show", HOOK, "--secret")["secrets"]
    store = open_store(sqlite_url(f"{posted.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    message = store.run(lambda tx: find_message(tx, posted.ids[1]))
    raw = store.run(lambda tx: read_body(tx, message.raw_sha256))
    store.engine.dispose()
    data = message_data(message, raw, base_url="https://relay.example")
    body = event_body(event_id="evt_1", event_type=RECEIVED, at=message.received_at, data=data)
    headers = sign("evt_1", message.received_at, body, [parse_whsec(secret["secret"])]) | message.auth_headers
    return {"headers": headers, "body": body.decode()}, secret["secret"]


@pytest.fixture
def verify(empty, tmp_path, request_document):
    """What `verify-seal` does with a request after a change to it."""
    document, secret = request_document

    def after(change=lambda document: document, *arguments, secret=secret):
        file = tmp_path / "request.json"
        file.write_text(json.dumps(change(json.loads(json.dumps(document)))))
        return empty.run("verify-seal", str(file), "--secret", secret, *arguments)

    return after


def test_a_request_of_ours_holds(verify):
    result = verify(lambda document: document, "--json")

    found = json.loads(result.stdout)
    assert (0, True, True, True, True, []) == (
        result.exit_code, found["holds"], found["webhook_signature"], found["seal_signature"], found["body_hash"], found["reasons"],
    )  # fmt: skip


def test_a_request_that_holds_says_so_for_eyes(verify):
    assert ["holds", "yes"] == verify().stdout.splitlines()[0].split()


def without_seal(document):
    del document["headers"]["Mailseal-Signature"]
    return document


def other_sender(document):
    document["headers"]["Mailseal-Sender"] = "eve@evil.example"
    return document


def other_body(document):
    document["body"] = document["body"].replace("Hi.", "Ho.")
    return document


def later(document):
    document["headers"]["webhook-timestamp"] = "1999999999"
    return document


@pytest.mark.parametrize(
    "change", [without_seal, other_sender, other_body, later, lambda _: {}, lambda _: [], lambda _: None]
)
def test_a_changed_request_fails(verify, change):
    result = verify(change, "--json")

    found = json.loads(result.stdout)
    assert (1, False, True) == (result.exit_code, found["holds"], bool(found["reasons"]))


def test_another_agents_secret_fails(verify):
    result = verify(lambda document: document, "--json", secret="whsec_" + "A" * 43 + "=")

    found = json.loads(result.stdout)
    assert (1, False, False) == (result.exit_code, found["webhook_signature"], found["seal_signature"])


@pytest.mark.parametrize("secret", ["swordfish", "whsec_", "whsec_!!!!swordfish"])
def test_what_is_no_secret_says_so_without_repeating_it(verify, secret):
    result = verify(secret=secret)

    assert (1, "", True) == (result.exit_code, result.stdout, result.stderr.startswith("mailseal: "))
    assert "swordfish" not in result.stderr


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe"])
def test_a_file_that_is_no_json_says_so(empty, tmp_path, content):
    file = tmp_path / "request.json"
    file.write_bytes(content)

    result = empty.run("verify-seal", str(file), "--secret", "whsec_" + "A" * 43 + "=")

    assert (2, True) == (result.exit_code, "is not JSON" in result.stderr)
