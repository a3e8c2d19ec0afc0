"""One builder of received messages: what each row says, and that no other module builds one."""

import ast
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import pytest

from relay.directory.agents import make_secret
from relay.mail.address import Address
from relay.mail.envelope import Peer
from relay.mail.headers import split_headers
from relay.received_message import received_mail, received_message, verdict_without_checks
from relay.signing.agent_secret import open_secret
from relay.signing.seal import verify_seal
from store.records.mail import Recipient

RELAY = Path(__file__).resolve().parents[1] / "relay"
RAW = (
    b"From: Ana <ana@example.com>\r\n"
    b"Subject: Dinner\r\n"
    b"Message-ID: <2@example.com>\r\n"
    b"In-Reply-To: <1@example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n"
)
PEER = Peer(ip=ip_address("192.0.2.1"), helo="mx.example.com", tls="TLSv1.3", protocol="ESMTPS")
BOT = Address("Bot+eu", "agents.example")


@pytest.fixture
def recipient(clock, master):
    kept = make_secret("bot@agents.example", master=master, now=clock.now())
    return Recipient(address="bot@agents.example", on_unverified="deliver", key_id=kept.key_id, sealed=kept.sealed)


@pytest.fixture
def mail(clock):
    return received_mail(
        split_headers(RAW),
        verdict_without_checks("example.com", verified=True, detail="a test"),
        mail_from="ana@example.com",
        peer=PEER,
        sha256=sha256(RAW).hexdigest(),
        size=len(RAW),
        at=clock.now(),
    )


def built(mail, recipient, master):
    return received_message(mail, BOT, recipient, message_id="msg_1", master=master)


def test_a_row_names_the_agent_and_the_address_as_it_was_written(mail, recipient, master):
    message = built(mail, recipient, master)

    assert ("bot@agents.example", "Bot+eu@agents.example", "eu") == (message.agent, message.recipient, message.tag)


def test_a_row_says_what_the_header_and_the_connection_said(mail, recipient, master):
    message = built(mail, recipient, master)

    assert ("Ana", "ana@example.com", "Dinner") == (message.from_name, message.from_address, message.subject)
    assert ("2@example.com", ("1@example.com",)) == (message.email_message_id, message.parent_ids)
    assert ("192.0.2.1", "mx.example.com", "TLSv1.3") == (message.remote_ip, message.helo, message.tls)


def test_a_row_without_a_connection_names_no_peer(mail, recipient, master):
    message = built(replace(mail, peer=None), recipient, master)

    assert (None, None, None) == (message.remote_ip, message.helo, message.tls)


def test_the_seal_holds_and_says_the_same_as_the_row(mail, recipient, master):
    message = built(mail, recipient, master)
    headers = message.auth_headers

    assert verify_seal(headers, [open_secret(recipient, master=master)], RAW).holds
    assert (message.id, message.agent) == (headers["Mailseal-Message-Id"], headers["Mailseal-Recipient"])
    assert (message.from_address, message.mail_from) == (headers["Mailseal-Sender"], headers["Mailseal-Envelope-From"])
    assert (message.raw_sha256, recipient.key_id) == (headers["Mailseal-Body-Hash"], headers["Mailseal-Key-Id"])
    assert ("true", "example.com") == (headers["Mailseal-Verified"], headers["Mailseal-Verified-Domain"])


@pytest.mark.parametrize(
    ("delegation", "entity_type"), [("", "human"), ("agent=bot@agents.example;user=usr_1", "agent")]
)
def test_only_delegated_mail_is_sealed_as_an_agents(mail, recipient, master, delegation, entity_type):
    headers = built(replace(mail, delegation=delegation), recipient, master).auth_headers

    assert (entity_type, delegation) == (headers["Mailseal-Entity-Type"], headers["Mailseal-Delegation"])


@pytest.mark.parametrize(("mail_from", "automated"), [("", True), ("ana@example.com", False)])
def test_mail_with_a_null_path_is_automated(clock, mail_from, automated):
    verdict = verdict_without_checks("example.com", verified=False, detail="a test")
    mail = received_mail(
        split_headers(RAW), verdict, mail_from=mail_from, peer=PEER, sha256="00", size=1, at=clock.now()
    )

    assert automated == mail.summary.automated


def test_unverified_mail_has_no_verified_domain(clock):
    verdict = verdict_without_checks("example.com", verified=False, detail="a test")

    assert (False, None, "example.com") == (verdict.verified, verdict.verified_domain, verdict.header_from)
    assert "spf=none; dkim=none; dmarc=none; arc=none" == verdict.domain_check


@pytest.mark.parametrize("record", ["NewMessage", "Statement"])
def test_no_other_module_builds_a_received_message_or_its_seal(record):
    def calls(path):
        nodes = ast.walk(ast.parse(path.read_text()))
        return any(isinstance(node, ast.Call) and getattr(node.func, "id", None) == record for node in nodes)

    assert [RELAY / "received_message.py"] == [path for path in sorted(RELAY.rglob("*.py")) if calls(path)]
