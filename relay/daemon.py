"""The daemon: join all parts, start them in order of their needs, stop them in reverse order."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from relay.bounds import make_api_limits, make_smtp_limits
from relay.clock import Clock, SystemClock
from relay.data_dir_lock import shared_lock, sole_process
from relay.database import open_database
from relay.delivery.attempt import DeliveryContext
from relay.delivery.dispatch import Dispatcher
from relay.delivery.post import Poster
from relay.delivery.trial import Trial, try_webhook
from relay.directory.agents import make_secret
from relay.dns.addresses import AddressLookup
from relay.dns.cache import FreshResolver
from relay.errors import Misconfigured, UnknownRecipient
from relay.gauges import watch_parts
from relay.inbound.admit import admit
from relay.inbound.receive import receive
from relay.jobs.letters import LetterRound
from relay.jobs.schedule import Scheduler
from relay.jobs.sending import Sending
from relay.limits.counts import OwnCounts
from relay.listening import show_address
from relay.log import set_level
from relay.loop_watch import make_loop_watch
from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.master_files import read_master
from relay.metrics import Metrics, program_version
from relay.outbound.couriers.registry import make_event_sources
from relay.peers_of_worker import Peers
from relay.reload import merge_settings
from relay.scheduling import make_scheduler
from relay.settings import Settings
from relay.smtp.replies import mail_outcome
from relay.smtp.server import SmtpServer
from relay.spool import Spool
from relay.store_health import StoreHealth
from relay.systemd import Sockets
from relay.web.access.context import WebContext, no_peers
from relay.web.app import make_app
from relay.web.http.server import WebServer
from relay.wiring import (
    make_certificates,
    make_dns_identity,
    make_peer_policy,
    make_receive_context,
    make_resolver,
    make_send_context,
)
from relay.worker_part import WorkerPart
from store.database.connect import database_file, place_of
from store.database.error_translation import cannot_use
from store.database.migrate import read_state
from store.database.pg_listener import listener_for
from store.directory.agents import POSTMASTER, ensure_operator_postmaster
from store.directory.domains import ensure_shared_domain
from store.directory.hosted import remember_domains
from store.engine import Store
from store.errors import StoreError, Unavailable
from store.mail.deliveries import end_first_claims
from store.outbound.unconfirmed import end_leases
from store.records.mail import Agent, Recipient
from store.transaction import Tx

SMTP_GRACE_SECONDS: Final = 60.0  # all graces together stay under the 120 s after which systemd kills
DELIVERY_GRACE_SECONDS: Final = 16.0
WEB_GRACE_SECONDS: Final = 5.0
JOBS_GRACE_SECONDS: Final = 5.0
SENDING_GRACE_SECONDS: Final = 20.0
_HEAVY_MAILS: Final = 2
log = structlog.get_logger("relay.daemon")


@contextlib.contextmanager
def _usable(store: Store) -> Iterator[None]:
    """Turn a store error during the start into Misconfigured, except that the database does not answer.

    Raises Unusable where a person must act first, such as on a file that cannot be written.
    """
    try:
        yield
    except Unavailable as error:
        raise cannot_use(error, place=place_of(store.engine.url)) from error.__cause__
    except StoreError as error:
        raise Misconfigured(str(error)) from error


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that SMTP and HTTP listen on."""

    smtp: Sequence[tuple[str, int]]
    http: Sequence[tuple[str, int]]


