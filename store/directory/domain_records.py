"""State of the DNS records of domains, per claimant, and when to check again.

Taking a claim moves ``next_check_at`` to the end of a lease, so that of several processes one checks it,
and a claim taken by a process that dies becomes due again.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, select, update

from store.directory.domains import lookup_domain
from store.oldest import among_oldest
from store.records.domains import RecordState
from store.records.mail import Domain
from store.schema.inbound import TO_CHECK, domain_claims, domain_records
from store.transaction import Tx

_STATE: Final = [domain_records.c[field.name] for field in fields(RecordState)]
_TAKE: Final = (
    update(domain_claims)
    .where(
        among_oldest([domain_claims.c.domain, domain_claims.c.user_id], domain_claims.c.next_check_at, "now", TO_CHECK)
    )
    .values(next_check_at=bindparam("until"))
    .returning(domain_claims.c.domain, domain_claims.c.user_id)
)


def list_record_states(tx: Tx, user_id: str, domains: Sequence[str]) -> dict[str, list[RecordState]]:
    """The last seen record states of *domains* (normalised) for this user, by domain."""
    found: dict[str, list[RecordState]] = {domain: [] for domain in domains}
    asked = and_(domain_records.c.user_id == user_id, domain_records.c.domain.in_(domains))
    for row in tx.execute(select(domain_records.c.domain, *_STATE).where(asked)).mappings():
        values = {column.name: row[column.name] for column in _STATE}
        found[row["domain"]].append(RecordState(**{**values, "found": tuple(values["found"])}))
    return found


def take_due_domains(tx: Tx, *, limit: int, lease: timedelta, now: datetime) -> list[Domain]:
    """Lease up to *limit* claims whose DNS check is due, the longest overdue first.

    Returned in order of name; not due again until *lease* from now.
    """
    rows = tx.execute(_TAKE, {"now": now, "most": limit, "until": now + lease}).all()
    return [lookup_domain(tx, row.user_id, row.domain) for row in sorted(rows, key=lambda row: row.domain)]


def keep_record_states(
    tx: Tx, domain: Domain, states: Sequence[RecordState], *, next_check_at: datetime | None
) -> bool:
    """Store record states unless the claim changed since *domain* was read.

    Returns whether they were stored. A check that ended later has newer states, and a claim given up meanwhile needs
    none.
    """
    # next_check_at is the version of the claim: taking it, and a check that its owner asks for, both move it.
    asked = (domain_claims.c.domain == domain.domain, domain_claims.c.user_id == domain.user_id)
    unmoved = domain_claims.c.next_check_at.is_not_distinct_from(domain.next_check_at)
    moved = update(domain_claims).where(*asked, unmoved).values(next_check_at=next_check_at)
    if tx.execute(moved).rowcount == 0:
        return False
    mine = and_(domain_records.c.domain == domain.domain, domain_records.c.user_id == domain.user_id)
    seen = [state.purpose for state in states]
    tx.execute(delete(domain_records).where(mine, domain_records.c.purpose.in_(seen)))
    rows = [_row(domain, state) for state in states]
    if rows:
        tx.execute(insert(domain_records), rows)
    return True


def _row(domain: Domain, state: RecordState) -> dict[str, Any]:
    values = {column.name: getattr(state, column.name) for column in _STATE}
    return {**values, "found": list(state.found), "domain": domain.domain, "user_id": domain.user_id}
