"""Letters on their way from a sender to the agent's webhook."""

import base64
import ssl
from hashlib import sha256
from urllib.parse import urlsplit

import pytest
import trustme
from standardwebhooks import Webhook

from tests.journeys.conftest import SILENT
from tests.journeys.home import BOT, HOOK
from tests.journeys.sender import BOUNCE, answered, letter, sent, signed_letter
from tests.one_database import on_sqlite


@pytest.fixture
def hook(home, sink):
    home.agent(HOOK, webhook=sink.url())


async def test_a_signed_letter_reaches_its_agent_and_proves_its_sender(home, sink, hook):
    mail = signed_letter()
    async with home.daemon() as relay:
        (message_id,) = await sent(relay.smtp, mail, HOOK)
        posted = await sink.got_about(message_id)

    data = Webhook(home.secret()).verify(posted.body, dict(posted.headers))["data"]
    verdict = data["authentication"]
    assert home.checked(posted).holds, home.checked(posted).reasons
    assert (True, "example.com") == (verdict["verified"], verdict["verified_domain"])
    assert ("pass", "pass", "pass") == (
        verdict["dmarc"]["result"],
        verdict["dkim"][0]["result"],
        verdict["spf"]["result"],
    )
    assert "Hi.\n\nWe lost the game. Are you hungry yet?" == data["text"].replace("\r\n", "\n").strip()
    assert base64.b64decode(data["raw"]).endswith(mail)


async def test_a_spoofed_letter_reaches_its_agent_and_is_told_apart(home, sink, hook):
    async with home.daemon() as relay:
        (message_id,) = await sent(relay.smtp, letter(), HOOK, mail_from="mallory@mallory.example")
        posted = await sink.got_about(message_id)

    verdict = posted.event["data"]["authentication"]
    assert (False, None, "example.com") == (verdict["verified"], verdict["verified_domain"], verdict["header_from"])
    assert ("fail", "reject") == (verdict["dmarc"]["result"], verdict["dmarc"]["policy"])
    assert ("false", "") == (posted.headers["Mailseal-Verified"], posted.headers["Mailseal-Verified-Domain"])
    assert home.checked(posted).holds


@on_sqlite
async def test_a_letter_that_was_changed_on_its_way_is_not_believed(home, sink, hook):
    async with home.daemon() as relay:
        changed = signed_letter().replace(b"hungry", b"thirsty")
        (message_id,) = await sent(relay.smtp, changed, HOOK, mail_from="list@lists.example")
        posted = await sink.got_about(message_id)

    verdict = posted.event["data"]["authentication"]
    assert (False, "fail") == (verdict["verified"], verdict["dkim"][0]["result"])


async def test_a_bounce_reaches_its_agent(home, sink, hook):
    async with home.daemon() as relay:
        (message_id,) = await sent(relay.smtp, BOUNCE, HOOK, mail_from="")
        posted = await sink.got_about(message_id)

    data = posted.event["data"]
    assert ("", True) == (data["envelope"]["mail_from"], data["automated"])
    assert "" == posted.headers["Mailseal-Envelope-From"]
    assert home.checked(posted).holds


async def test_a_letter_to_two_agents_is_two_messages(home, sink, hook):
    home.agent("second@agents.example", webhook=sink.url("/second"))
    async with home.daemon() as relay:
        first, second = await sent(relay.smtp, signed_letter(), HOOK, "second+tag@agents.example")
        mine, theirs = await sink.got_about(first), await sink.got_about(second)

    assert ("/hook", "/second", "tag") == (mine.path, theirs.path, theirs.event["data"]["tag"])
    assert home.checked(theirs, "second@agents.example").holds
    assert not home.checked(theirs, HOOK).holds


@on_sqlite
async def test_a_conversation_keeps_its_name(home, sink, hook):
    answer = letter(2).replace(b"Subject:", b"In-Reply-To: <1@example.com>\r\nSubject:")
    async with home.daemon() as relay:
        posted = [await sink.got_about((await sent(relay.smtp, mail, HOOK))[0]) for mail in (letter(1), answer)]

    first, second = (each.event["data"]["conversation_id"] for each in posted)
    assert first.startswith("conv_")
    assert first == second


async def test_a_large_letter_is_fetched_where_its_event_says(home, sink, hook):
    mail = letter() + (b"Are you hungry yet? " * 50 + b"\r\n") * 2_000
    async with home.daemon() as relay:
        (message_id,) = await sent(relay.smtp, mail, HOOK)
        data = (await sink.got_about(message_id)).event["data"]
        async with home.poller(relay.http, HOOK) as agent:
            status, raw = await agent.get(urlsplit(data["raw_url"]).path)

    assert (None, 200) == (data["raw"], status)
    assert (data["raw_size"], data["raw_sha256"]) == (len(raw), sha256(raw).hexdigest())
    assert raw.endswith(mail)


@on_sqlite
async def test_a_letter_over_tls_says_so(home, sink, hook, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    home.more = {
        "MAILSEAL_TLS_CERT_FILE": str(tmp_path / "cert.pem"),
        "MAILSEAL_TLS_KEY_FILE": str(tmp_path / "key.pem"),
    }
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with home.daemon() as relay:
        secured = await sink.got_about((await sent(relay.smtp, letter(1), HOOK, tls=trusting))[0])
        plain = await sink.got_about((await sent(relay.smtp, letter(2), HOOK))[0])

    assert "TLSv1.3" == secured.event["data"]["envelope"]["tls"]
    assert plain.event["data"]["envelope"]["tls"] is None


@on_sqlite
@pytest.mark.parametrize(
    ("expected", "mail", "mail_from"),
    [
        ((250, "2.0.0"), signed_letter(), "ana@example.com"),
        ((550, "5.7.26"), letter(), "mallory@mallory.example"),
        ((451, "4.7.26"), letter().replace(b"example.com", SILENT.encode()), f"ana@{SILENT}"),
    ],
    ids=["signed", "spoofed", "DNS is down"],
)
async def test_an_agent_may_take_only_verified_letters(home, expected, mail, mail_from):
    home.agent(on_unverified="reject")
    async with home.daemon() as relay:
        assert expected == await answered(relay.smtp, mail, BOT, mail_from=mail_from)

        async with home.poller(relay.http) as agent:
            assert (1 if expected[0] == 250 else 0) == len(await agent.lease())


@on_sqlite
async def test_a_letter_to_nobody_is_refused_at_once(home, hook):
    async with home.daemon() as relay:
        assert (550, "5.1.1") == await answered(relay.smtp, letter(), "nobody@agents.example")
