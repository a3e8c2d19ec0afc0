"""Mail that an agent of a command's relay wrote, put where a command finds it."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from store.database.connect import open_store, sqlite_url
from store.mail.bodies import keep_body
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.outbound.sending import claim_queued, settle_failed, settle_unconfirmed
from tests.cli.conftest import BOT
from tests.places import new_outbound

LEASE = timedelta(minutes=5)


@contextmanager
def store_of(cli):
    """The store of a relay, beside its commands."""
    store = open_store(sqlite_url(f"{cli.settings['MAILSEAL_DATA_DIR']}/mailseal.db"))
    try:
        yield store
    finally:
        store.engine.dispose()


def hold(cli, agent=BOT, *, ttl=3600, **changes):
    """The id of a mail that waits for a person."""
    new = new_outbound(agent, at=datetime.now(UTC), **changes)
    with store_of(cli) as store:
        return store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl)).id


def write(cli, how=None, *, raw=None, **changes):
    """The id of a mail that is queued; or whose sending ended in *how*, with an error."""
    now = datetime.now(UTC)
    if raw is not None:
        changes |= {"raw_sha256": sha256(raw).hexdigest(), "raw_size": len(raw)}
    new = new_outbound(BOT, at=now, **changes)
    with store_of(cli) as store:
        if raw is not None:
            store.run(lambda tx: keep_body(tx, new.raw_sha256, size=len(raw), content=raw, now=now))
        message = store.run(lambda tx: create_outbound_message(tx, new))
        if how is not None:
            (claimed,) = store.run(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=now))
            store.run(lambda tx: how(tx, claimed, "550 no", now=now))
    return message.id


def fail(cli):
    return write(cli, settle_failed)


def doubt(cli):
    return write(cli, settle_unconfirmed)
