"""Export all data a user owns, object by object, with bounded memory.

Exported columns are listed by name: no credential (hash, token, subject, secret) can be exported because a table
gained a column. Run it on ``Store.snapshot``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, select

from store.directory.agents import get_agent_by_id
from store.directory.domains import lookup_domain
from store.directory.keys import list_api_keys
from store.directory.users import get_user_by_id
from store.outbound.outbound import get_outbound_message
from store.records.feedback import Suppression
from store.records.mail import Agent, Message
from store.records.people import Exported, UsageEvent
from store.schema.inbound import agents, domain_claims, messages, usage_events
from store.schema.outbound import outbound, suppressions
from store.transaction import Tx

SCHEMA_VERSION: Final = 1
PAGE: Final = 200  # rows per page

_USER: Final = ("id", "email", "name", "created_at", "updated_at")
_DOMAIN: Final = ("domain", "verified", "verified_at", "created_at")
_AGENT: Final = tuple(field.name for field in fields(Agent) if field.name != "user_id")
_KEY: Final = ("id", "name", "prefix", "created_at", "last_used_at", "agent", "scopes")
_MESSAGE: Final = (*[field.name for field in fields(Message)], "provider_message_id", "expires_at")
_WRITTEN: Final = (
    *("kind", "to", "cc", "bcc", "names", "headers", "revision"),
    *("reviewed_by", "reviewed_at", "reason", "error", "scrubbed_at"),
)

_MESSAGES: Final = select(
    *[messages.c[name] for name in (*_MESSAGE, "hold_expires_at")], *[outbound.c[name] for name in _WRITTEN]
).outerjoin_from(messages, outbound)
_EVENT: Final = tuple(field.name for field in fields(UsageEvent))
_SUPPRESSION: Final = tuple(field.name for field in fields(Suppression))


def export_user_data(tx: Tx, user_id: str, *, now: datetime) -> Iterator[Exported]:
    """A header, domains, agents, API keys, messages, usage events and suppressions.

    Messages are of both directions. Raises UserNotFound at once; the rest is read lazily, so *tx* must stay open
    until the iterator is exhausted.
    """
    user = get_user_by_id(tx, user_id)
    header = {"generated_at": now, "schema_version": SCHEMA_VERSION, "user": _values(user, _USER)}
    return chain(
        [Exported("header", header)],
        _domains(tx, user_id),
        _agents(tx, user_id),
        (Exported("api_key", _values(key, _KEY)) for key in list_api_keys(tx, user_id)),
        _messages(tx, user_id),
        _usage_events(tx, user_id),
        _suppressions(tx, user_id),
    )


def _domains(tx: Tx, user_id: str) -> Iterator[Exported]:
    claimed = select(domain_claims.c.domain).where(domain_claims.c.user_id == user_id)
    for row in _walk(tx, claimed, domain_claims.c.domain):
        yield Exported("domain", _values(lookup_domain(tx, user_id, row["domain"]), _DOMAIN))


def _agents(tx: Tx, user_id: str) -> Iterator[Exported]:
    for address in _addresses(tx, user_id):
        yield Exported("agent", _values(get_agent_by_id(tx, user_id, address), _AGENT))


def _messages(tx: Tx, user_id: str) -> Iterator[Exported]:
    """Messages by agent, in order of commit."""
    for address in _addresses(tx, user_id):
        for row in _walk(tx, _MESSAGES.where(messages.c.agent == address), messages.c.seq):
            values = {name: row[name] for name in _MESSAGE}
            yield Exported("message", values | _written(tx, row) if row["direction"] == "outbound" else values)


def _usage_events(tx: Tx, user_id: str) -> Iterator[Exported]:
    events = select(*[usage_events.c[name] for name in _EVENT]).where(usage_events.c.user_id == user_id)
    for row in _walk(tx, events, usage_events.c.number):
        yield Exported("usage_event", {name: row[name] for name in _EVENT})


def _suppressions(tx: Tx, user_id: str) -> Iterator[Exported]:
    mine = select(*[suppressions.c[name] for name in _SUPPRESSION]).where(suppressions.c.user_id == user_id)
    for row in _walk(tx, mine, suppressions.c.address):
        yield Exported("suppression", {name: row[name] for name in _SUPPRESSION})


def _addresses(tx: Tx, user_id: str) -> Iterator[str]:
    for row in _walk(tx, select(agents.c.address).where(agents.c.user_id == user_id), agents.c.address):
        yield row["address"]


def _written(tx: Tx, row: RowMapping) -> dict[str, Any]:
    """Fields that only an outbound message has.

    Texts are large: they are read for one message at a time, and only if they still exist.
    """
    values = {name: row[name] for name in ("hold_expires_at", *_WRITTEN)}
    if row["kind"] is None or row["scrubbed_at"] is not None:
        return values | {"text": None, "html": None, "attachments": []}
    message = get_outbound_message(tx, row["id"])
    files = [asdict(file) for file in message.attachments]
    return values | {"text": message.text, "html": message.html, "attachments": files}


def _walk(tx: Tx, query: Select[Any], key: ColumnElement[Any]) -> Iterator[RowMapping]:
    """All rows of *query* ordered by the unique *key*, fetched page by page."""
    page = query.order_by(key).limit(PAGE)
    rows = tx.execute(page).mappings().all()
    while rows:
        yield from rows
        rows = tx.execute(page.where(key > rows[-1][key])).mappings().all()


def _values(record: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}