class Daemon:
    """Mailseal in one process: create, start and stop it on one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        may_migrate: bool | None = None,
        clock: Clock | None = None,
        store: Store | None = None,
        sockets: Sockets | None = None,
        part: WorkerPart | None = None,
    ) -> None:
        """Join all parts and open the database, but no socket; *store* is one that open_database returned.

        *sockets* that systemd bound, by name (``smtp``, ``http``), are used in place of the addresses of the settings.
        A worker has a *part*; its supervisor tells when
        the daemon starts and stops.

        Raises Misconfigured. Raises Unavailable: the database does not answer.
        """
        self._settings = settings
        self._clock = clock or SystemClock()
        self._metrics = Metrics()
        self._sockets = sockets or {}
        self._part = part
        self._counts = part.counts if part else OwnCounts()
        self._revision: str | None = None
        self._allow = list(settings.webhook_allow_cidrs)  # shared by those who use it, and changed by reload()
        self._loop_watch = make_loop_watch()
        certificates = make_certificates(settings)
        self.store = store or open_database(settings, now=self._clock.now(), may_migrate=may_migrate)
        self.master = read_master(settings)
        self._health = StoreHealth(self.store, self.master, settings, clock=self._clock)
        self._resolver = make_resolver(settings, metrics=self._metrics)
        policy = make_peer_policy(settings, self._resolver, clock=self._clock, metrics=self._metrics)
        self._receive_context = make_receive_context(
            settings,
            store=self.store,
            resolver=self._resolver,
            clock=self._clock,
            master=self.master,
            metrics=self._metrics,
        )
        self._send_context = make_send_context(
            settings, store=self.store, clock=self._clock, master=self.master, metrics=self._metrics
        )
        self._smtp = SmtpServer(
            admit=self._admit,
            receive=self._receive,
            check_peer=policy.check if policy.is_on else None,
            hostname=settings.hostname,
            limits=make_smtp_limits(settings),
            certificates=certificates,
            spool_directory=settings.spool_dir,
            metrics=self._metrics,
            counts=self._counts,
        )
        self._web = self._make_web_server()
        self._stack = contextlib.AsyncExitStack()
        self._open = False
        self.store.meter = self._metrics
        watch_parts(self._metrics, smtp=self._smtp, resolver=self._resolver, loop_watch=self._loop_watch)

    def _make_web_server(self) -> WebServer:
        ctx = self._ctx()
        return WebServer(
            make_app(ctx),
            ctx.limits,
            base_url=ctx.base_url,
            on_stop=ctx.close,
            count_bound=ctx.metrics.count_bound,
            counts=ctx.counts,
        )

    async def start(self) -> Addresses:
        """Start all parts, the SMTP listener last.

        Raises Misconfigured. Raises DaemonRuns, ListenAddressBusy, Unavailable: a later try may succeed.
        """
        async with contextlib.AsyncExitStack() as stack:
            self._end_old_leases()
            stack.enter_context(shared_lock(self._settings.data_dir))
            await self._open_store(stack)
            stack.push_async_callback(self._resolver.close)
            if self._send_context.courier is not None:
                stack.push_async_callback(self._send_context.courier.close)
            await self._begin_delivery(stack)
            self._begin_jobs(stack)
            http, smtp = self._sockets.get("http", ()), self._sockets.get("smtp", ())
            await self._web.start(() if http else self._settings.http_listen, sockets=http)
            stack.push_async_callback(self._web.stop, WEB_GRACE_SECONDS)
            await self._smtp.start(() if smtp else self._settings.smtp_listen, sockets=smtp)
            stack.push_async_callback(self._smtp.stop, SMTP_GRACE_SECONDS)
            self._loop_watch.start()
            stack.callback(self._loop_watch.stop)
            self._stack = stack.pop_all()
        self._open = True
        addresses = Addresses(smtp=self._smtp.addresses, http=self._web.addresses)
        if self._part is None:
            self._tell_start(addresses)
        return addresses

    def _tell_start(self, addresses: Addresses) -> None:
        log.info(
            "daemon_started",
            smtp=_shown(addresses.smtp),
            http=_shown(addresses.http),
            hostname=self._settings.hostname,
            version=program_version(),
            store=_store_name(self.store),
            outbound=self._settings.outbound,
            revision=self._revision,
        )

    async def stop(self) -> None:
        """Accept no new mail, let running work end within its grace, close all parts."""
        self._open = False
        if self._part is None:
            log.info("daemon_stopping")
        await self._stack.aclose()
        if self._part is None:
            log.info("daemon_stopped")

    def reload(self, new: Settings) -> None:
        """Use those of the *new* settings that can change meanwhile, and read the certificates again.

        Raises Misconfigured: a certificate cannot be used; then nothing changes.
        """
        found = merge_settings(self._settings, new)
        certificates = make_certificates(found.settings)
        self._settings = found.settings
        self._smtp.change(make_smtp_limits(found.settings), certificates)
        self._allow[:] = found.settings.webhook_allow_cidrs
        set_level(found.settings.log_level)
        log.info("settings_reloaded", changed=found.changed, needs_restart=found.waiting)

    def _end_old_leases(self) -> None:
        """End the leases that a dead daemon left on sends and deliveries, where no other process can be at them."""
        file = database_file(self._settings.database)
        if file is None or file.parent.resolve() != self._settings.data_dir.resolve():
            return  # other processes on this database may be sending
        with sole_process(self._settings.data_dir) as is_first, _usable(self.store):
            if is_first:
                self.store.run(lambda tx: end_leases(tx, now=self._clock.now()))
                self.store.run(lambda tx: end_first_claims(tx, now=self._clock.now()))

    async def _open_store(self, stack: contextlib.AsyncExitStack) -> None:
        self.store.start()
        stack.push_async_callback(self.store.stop)
        if self._part is not None:
            peers = Peers(self._part.bus, self.store, self._metrics, clock=self._clock)
            peers.start()
            stack.push_async_callback(peers.stop)
        commit_listener = listener_for(self.store)
        commit_listener.start()
        stack.push_async_callback(commit_listener.stop)
        with _usable(self.store):
            self._revision = await self.store.write(self._ensure_system_rows)

    def _ensure_system_rows(self, tx: Tx) -> str | None:
        """Make the rows that each store has, and return its revision."""
        now = self._clock.now()
        ensure_operator_postmaster(tx, secret=make_secret(POSTMASTER, master=self.master, now=now), now=now)
        if self._settings.shared_domain:
            ensure_shared_domain(tx, self._settings.shared_domain, now=now)
        remember_domains(tx, now=now)
        return read_state(tx.connection).found

    async def _begin_delivery(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self._settings
        addresses = AddressLookup(settings.dns_nameservers, count=self._metrics.count_bound)
        stack.push_async_callback(addresses.close)
        poster = Poster(
            clock=self._clock,
            allow=settings.webhook_allow_cidrs,
            total_seconds=settings.webhook_timeout_seconds,
            lookup=addresses,
            count=self._metrics.count_bound,
        )
        stack.push_async_callback(poster.close)
        self._delivery_context = DeliveryContext(
            store=self.store,
            poster=poster,
            clock=self._clock,
            master=self.master,
            base_url=settings.base_url,
            retry_seconds=settings.webhook_retry_seconds,
            heavy=asyncio.Semaphore(_HEAVY_MAILS),
            count=self._metrics.count_attempt,
            count_bound=self._metrics.count_bound,
        )
        dispatcher = Dispatcher(
            self._delivery_context,
            at_once=settings.webhook_max_in_flight,
            timeout_seconds=settings.webhook_timeout_seconds,
            memory_bytes=settings.webhook_memory_bytes,
        )
        dispatcher.start()
        self._receive_context = replace(self._receive_context, straight=dispatcher)
        stack.push_async_callback(dispatcher.stop, DELIVERY_GRACE_SECONDS)

    def _begin_jobs(self, stack: contextlib.AsyncExitStack) -> None:
        scheduler, letters, sending = self._scheduler(), LetterRound(self._send_context), Sending(self._send_context)
        for each in (scheduler, letters, sending):
            each.start()
        stack.push_async_callback(self._stop_jobs, scheduler, letters, sending)

    def _scheduler(self) -> Scheduler:
        return make_scheduler(
            self._settings,
            ctx=self._send_context,
            metrics=self._metrics,
            health=self._health,
            certificate_end=self._certificate_end,
            resolver=FreshResolver(self._resolver),
            is_first=self._part is None or self._part.number == 0,
        )

    def _certificate_end(self) -> datetime | None:
        certificates = self._smtp.certificates
        return certificates.ends_at if certificates is not None else None

    async def _stop_jobs(self, scheduler: Scheduler, letters: LetterRound, sending: Sending) -> None:
        """Stop jobs, workers and approvals: hand-overs that have begun may end, all others return to where they waited.

        The courier refuses first, so that a message which waits for the provider's quota is queued or pending again
        while the store is still open.
        """
        await asyncio.gather(
            self._send_context.stop_sending(SENDING_GRACE_SECONDS),
            scheduler.stop(JOBS_GRACE_SECONDS),
            letters.stop(JOBS_GRACE_SECONDS),
            sending.stop(SENDING_GRACE_SECONDS),
        )

    def _ctx(self) -> WebContext:
        return WebContext(
            store=self.store,
            clock=self._clock,
            base_url=self._settings.base_url,
            master=self.master,
            metrics=self._metrics,
            is_ready=self._is_ready,
            try_webhook=self._try_webhook,
            resolver=FreshResolver(self._resolver),
            dns_identity=make_dns_identity(self._settings),
            shared_domain=self._settings.shared_domain,
            allow=self._allow,
            max_message_bytes=self._settings.max_message_bytes,
            send_context=self._send_context,
            event_sources=make_event_sources(self._settings, self._send_context),
            limits=make_api_limits(self._settings),
            counts=self._counts,
            peer_metrics=self._part.bus.snapshots if self._part else no_peers,
        )

    async def _try_webhook(self, agent: Agent) -> Trial:
        return await try_webhook(agent, ctx=self._delivery_context)

    async def _is_ready(self) -> bool:
        return self._open and await self._health.is_good()

    async def _admit(self, address: Address) -> Recipient:
        self._health.require_own()
        try:
            return await admit(address, store=self.store, routes=self._receive_context.routes)
        except UnknownRecipient:
            await self._health.require_domains()
            raise

    async def _receive(self, envelope: Envelope, spool: Spool, recipients: Sequence[Recipient]) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            self._health.require_own()
            ids = await receive(envelope, spool, recipients, ctx=self._receive_context)
        except Exception as error:
            self._metrics.count_mail(mail_outcome(error))
            raise
        self._metrics.count_mail("accepted")
        self._metrics.observe_accept(loop.time() - began)
        return ids


def _store_name(store: Store) -> str:
    url = store.engine.url  # without user and password
    return (
        f"{url.get_backend_name()} {url.host}/{url.database}"
        if url.host
        else f"{url.get_backend_name()} {url.database}"
    )


def _shown(addresses: Sequence[tuple[str, int]]) -> list[str]:
    return [show_address(host, port) for host, port in addresses]
