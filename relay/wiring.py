"""Build collaborators from the settings, for the daemon and the commands."""

from collections.abc import Callable
from datetime import datetime

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.auth.verdict import Verdict
from relay.clock import Clock
from relay.directory.dns_records import DnsIdentity
from relay.dns.cache import CachingResolver
from relay.dns.resolver import Resolver
from relay.errors import Misconfigured
from relay.inbound.receive import ReceiveContext
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers, header_end
from relay.mail.routes import Routes
from relay.metrics import SendOutcome
from relay.outbound.context import SendContext, uncounted
from relay.outbound.couriers.factory import make_courier, make_identity_check
from relay.outbound.couriers.senders import Senders
from relay.outbound.feedback.ses_events import SesEvents
from relay.outbound.feedback.sns import SnsApi
from relay.outbound.policy import Caps
from relay.settings import Settings, master_secret
from relay.signing.events_secret import events_secret
from relay.signing.secrets import MasterKey, master_key
from relay.spool import Spool
from store.database import migrate
from store.database.connect import open_store
from store.engine import Store
from store.errors import InvalidValue, StoreError


class SenderAuthenticator:
    """Authenticates the sender of a message with one resolver and one DKIM key cache."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._keys = KeyCache()

    async def __call__(self, envelope: Envelope, headers: Headers, spool: Spool, *, now: datetime) -> Verdict:
        """The verdict on the message in *spool*. Never raises because of its content."""
        start = header_end(spool.head())
        return await authenticate(
            envelope,
            headers,
            lambda: spool.chunks(start),
            resolver=self._resolver,
            keys=self._keys,
            now=now,
            body_size=spool.size - start,
        )


def open_database(settings: Settings, *, may_migrate: bool | None = None) -> Store:
    """Open the database of the settings and check its schema revision.

    SQLite is migrated to the newest revision; PostgreSQL only if *may_migrate* is true, because
    other processes share it. The returned store is not started. Raises Misconfigured, with the
    next step.
    """
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = open_store(settings.database)
        try:
            _bring_up_to_date(store, may_migrate=may_migrate)
        except Exception:
            store.engine.dispose()
            raise
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot make {settings.data_dir}: {error.strerror}") from error
    except InvalidValue as error:
        raise Misconfigured(f"MAILSEAL_DATABASE_URL: {error}") from error
    except StoreError as error:
        raise Misconfigured(f"the database cannot be used: {error}") from error
    return store


def _bring_up_to_date(store: Store, *, may_migrate: bool | None) -> None:
    state = migrate.state(store.engine)
    if state.is_current or state.is_newer:
        return
    if may_migrate or (may_migrate is None and store.engine.dialect.name == "sqlite"):
        migrate.upgrade(store.engine)
        return
    found = f"at revision {state.found}" if state.found else "empty"
    remedy = "run `mailseal migrate`, or `mailseal serve --migrate`"
    raise Misconfigured(f"the database is {found}, this program needs revision {state.wanted}: {remedy}")


def make_resolver(settings: Settings) -> CachingResolver:
    """A caching resolver for the nameservers of the settings, else the system's."""
    return CachingResolver(settings.dns_nameservers)


def make_master(settings: Settings) -> MasterKey:
    """The master key, which decrypts stored secrets. Raises Misconfigured."""
    return master_key(master_secret(settings))


def make_routes(settings: Settings) -> Routes:
    """The recipient lookup rules, with the addresses of the operator."""
    return Routes(hostname=settings.hostname, postmaster=settings.postmaster, shared_domain=settings.shared_domain)


def make_dns_identity(settings: Settings) -> DnsIdentity:
    """The host name and provider that DNS records of domains must name."""
    return DnsIdentity(hostname=settings.hostname, outbound=settings.outbound)


def make_send_context(
    settings: Settings,
    *,
    store: Store,
    clock: Clock,
    master: MasterKey,
    count: Callable[[SendOutcome], None] = uncounted,
) -> SendContext:
    """The collaborators of submitting, reviewing and sending. Raises Misconfigured."""
    return SendContext(
        store=store,
        clock=clock,
        master=master,
        routes=make_routes(settings),
        base_url=settings.base_url,
        courier=make_courier(settings),
        senders=Senders(from_domain=settings.outbound_from_domain, ask=make_identity_check(settings)),
        caps=Caps(
            sends_per_hour=settings.outbound_sends_per_hour,
            replies_per_conversation_hour=settings.outbound_replies_per_conversation_hour,
            new_recipients_per_day=settings.outbound_new_recipients_per_day,
        ),
        max_bytes=settings.outbound_max_bytes,
        count=count,
    )


def make_ses_events(settings: Settings, *, send_context: SendContext, sns: SnsApi) -> SesEvents | None:
    """The collaborators for SES events; None if the settings name no SNS topic."""
    if settings.ses_topic_arn is None:
        return None
    secret = settings.ses_events_secret or events_secret(send_context.master)
    return SesEvents(send_context=send_context, sns=sns, topic_arn=settings.ses_topic_arn, secret=secret)


def make_receive_context(
    settings: Settings, *, store: Store, resolver: Resolver, clock: Clock, master: MasterKey
) -> ReceiveContext:
    """The collaborators of receiving a message."""
    return ReceiveContext(
        store=store,
        judge=SenderAuthenticator(resolver),
        clock=clock,
        master=master,
        routes=make_routes(settings),
    )
