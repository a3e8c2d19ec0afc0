"""Check the database: present, at the right revision, writable, and with the same time as this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from relay.clock import Clock
from relay.errors import Misconfigured
from relay.finding import Finding, failing, ok, skipped, warning
from relay.master_files import read_master
from relay.settings import Settings
from relay.signing.master_check import is_master_of
from store.database import migrate
from store.database.connect import database_file, open_store
from store.directory.diagnostics import FailingWebhook, database_time, list_failing_webhooks, list_verified_domains
from store.directory.sending_pause import read_pause
from store.engine import Store
from store.errors import StoreError, Unusable
from store.facts import PROBE, probe, read_fact
from store.records.mail import Domain
from store.transaction import Tx

SKEW: Final = timedelta(seconds=30)
RECENT: Final = timedelta(days=7)
MOST_DOMAINS: Final = 100
_GONE: Final = (
    "Mount its volume, or run `mailseal restore BACKUP`. Only where there never was a store: run `mailseal init`."
)
_KEY: Final = "Put back the key that the store was made with: with another one all mail is refused for now (451)."


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """Open the store without creating or migrating it. Raises StoreError, FileNotFoundError."""
    file = database_file(settings.database)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"there is no {file}")
    if file is not None and file.stat().st_size == 0:
        raise FileNotFoundError(f"{file} is empty")
    store = open_store(settings.database, answer_seconds=settings.database_answer_seconds)
    try:
        yield store
    finally:
        store.engine.dispose()


def check_database(settings: Settings, *, clock: Clock) -> list[Finding]:
    """Check the revision, a write and the clock."""
    try:
        with opened(settings) as store:
            return [_revision(store), _own_key(store, settings), _time(store, clock), _writable(store, clock)]
    except FileNotFoundError as error:
        return [failing("database", str(error), _GONE)]
    except Unusable as error:
        return [failing("database", str(error), "No restart changes that: look at MAILSEAL_DATABASE_URL and the file.")]
    except StoreError as error:
        return [failing("database", str(error), "Check MAILSEAL_DATABASE_URL, and that the database server runs.")]


def check_webhooks(settings: Settings, *, now: datetime) -> list[Finding]:
    """List the webhooks that refused deliveries in the last week."""
    with opened(settings) as store:
        found = store.run(lambda tx: list_failing_webhooks(tx, since=now - RECENT))
    return [_webhook(each) for each in found] or [ok("webhooks", "every webhook accepts its deliveries")]


def check_pause(settings: Settings) -> list[Finding]:
    """Check whether the operator has paused all sending."""
    with opened(settings) as store:
        paused = store.run(read_pause)
    if paused is None:
        return [ok("pause", "sending is not paused")]
    seen = f"all sending is paused since {paused.at:%Y-%m-%d %H:%M} UTC"
    return [warning("pause", f"{seen}: {paused.reason}" if paused.reason else seen, "Run `mailseal resume`.")]


def verified_domains(settings: Settings) -> list[Domain]:
    """The verified domains, up to a hundred. Raises StoreError."""
    with opened(settings) as store:
        return store.run(lambda tx: list_verified_domains(tx, limit=MOST_DOMAINS))


def _revision(store: Store) -> Finding:
    state = migrate.state(store.engine)
    if state.is_current:
        return ok("database", f"{store.engine.dialect.name}, revision {state.found}")
    if state.is_newer:
        return warning("database", f"revision {state.found} belongs to a later release", "Upgrade this program.")
    return failing("database", f"revision {state.found}, and {state.wanted} is needed", "Run `mailseal migrate`.")


def _own_key(store: Store, settings: Settings) -> Finding:
    """Whether the master key of the settings is the one that the store was made with."""
    try:
        master = read_master(settings)
        with store.snapshot() as tx:
            is_own = is_master_of(tx, master)
    except Misconfigured as error:
        return failing("store's master key", str(error), _KEY)
    except StoreError as error:
        return skipped("store's master key", f"the store cannot tell: {error}")
    if not is_own:
        return failing("store's master key", f"{settings.secret_place} is not the key of this store", _KEY)
    return ok("store's master key", f"{settings.secret_place} is the key of this store")


def _writable(store: Store, clock: Clock) -> Finding:

    def write(tx: Tx) -> None:
        written = read_fact(tx, PROBE)
        probe(tx, now=written.at if written else clock.now())  # the daemon's time stays, for its own look at the clock

    try:
        store.run(write)
    except StoreError as error:
        remedy = "Check the disk, the file's owner and its locks: until then mail is answered 451."
        return failing("database writable", str(error), remedy)
    return ok("database writable", "a row was written")


def _time(store: Store, clock: Clock) -> Finding:
    theirs = store.run(database_time)
    if theirs is None:
        return _last_write(store, clock)
    apart = abs(theirs - clock.now())
    seen = f"{apart.total_seconds():.1f} s apart from this machine's clock"
    if apart > SKEW:
        return failing("database's clock", seen, "Let NTP set both: leases, holds and signatures depend on the time.")
    return ok("database's clock", seen)


def _last_write(store: Store, clock: Clock) -> Finding:
    """Whether the store was last written in the future of this machine's clock."""
    written = store.run(lambda tx: read_fact(tx, PROBE))
    ahead = written.at - clock.now() if written else timedelta(0)
    if ahead > SKEW:
        seen = f"the store was written {ahead.total_seconds():.0f} s ahead of this machine's clock"
        return failing("database's clock", seen, "Set the clock by NTP: what that time wrote falls due late.")
    return ok("database's clock", "SQLite uses this machine's clock, and was not written ahead of it")


def _webhook(trouble: FailingWebhook) -> Finding:
    name = f"webhook of {trouble.agent}"
    again = f"Then `mailseal delivery list --agent {trouble.agent} --status dead` shows what to replay."
    if trouble.off_at is not None:
        seen = f"switched off since {trouble.off_at:%Y-%m-%d}, when it answered 410"
        return warning(name, seen, f"Set its URL again. {again}")
    seen = f"{trouble.dead} dead, {trouble.waiting} waiting for a retry; last error: {trouble.error or 'none'}"
    return warning(name, seen, f"Check what its endpoint answers. {again}")
