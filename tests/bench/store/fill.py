"""Filling a store: people through the product's own functions, mails by SQL inside the database."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, Engine, text

from relay.directory import agents
from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import open_store
from store.directory.domains import ensure_shared_domain
from store.directory.keys import create_api_key
from store.directory.users import bootstrap_user
from store.engine import BEGIN_OPTION
from store.transaction import Tx
from tests.bench.store import rows, texts
from tests.bench.store.rows import Shape

USERS: Final = 50
AGENTS: Final = 200
KEYS: Final = 1000
USAGE_DAYS: Final = 366
STEP: Final = 50_000  # mails in one transaction

# One agent has half of all mails. The almost empty store has other shares, but as many rows for every page asked for.
EMPTY: Final = Shape(
    messages=2000, others=4, unread=40, queued=50, dead=30, pending=30, held_since=30, held_every=1, sending_every=10
)


def full(messages: int) -> Shape:
    """A store as it is in use."""
    return Shape(
        messages=messages,
        others=AGENTS - 1,
        unread=15,
        queued=33,
        dead=1,
        pending=1,
        held_since=80,
        held_every=4,
        sending_every=max(messages // 200, 2),
    )


def key_hash(number: int) -> str:
    """What API key *number* is found by."""
    return sha256(b"key %d" % number).hexdigest()


def fill(url: str, shape: Shape, *, now: datetime, tell: Callable[[str], None]) -> float:
    """Make the schema and everything in it; answers the seconds it took."""
    began = time.monotonic()
    store = open_store(url)
    try:
        migrate.upgrade(store.engine)
        store.run(lambda tx: _make_people(tx, now))
        _make_mails(store.engine, shape, now=now, tell=tell)
    finally:
        store.engine.dispose()
    settle(url)
    return time.monotonic() - began


def settle(url: str) -> None:
    """Bring the database to the state it is in when nobody has written for a while.

    PostgreSQL's autovacuum would have been there; on SQLite a checkpoint is all that happens by itself.
    """
    store = open_store(url)
    with store.engine.connect().execution_options(**_outside(store.engine)) as connection:
        if store.engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM (ANALYZE)"))
            connection.execute(text("CHECKPOINT"))
        else:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    store.engine.dispose()


def analyse(urls: Mapping[str, str]) -> None:
    """Give SQLite statistics, which the product does not."""
    for url in urls.values():
        store = open_store(url)
        with store.engine.connect().execution_options(**_outside(store.engine)) as connection:
            connection.execute(text("ANALYZE"))
        store.engine.dispose()


def _make_people(tx: Tx, now: datetime) -> None:
    """Users, agents and keys. Every other agent has a webhook; the big one has, and once polled."""
    master = master_key(b"a master key for the bench only")
    ensure_shared_domain(tx, rows.DOMAIN, now=now)
    users = [bootstrap_user(tx, f"user-{number}@owner.example", now=now) for number in range(USERS)]
    for number in range(AGENTS):
        agents.create_agent(
            tx,
            users[number % USERS].id,
            f"agent-{number}@{rows.DOMAIN}",
            mode="poll" if number % 2 else "webhook",
            webhook_url=None if number % 2 else f"https://hooks.customer.example/{number}",
            master=master,
            allow=(),
            now=now,
        )
    for number in range(KEYS):
        create_api_key(
            tx,
            users[number % USERS].id,
            key_hash=key_hash(number),
            prefix="mk_000000000",
            name=f"key {number}",
            now=now,
        )


def _make_mails(engine: Engine, shape: Shape, *, now: datetime, tell: Callable[[str], None]) -> None:
    dialect = engine.dialect.name
    values = texts.parameters()
    with engine.connect().execution_options(**_outside(engine)) as connection:
        _hurry(connection)
        for first in range(1, shape.messages + 1, STEP):
            last = min(first + STEP - 1, shape.messages)
            _run(connection, rows.mails(dialect, shape, first=first, last=last, now=now), values)
            tell(f"{dialect}: {last} of {shape.messages} mails")
        _run(connection, rows.rest(dialect, days=USAGE_DAYS, now=now), {})


def _hurry(connection: Connection) -> None:
    """Leave out what the filling does not need: a crash begins it anew, and its references are right as made."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text("SET synchronous_commit = off"))
        return
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-500000"):
        connection.exec_driver_sql(f"PRAGMA {pragma}")


def _run(connection: Connection, statements: list[str], values: dict[str, str]) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
    for statement in statements:
        wanted = {name: value for name, value in values.items() if f":{name} " in statement}
        connection.execute(text(statement), wanted)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("COMMIT")


def _outside(engine: Engine) -> dict[str, str | None]:
    """Options of a connection that opens no transaction by itself."""
    return {BEGIN_OPTION: None} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
