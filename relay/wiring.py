"""Build collaborators from the settings, for the daemon and the commands."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.auth.verdict import Verdict
from relay.clock import Clock
from relay.directory.dns_records import DnsIdentity
from relay.dns.cache import CacheLimits, CachingResolver
from relay.dns.resolver import Resolver
from relay.dns.shares import ShareLimits
from relay.inbound.limits import InboundLimits
from relay.inbound.peer_policy import PeerPolicy
from relay.inbound.receive import ReceiveContext
from relay.inbound.receive import uncounted as uncounted_copies
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers, header_end
from relay.mail.routes import Routes
from relay.metrics import Metrics
from relay.outbound.context import SendContext
from relay.outbound.couriers.registry import COURIERS, Couriers, find_courier, make_courier, make_identity_check
from relay.outbound.couriers.senders import Senders
from relay.outbound.feedback.mail_reports import settle_report
from relay.outbound.policy import Caps
from relay.settings import Settings
from relay.signing.secrets import MasterKey
from relay.smtp.tls import Certificates
from relay.spool import Spool
from store.engine import Store


class SenderAuthenticator:
    """Authenticates the sender of a message with one resolver and one DKIM key cache."""

    def __init__(self, resolver: Resolver, metrics: Metrics | None = None) -> None:
        self._resolver = resolver
        self._metrics = metrics or Metrics()
        self._keys = KeyCache()

    async def __call__(self, envelope: Envelope, headers: Headers, spool: Spool, *, now: datetime) -> Verdict:
        """The verdict on the message in *spool*. Never raises because of its content."""
        start = header_end(spool.head())
        verdict = await authenticate(
            envelope,
            headers,
            lambda: spool.chunks(start),
            resolver=self._resolver,
            keys=self._keys,
            now=now,
            body_size=spool.size - start,
            describes=True,
            count=self._metrics.count_bound,
        )
        self._metrics.count_verdict(verdict.dmarc.result, verified=verdict.verified)
        return verdict


def make_resolver(settings: Settings, *, metrics: Metrics | None = None) -> CachingResolver:
    """A caching resolver for the nameservers of the settings, else the system's; it counts into *metrics*."""
    metrics = metrics or Metrics()
    return CachingResolver(
        settings.dns_nameservers,
        limits=CacheLimits(bytes=settings.dns_cache_bytes),
        shares=ShareLimits(
            total=settings.dns_queries, peer=settings.dns_queries_per_peer, mail=settings.dns_queries_per_mail
        ),
        count=metrics.count_bound,
        observe=metrics.observe_dns,
    )


def make_certificates(settings: Settings) -> Certificates | None:
    """The certificates of the SMTP server; None where the settings name none. Raises Misconfigured."""
    return Certificates(settings.tls_cert_file, settings.tls_key_file) if settings.tls_cert_file else None


def make_peer_policy(settings: Settings, resolver: Resolver, *, clock: Clock, metrics: Metrics) -> PeerPolicy:
    """The block lists and the greylist of the settings."""
    return PeerPolicy(
        resolver,
        zones=settings.smtp_dnsbl,
        greylist_seconds=settings.smtp_greylist_seconds,
        clock=clock,
        count=metrics.count_bound,
    )


def make_routes(settings: Settings) -> Routes:
    """The recipient lookup rules, with the addresses of the operator."""
    return Routes(
        hostname=settings.hostname,
        postmaster=settings.postmaster,
        shared_domain=settings.shared_domain,
        letters_domain=settings.outbound_from_domain,
    )


def make_dns_identity(settings: Settings) -> DnsIdentity:
    """The host name and provider that DNS records of domains must name."""
    return DnsIdentity(hostname=settings.hostname, sending=find_courier(settings).records)


def make_send_context(
    settings: Settings,
    *,
    store: Store,
    clock: Clock,
    master: MasterKey,
    metrics: Metrics | None = None,
    couriers: Couriers = COURIERS,
) -> SendContext:
    """The collaborators of submitting, reviewing and sending; they count into *metrics*. Raises Misconfigured."""
    metrics = metrics or Metrics()
    return SendContext(
        store=store,
        clock=clock,
        master=master,
        routes=make_routes(settings),
        base_url=settings.base_url,
        courier=make_courier(settings, couriers, count=metrics.count_bound),
        senders=Senders(
            from_domain=settings.outbound_from_domain,
            identity_check=make_identity_check(settings, couriers),
            letters_take_null_path=find_courier(settings, couriers).takes_null_path,
        ),
        tags_return_path=settings.smtp_out_return_tag and find_courier(settings, couriers).keeps_return_path,
        caps=Caps(
            sends_per_hour=settings.outbound_sends_per_hour,
            replies_per_conversation_hour=settings.outbound_replies_per_conversation_hour,
            new_recipients_per_day=settings.outbound_new_recipients_per_day,
            user_sends_per_hour=settings.outbound_user_sends_per_hour,
            user_new_recipients_per_day=settings.outbound_user_new_recipients_per_day,
        ),
        max_bytes=settings.outbound_max_bytes,
        count=metrics.count_send,
    )


def make_inbound_limits(settings: Settings) -> InboundLimits:
    """The limits of received mails."""
    return InboundLimits(
        header_bytes=settings.max_header_bytes,
        header_fields=settings.max_header_fields,
        own_hops=settings.max_own_hops,
        known_for=timedelta(seconds=settings.duplicate_seconds),
    )


def make_receive_context(
    settings: Settings,
    *,
    store: Store,
    resolver: Resolver,
    clock: Clock,
    master: MasterKey,
    metrics: Metrics | None = None,
    knows_copies: bool = True,
) -> ReceiveContext:
    """The collaborators of receiving a message; without *knows_copies* the same mail is stored again."""
    limits = make_inbound_limits(settings)
    return ReceiveContext(
        store=store,
        judge=SenderAuthenticator(resolver, metrics),
        clock=clock,
        master=master,
        routes=make_routes(settings),
        limits=limits if knows_copies else replace(limits, known_for=timedelta(0)),
        settle_report=partial(settle_report, ctx=_feedback_context(settings, store=store, clock=clock, master=master)),
        count_repeated=metrics.count_repeated if metrics is not None else uncounted_copies,
    )


def _feedback_context(settings: Settings, *, store: Store, clock: Clock, master: MasterKey) -> SendContext:
    """The collaborators of applying a report, which hands nothing over."""
    return SendContext(
        store=store,
        clock=clock,
        master=master,
        routes=make_routes(settings),
        base_url=settings.base_url,
        courier=None,
        senders=Senders(from_domain=settings.outbound_from_domain),
    )
