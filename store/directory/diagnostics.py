"""Diagnostics for the operator: database clock, domain owners, failing webhooks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import and_, func, select

from store.directory.domains import lookup_domain
from store.records.mail import Domain
from store.schema.inbound import DEAD, PENDING, agents, deliveries, domain_claims, domains
from store.transaction import Tx

SCAN_LIMIT: Final = 1000  # deliveries of each kind that are examined


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingWebhook:
    """A webhook with failing deliveries, or one that was disabled."""

    agent: str
    dead: int = 0  # dead deliveries, among the newest SCAN_LIMIT of all agents
    waiting: int = 0  # failed and due for another attempt, among the oldest SCAN_LIMIT pending ones
    off_at: datetime | None = None  # when the endpoint answered 410 Gone
    error: str | None = None  # of the last attempt


def database_time(tx: Tx) -> datetime | None:
    """The database server's time; None for SQLite, which uses this machine's clock."""
    if tx.connection.dialect.name != "postgresql":
        return None
    found: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def list_verified_domains(tx: Tx, *, limit: int) -> list[Domain]:
    """The first *limit* verified domains by name, each as its owner sees it."""
    owned = and_(domain_claims.c.domain == domains.c.name, domain_claims.c.user_id == domains.c.user_id)
    query = select(domains.c.name, domains.c.user_id).join_from(domains, domain_claims, owned)
    query = query.where(domains.c.verified_at.is_not(None)).order_by(domains.c.name).limit(limit)
    return [lookup_domain(tx, row.user_id, row.name) for row in tx.execute(query).all()]


def list_failing_webhooks(tx: Tx, *, since: datetime) -> list[FailingWebhook]:
    """Webhooks with dead or retrying deliveries, and disabled ones, ordered by agent.

    A webhook is listed if it was disabled, if a delivery created at or after *since* is dead, or if a pending delivery
    has a failed attempt. SCAN_LIMIT deliveries of each kind are examined, of all agents together.
    """
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
        webhook = found.get(row.agent, FailingWebhook(agent=row.agent))
        error = webhook.error or row.last_error or (f"status {row.last_status}" if row.last_status else None)
        found[row.agent] = replace(webhook, error=error, **{kind: getattr(webhook, kind) + 1})
