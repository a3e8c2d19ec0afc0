"""The daemon obeys the clock while its doors are open."""

import asyncio

import pytest
from aiosmtpd.smtp import SMTP

from relay.clock import SystemClock
from relay.outbound.review import approve
from store.mail.messages import KEPT_FOR
from store.outbound.letters_queue import enqueue_sign_in
from store.outbound.outbound import create_pending_outbound_message, get_outbound_message, resolve_outbound_owner
from tests.fakes import FakeClock
from tests.journeys.home import BOT, Home
from tests.places import Places, new_outbound


@pytest.fixture
def home(tmp_path, database_url):
    nobody = "127.0.0.1:9"  # no mail comes, so nobody is asked
    made = Home(tmp_path / "data", database_url, nobody, {"MAILSEAL_RETENTION_SWEEP_SECONDS": "0.05"})
    yield made
    made.close()


async def test_a_running_daemon_removes_what_is_past_its_time(home, master):
    home.agent()
    then = FakeClock(SystemClock().now() - KEPT_FOR)
    home.store.run(lambda tx: Places(then, master).message(tx, BOT))

    async with home.daemon() as relay, asyncio.timeout(20):
        count = b'mailseal_removed_rows_total{kind="messages"} 1.0'
        while count not in relay.daemon._metrics.render():  # noqa: ASYNC110 (counters have no event)
            await asyncio.sleep(0.01)


class Host:
    """A smarthost that keeps what it is given."""

    def __init__(self):
        self.mails = asyncio.Queue()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.put_nowait((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 Ok"


async def test_a_running_daemon_sends_a_letter_as_it_is_asked_for(tmp_path, sqlite_file_url, master):
    host = Host()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(host, hostname="out.example"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    chosen = {"OUTBOUND": "smtp", "SMTP_OUT_HOST": "127.0.0.1", "SMTP_OUT_PORT": str(port), "SMTP_OUT_TLS": "none"}
    more = {f"MAILSEAL_{name}": value for name, value in chosen.items()}
    home = Home(tmp_path / "data", sqlite_file_url, "127.0.0.1:9", more)
    user = home.store.run(Places(SystemClock(), master).user)

    async with home.daemon() as relay, asyncio.timeout(20):
        await relay.daemon.store.write(lambda tx: enqueue_sign_in(tx, user.id, now=SystemClock().now()))
        mail_from, recipients, content = await host.mails.get()

    home.close()
    server.close()
    assert ("<>", [user.email]) == (mail_from, recipients)
    assert b"/login/" in content


class SlowHost(Host):
    """Has the mail at once, and answers when the gate opens."""

    def __init__(self):
        super().__init__()
        self.gate = asyncio.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        await self.gate.wait()
        return answer


async def test_an_approval_under_way_ends_before_a_daemon_that_stops(tmp_path, database_url):
    host = SlowHost()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(host, hostname="out.example"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    chosen = {"OUTBOUND": "smtp", "SMTP_OUT_HOST": "127.0.0.1", "SMTP_OUT_PORT": str(port), "SMTP_OUT_TLS": "none"}
    home = Home(tmp_path / "data", database_url, "127.0.0.1:9", {f"MAILSEAL_{k}": v for k, v in chosen.items()})
    home.agent()
    held = new_outbound(BOT, at=SystemClock().now())
    home.store.run(lambda tx: create_pending_outbound_message(tx, held, ttl_seconds=600))
    owner = home.store.run(lambda tx: resolve_outbound_owner(tx, held.id))

    async with asyncio.timeout(40):
        async with home.daemon() as relay:
            asked = asyncio.ensure_future(approve(owner, held.id, ctx=relay.daemon._send_context))
            await host.mails.get()
            asked.cancel()  # as when the web's door closes
            asyncio.get_running_loop().call_later(0.3, host.gate.set)

    assert "sent" == home.store.run(lambda tx: get_outbound_message(tx, held.id)).status
    home.close()
    server.close()
