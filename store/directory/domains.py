"""Domains: claimed by anybody, owned by whoever proves first.

Claims of several users stand side by side, each with a token of its own; none can destroy
another's. A row in ``domains`` belongs to nobody until it is verified.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from store.errors import DomainHasAgents, DomainNotAvailable, DomainNotFound, InvalidValue
from store.names import normalise_domain
from store.records.mail import Domain, Page
from store.schema.inbound import agents, domain_claims, domains
from store.transaction import Tx

MAX_PAGE: Final = 200

# A domain as a user sees it: the claim is the user's, the proof the domain's.
_SEEN: Final = select(
    domains.c.name.label("domain"),
    domain_claims.c.user_id,
    domain_claims.c.token,
    domains.c.verified_at,
    domains.c.is_shared,
    domain_claims.c.created_at,
    domain_claims.c.next_check_at,
    domains.c.user_id.label("owner"),
).join_from(domain_claims, domains)


def ensure_shared_domain(tx: Tx, name: str, *, now: datetime) -> str:
    """Make the shared domain's row, owned by nobody and verified; the same again when it is there."""
    domain = _normalised(name)
    row = tx.execute(select(domains).where(domains.c.name == domain)).first()
    if row is None:
        tx.execute(insert(domains), {"name": domain, "verified_at": now, "is_shared": True, "created_at": now})
    elif not row.is_shared:
        raise DomainNotAvailable(f"{domain} is a user's domain already and cannot be the shared one")
    return domain


def claim_or_create_domain(
    tx: Tx, user_id: str, name: str, *, token: str, now: datetime, next_check_at: datetime | None = None
) -> Domain:
    """A claim of this user on the domain, with *token* if it is new; an older claim keeps its own.

    Of a new one DNS is looked at *next_check_at*.

    Raises DomainNotAvailable when somebody else has verified it, or it is the shared one.
    """
    domain = _normalised(name)
    # Held until the claim is on it: whoever forgets unused domains meanwhile waits, and then sees the claim.
    held = select(domains).where(domains.c.name == domain).with_for_update(read=True, key_share=True)
    row = tx.execute(held).first()
    if row is None:
        tx.execute(insert(domains), {"name": domain, "created_at": now})
    elif row.is_shared or (row.verified_at is not None and row.user_id != user_id):
        raise DomainNotAvailable(f"{domain} is not available")
    mine = and_(domain_claims.c.domain == domain, domain_claims.c.user_id == user_id)
    if tx.execute(select(domain_claims.c.token).where(mine)).first() is None:
        claim = {"domain": domain, "user_id": user_id, "token": token, "created_at": now}
        claim["next_check_at"] = next_check_at
        tx.execute(insert(domain_claims), claim)
    return lookup_domain(tx, user_id, domain)


def lookup_domain(tx: Tx, user_id: str, name: str) -> Domain:
    """The domain as this user claimed it. Raises DomainNotFound."""
    mine = and_(domains.c.name == _normalised(name), domain_claims.c.user_id == user_id)
    row = tx.execute(_SEEN.where(mine)).first()
    if row is None:
        raise DomainNotFound(f"no domain {name} of this user")
    return _domain(row)


def list_domains_by_user(tx: Tx, user_id: str) -> list[Domain]:
    """All domains this user has claimed, by name."""
    return [_domain(row) for row in tx.execute(_SEEN.where(domain_claims.c.user_id == user_id).order_by("domain"))]


def page_domains_by_user(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[Domain]:
    """Domains this user has claimed, by name, from behind *cursor* on. Raises InvalidValue for no cursor of ours."""
    query = _SEEN.where(domain_claims.c.user_id == user_id).order_by(domain_claims.c.domain)
    if cursor is not None:
        query = query.where(domain_claims.c.domain > _normalised(cursor))
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).all()
    items = [_domain(row) for row in rows[:count]]
    return Page(items, items[-1].domain if len(rows) > count else None)


def is_shared_domain(tx: Tx, name: str) -> bool:
    """Whether *name* (normalised) is a domain that anybody may have agents on."""
    return tx.execute(select(domains.c.name).where(domains.c.name == name, domains.c.is_shared)).first() is not None


def verify_domain(tx: Tx, user_id: str, name: str, *, now: datetime) -> Domain:
    """Make this claimant the owner: the proof was seen.

    Raises DomainNotFound, or DomainNotAvailable when another was first.
    """
    claimed = lookup_domain(tx, user_id, name)
    free = or_(domains.c.verified_at.is_(None), domains.c.user_id == user_id)
    owned = update(domains).where(domains.c.name == claimed.domain, free, domains.c.is_shared.is_(False))
    first_time = func.coalesce(domains.c.verified_at, now)
    if tx.execute(owned.values(user_id=user_id, verified_at=first_time)).rowcount == 0:
        raise DomainNotAvailable(f"{claimed.domain} was verified by somebody else")
    return lookup_domain(tx, user_id, name)


def has_agents_on_domain(tx: Tx, user_id: str, name: str) -> bool:
    """Whether this user has agents there, the postmaster that came with the domain aside."""
    return (
        tx.execute(select(agents.c.address).where(_own_agents(user_id, _normalised(name))).limit(1)).first() is not None
    )


def delete_domain(tx: Tx, user_id: str, name: str) -> None:
    """Give the claim and the ownership up. Raises DomainNotFound, DomainHasAgents."""
    claimed = lookup_domain(tx, user_id, name)
    if has_agents_on_domain(tx, user_id, claimed.domain):
        raise DomainHasAgents(f"{claimed.domain} still has agents")
    tx.execute(delete(agents).where(agents.c.domain == claimed.domain, agents.c.user_id == user_id))
    mine = and_(domain_claims.c.domain == claimed.domain, domain_claims.c.user_id == user_id)
    tx.execute(delete(domain_claims).where(mine))
    disowned = update(domains).where(domains.c.name == claimed.domain, domains.c.user_id == user_id)
    tx.execute(disowned.values(user_id=None, verified_at=None))
    forget_if_unused(tx, claimed.domain)


def forget_if_unused(tx: Tx, domain: str) -> bool:
    """Remove a domain that nobody claims and no agent stands on; whether it went. The shared one stays."""
    # Locked by a statement of its own: one that began before another's claim was committed would not see it,
    # and would take that claim away with the domain.
    tx.execute(select(domains.c.name).where(domains.c.name == domain).with_for_update())
    claimed = select(domain_claims.c.domain).where(domain_claims.c.domain == domain).exists()
    lived_on = select(agents.c.domain).where(agents.c.domain == domain).exists()
    unused = delete(domains).where(domains.c.name == domain, domains.c.is_shared.is_(False), ~claimed, ~lived_on)
    return bool(tx.execute(unused).rowcount)


def _own_agents(user_id: str, domain: str) -> Any:
    return and_(agents.c.domain == domain, agents.c.user_id == user_id, agents.c.is_postmaster.is_(False))


def _normalised(name: str) -> str:
    try:
        domain = normalise_domain(name)
    except ValueError as error:
        raise InvalidValue(str(error)) from error
    if "." not in domain:
        raise InvalidValue(f"a domain has at least two labels: {name!r}")
    return domain


def _domain(row: Row[Any]) -> Domain:
    found = dict(row._mapping)
    verified = found["verified_at"] is not None and found.pop("owner") == found["user_id"]
    found.pop("owner", None)
    if not verified:
        found["verified_at"] = None
    return Domain(**found, verified=verified)
