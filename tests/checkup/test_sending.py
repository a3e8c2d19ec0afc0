"""What a provider says of its account, asked over a real line."""

import socket

import pytest
import trustme

from relay.checkup.sending import check_sending
from relay.outbound.feedback.event_source import events_secret
from relay.settings import load
from relay.signing.secrets import master_key
from tests.aws import pretend
from tests.outbound.couriers.host import Host
from tests.outbound.lines import SpokenSes

OUT = {"OUTBOUND": "smtp", "SMTP_OUT_HOST": "127.0.0.1"}
ME = {"SMTP_OUT_USERNAME": "me", "SMTP_OUT_PASSWORD": "right"}
GOOD = {"SendingEnabled": True, "ProductionAccessEnabled": True}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    pretend(monkeypatch)


def settings(port, **more):
    chosen = {"OUTBOUND": "ses", "SES_REGION": "eu-west-1", "SES_ENDPOINT_URL": f"http://127.0.0.1:{port}"} | more
    return load({f"MAILSEAL_{name}": value for name, value in chosen.items()})


@pytest.fixture
async def host(monkeypatch, tmp_path):
    """A smarthost whose certificate this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with Host(authority) as opened:
        yield opened


def smarthost_settings(port, **more):
    chosen = OUT | {"SMTP_OUT_PORT": str(port)} | more
    return load({f"MAILSEAL_{name}": value for name, value in chosen.items()})


@pytest.mark.parametrize(
    ("tls", "signed_in", "seen"),
    [
        ("starttls", ME, "answers by STARTTLS and let us in"),
        ("tls", ME, "answers by TLS and let us in"),
        ("starttls", {}, "answers by STARTTLS"),
        ("none", {}, "answers in clear"),
    ],
)
async def test_a_smarthost_is_signed_in_to_and_gets_no_mail(host, tls, signed_in, seen):
    [found] = await check_sending(smarthost_settings(host.ports[tls], SMTP_OUT_TLS=tls, **signed_in), domains=[])

    assert ("smarthost", "ok", f"127.0.0.1:{host.ports[tls]} {seen}") == (found.name, found.state, found.seen)
    assert [] == host.mails


@pytest.mark.parametrize(
    ("tls", "more", "words"),
    [
        ("starttls", ME | {"SMTP_OUT_PASSWORD": "wrong"}, "535"),
        ("none", {"SMTP_OUT_TLS": "starttls"}, "STARTTLS"),
        ("none", {"SMTP_OUT_TLS": "tls"}, "SSL"),
        ("starttls", {"SMTP_OUT_HOST": "localhost"}, "CERTIFICATE_VERIFY_FAILED"),
        ("starttls", {"SMTP_OUT_USERNAME": "me", "SMTP_OUT_PASSWORD_FILE": "/no/such/file"}, "/no/such/file"),
    ],
)
async def test_a_smarthost_that_does_not_take_mail_is_quoted(host, tls, more, words):
    [found] = await check_sending(smarthost_settings(host.ports[tls], **more), domains=[])

    assert ("failing", True) == (found.state, words in found.seen), found.seen


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (GOOD, "ok"),
        (GOOD | {"ProductionAccessEnabled": False}, "warning"),
        (GOOD | {"SendingEnabled": False}, "failing"),
    ],
)
async def test_an_account_may_send_to_everybody(account, state):
    async with SpokenSes(account=account) as ses:
        assert [state] == [each.state for each in await check_sending(settings(ses.port), domains=[])]


async def test_domains_that_are_not_proved_to_the_provider_are_named():
    async with SpokenSes(account=GOOD, identities=["agents.example"]) as ses:
        chosen = settings(ses.port, OUTBOUND_FROM_DOMAIN="out.example")
        found = await check_sending(chosen, domains=["agents.example", "out.example", "new.example"])

    assert [("SES", "ok"), ("SES out.example", "warning"), ("SES new.example", "warning")] == [
        (each.name, each.state) for each in found
    ]


async def test_a_provider_that_refuses_is_quoted():
    async with SpokenSes() as ses:
        [found] = await check_sending(settings(ses.port), domains=[])

    assert ("failing", True, True) == (found.state, "AccessDenied" in found.seen, "ses:GetAccount" in found.remedy)


async def test_a_provider_that_is_not_there_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert ["failing"] == [each.state for each in await check_sending(settings(port), domains=[])]


async def test_where_nothing_leaves_nobody_is_asked():
    assert ["skipped"] == [each.state for each in await check_sending(load({}), domains=[])]


async def test_a_region_that_nobody_names_is_said():
    [found] = await check_sending(load({"MAILSEAL_OUTBOUND": "ses"}), domains=[])

    assert ("failing", True) == (found.state, "region" in found.seen)


TOPIC = "arn:aws:sns:eu-west-1:123456789012:mails"
LISTENING = {"SES_TOPIC_ARN": TOPIC, "PUBLIC_URL": "https://mx.here.example/"}
OWN_SECRET = "a-secret-of-the-operator-s"


async def of_events(**more):
    async with SpokenSes(account=GOOD) as ses:
        found = await check_sending(settings(ses.port, **more), domains=[])
    return [(each.state, each.seen) for each in found if each.name == "SES events"]


async def test_where_the_topic_is_to_post_to_is_told():
    address = f"subscribe {TOPIC} to https://mx.here.example/ses/events/{OWN_SECRET}"

    assert [("ok", address)] == await of_events(**LISTENING, SES_EVENTS_SECRET=OWN_SECRET)


async def test_where_the_topic_is_to_post_to_follows_from_the_master_key():
    secret_key = "a master key for tests only"
    secret = events_secret(master_key(secret_key.encode()), "ses")

    [(state, seen)] = await of_events(**LISTENING, SECRET_KEY=secret_key)

    assert ("ok", True) == (state, seen.endswith(f"/ses/events/{secret}"))


@pytest.mark.parametrize("content", [None, b"short"])
async def test_looking_makes_no_master_key(tmp_path, content):
    file = tmp_path / "secret.key"
    if content is not None:
        file.write_bytes(content)

    assert ["skipped"] == [state for state, _ in await of_events(**LISTENING, SECRET_KEY_FILE=str(file))]
    assert file.exists() == (content is not None)


async def test_a_topic_that_nobody_can_reach_us_from_is_said():
    assert [("warning", f"{TOPIC} cannot post to http://127.0.0.1:8025")] == await of_events(SES_TOPIC_ARN=TOPIC)


async def test_without_a_topic_there_is_nothing_to_tell():
    assert [] == await of_events()


async def test_the_topic_is_told_of_although_the_account_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    found = await check_sending(settings(port, **LISTENING, SES_EVENTS_SECRET=OWN_SECRET), domains=[])

    assert [("SES", "failing"), ("SES events", "ok")] == [(each.name, each.state) for each in found]
