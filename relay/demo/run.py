"""The demonstration: three messages from SMTP to a webhook and a poll agent, on this machine only.

Runs a daemon on a new SQLite store, a DNS server, a webhook endpoint and a polling client on the loopback
interface. The table shows what each of them observed.
"""

import asyncio
import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from relay import log
from relay.clock import SystemClock
from relay.daemon import Addresses, Daemon
from relay.database import make_database
from relay.demo.client import Api, Hook, send
from relay.demo.show import DemoResult, show_keys, show_rows, tell
from relay.demo.world import DOMAIN, HOSTNAME, OWNER, POLL_AGENT, WEBHOOK_AGENT, DemoMail, make_world
from relay.demo.zone_server import Zone, ZoneServer
from relay.directory import agents as making
from relay.directory import domains as proving
from relay.directory.keys import create_key
from relay.settings import Settings
from relay.signing.check import check_request
from relay.signing.secrets import Secret, parse_whsec
from relay.web.http.server import WebServer
from store.directory.users import bootstrap_user
from store.transaction import Tx

_LOOPBACK: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The running daemon and the servers and clients around it."""

    daemon: Daemon
    addresses: Addresses
    hook: Hook
    api: Api
    secret: Secret  # of the webhook agent
    data_dir: Path


async def run_demo(*, keep: bool) -> bool:
    """Send each message and print what arrived; true if all is as expected. *keep* then waits for Ctrl-C."""
    log.configure(form=None, level="error")
    tell("Starting a relay, a DNS server and a webhook endpoint on 127.0.0.1 ...")
    world = await asyncio.to_thread(make_world)
    async with AsyncExitStack() as stack:
        stage = await _set_up(stack, world.zone)
        tell(f"Sending {len(world.mails)} messages by SMTP, each to a webhook agent and a poll agent ...\n")
        rows = [await _follow(mail, stage) for mail in world.mails]
        show_rows(rows)
        if keep:
            show_keys(stage.addresses, stage.api, stage.data_dir)
            await asyncio.Event().wait()
    return all(row.is_right for row in rows)


async def _set_up(stack: AsyncExitStack, zone: Zone) -> _Stage:
    data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailseal-demo-")))
    dns = ZoneServer(zone)
    await dns.start()
    stack.push_async_callback(dns.stop)
    hook = Hook()
    endpoint = WebServer(hook.app())
    await endpoint.start([(_LOOPBACK, 0)])
    stack.push_async_callback(endpoint.stop, 1)
    settings = _settings(data_dir, dns.address)
    daemon = Daemon(settings, store=make_database(settings, now=SystemClock().now()))
    addresses = await daemon.start()
    stack.push_async_callback(daemon.stop)
    key, secret = await _fill(daemon, settings, hook_url=f"http://{_LOOPBACK}:{endpoint.addresses[0][1]}/hook")
    api = Api(settings.base_url, key)
    return _Stage(daemon=daemon, addresses=addresses, hook=hook, api=api, secret=secret, data_dir=data_dir)


def _settings(data_dir: Path, nameserver: tuple[str, int]) -> Settings:
    return Settings(
        data_dir=data_dir,
        hostname=HOSTNAME,
        smtp_listen=((_LOOPBACK, 0),),
        http_listen=((_LOOPBACK, _free_port()),),
        dns_nameservers=(nameserver,),
        webhook_allow_cidrs=(ip_network("127.0.0.0/8"),),
    )


async def _fill(daemon: Daemon, settings: Settings, *, hook_url: str) -> tuple[str, Secret]:
    """Create a user, a verified domain and two agents; returns an API key and the webhook agent's secret."""
    clock, master, allow = SystemClock(), daemon.master, settings.webhook_allow_cidrs

    def unit(tx: Tx) -> tuple[str, Secret]:
        now = clock.now()
        owner = bootstrap_user(tx, OWNER, now=now)
        proving.claim(tx, owner.id, DOMAIN, now=now)
        proving.accept(tx, owner.id, DOMAIN, master=master, now=now)
        for address, url in ((WEBHOOK_AGENT, hook_url), (POLL_AGENT, None)):
            making.create_agent(
                tx,
                owner.id,
                address,
                mode="webhook" if url else "poll",
                webhook_url=url,
                master=master,
                allow=allow,
                now=now,
            )
        _, plaintext = create_key(tx, owner.id, name="demo", now=now)
        shown = making.read_secrets(tx, WEBHOOK_AGENT, master=master, now=now)[0]["secret"]
        return plaintext, parse_whsec(shown or "")

    return await daemon.store.write(unit)


async def _follow(mail: DemoMail, stage: _Stage) -> DemoResult:
    """Send one message to both agents, and collect what reaches them."""
    smtp = stage.addresses.smtp[0]
    ids = await asyncio.to_thread(send, mail, [WEBHOOK_AGENT, POLL_AGENT], smtp)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        posted = await stage.hook.wait_for(ids[0])
    checked = check_request(
        {"headers": dict(posted.headers), "body": posted.body}, [stage.secret], now=SystemClock().now()
    )
    leased, acked = await asyncio.to_thread(_poll, stage.api)
    return DemoResult(mail=mail, ids=ids, body=posted.body, checked=checked, leased=leased, acked=acked)


def _poll(api: Api) -> tuple[str | None, bool]:
    """The id of the message that the poll agent leases, and whether its ack succeeded."""
    found = api.post(POLL_AGENT, "queue/lease", {"max": 1, "lease_seconds": 30, "wait": 5})["items"]
    if not found:
        return None, False
    acked = api.post(POLL_AGENT, "queue/ack", {"receipts": [found[0]["receipt"]]})["items"]
    return found[0]["message"]["message_id"], acked[0]["status"] == 200


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
