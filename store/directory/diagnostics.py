"""What an operator wants to know of a store's standing: its clock, who owns domains, and webhooks in trouble."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import and_, func, select

from store.directory.domains import lookup_domain
from store.records.mail import Domain
from store.schema.inbound import DEAD, PENDING, agents, deliveries, domain_claims, domains
from store.transaction import Tx

SCAN_LIMIT: Final = 1000  # deliveries of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingWebhook:
    """A webhook that does not take what it is sent."""

    agent: str
    dead: int = 0  # deliveries that were given up, of the newest 1 000 of everybody's
    waiting: int = 0  # that failed and will be tried again, of the oldest 1 000 under way
    off_at: datetime | None = None  # when the endpoint said that it is gone
    error: str | None = None  # of the last attempt


def database_time(tx: Tx) -> datetime | None:
    """The time by the database's clock; None for SQLite, which has this machine's."""
    if tx.connection.dialect.name != "postgresql":
        return None
    found: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def list_verified_domains(tx: Tx, *, limit: int) -> list[Domain]:
    """Domains as their owners see them, by name; the first *limit*."""
    owned = and_(domain_claims.c.domain == domains.c.name, domain_claims.c.user_id == domains.c.user_id)
    query = select(domains.c.name, domains.c.user_id).join_from(domains, domain_claims, owned)
    query = query.where(domains.c.verified_at.is_not(None)).order_by(domains.c.name).limit(limit)
    return [lookup_domain(tx, row.user_id, row.name) for row in tx.execute(query).all()]


def list_failing_webhooks(tx: Tx, *, since: datetime) -> list[FailingWebhook]:
    """Webhooks with deliveries that died since then, or were refused and wait, or that were switched off; by agent."""
    columns = select(
        *(deliveries.c.agent, deliveries.c.attempts, deliveries.c.created_at),
        *(deliveries.c.last_error, deliveries.c.last_status),
    )
    newest = columns.where(DEAD).order_by(deliveries.c.id.desc()).limit(SCAN_LIMIT)
    oldest = columns.where(PENDING).order_by(deliveries.c.id).limit(SCAN_LIMIT)
    off = select(agents.c.address, agents.c.webhook_off_at).where(agents.c.webhook_off_at.is_not(None))
    found: dict[str, FailingWebhook] = {}
    _count(found, (row for row in tx.execute(newest) if row.created_at >= since), "dead")
    _count(found, (row for row in tx.execute(oldest) if row.attempts), "waiting")
    for row in tx.execute(off.where(agents.c.mode == "webhook").order_by(agents.c.address).limit(SCAN_LIMIT)):
        found[row.address] = replace(
            found.get(row.address, FailingWebhook(agent=row.address)), off_at=row.webhook_off_at
        )
    return [found[agent] for agent in sorted(found)]


def _count(found: dict[str, FailingWebhook], rows: Iterable[Any], kind: str) -> None:
    for row in rows:
        trouble = found.get(row.agent, FailingWebhook(agent=row.agent))
        error = trouble.error or row.last_error or (f"status {row.last_status}" if row.last_status else None)
        found[row.agent] = replace(trouble, error=error, **{kind: getattr(trouble, kind) + 1})
