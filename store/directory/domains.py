"""Domains: any user may claim one; the user who first proves control owns it.

Several users can claim one domain, each with a token of their own; no user can remove another's claim.
A row in ``domains`` has no owner until it is verified.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from store.directory.hosted import forget_domains, remember_domains
from store.errors import DomainHasAgents, DomainNotAvailable, DomainNotFound, InvalidValue
from store.names import normalise_domain
from store.records.mail import Domain, Page
from store.schema.inbound import agents, domain_claims, domains
from store.transaction import Tx

MAX_PAGE: Final = 200

# A domain as a user sees it: the token is of the claim, the verification of the domain.
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
    """Create the shared domain's row, verified and without owner, unless it exists.

    Returns the normalised name. Raises DomainNotAvailable: a user has claimed it. Raises InvalidValue: not a domain.
    """
    domain = _normalised(name)
    row = tx.execute(select(domains).where(domains.c.name == domain)).first()
    if row is None:
        tx.execute(insert(domains), {"name": domain, "verified_at": now, "is_shared": True, "created_at": now})
    elif not row.is_shared:
        raise DomainNotAvailable(f"{domain} is a domain of a user already: choose another shared domain")
    return domain


def claim_or_create_domain(
    tx: Tx, user_id: str, name: str, *, token: str, now: datetime, next_check_at: datetime | None = None
) -> Domain:
    """Claim the domain for this user, with *token*; an existing claim keeps its token.

    The DNS of a new claim is first checked at *next_check_at*. Raises DomainNotAvailable: another user has verified it,
    or it is the shared domain. Raises InvalidValue: not a domain.
    """
    domain = _normalised(name)
    # Locked until the claim is inserted: a concurrent forget_if_unused waits, and then sees the claim.
    held = select(domains).where(domains.c.name == domain).with_for_update(read=True, key_share=True)
    row = tx.execute(held).first()
    if row is None:
        tx.execute(insert(domains), {"name": domain, "created_at": now})
    elif row.is_shared or (row.verified_at is not None and row.user_id != user_id):
        raise DomainNotAvailable(f"{domain} is not available: another user has verified it, or it is the shared domain")
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
        raise DomainNotFound(f"{name} is not a domain of this user: claim it first")
    return _domain(row)


def list_domains_by_user(tx: Tx, user_id: str) -> list[Domain]:
    """All domains this user has claimed, ordered by name."""
    return [_domain(row) for row in tx.execute(_SEEN.where(domain_claims.c.user_id == user_id).order_by("domain"))]


def page_domains_by_user(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[Domain]:
    """A page of the domains this user has claimed, ordered by name, behind *cursor*.

    Raises InvalidValue: malformed cursor.
    """
    query = _SEEN.where(domain_claims.c.user_id == user_id).order_by(domain_claims.c.domain)
    if cursor is not None:
        query = query.where(domain_claims.c.domain > _normalised(cursor))
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).all()
    items = [_domain(row) for row in rows[:count]]
    return Page(items, items[-1].domain if len(rows) > count else None)


def is_shared_domain(tx: Tx, name: str) -> bool:
    """Whether *name* (normalised) is the shared domain, open to all users' agents."""
    return tx.execute(select(domains.c.name).where(domains.c.name == name, domains.c.is_shared)).first() is not None


def is_hosted_domain(tx: Tx, name: str) -> bool:
    """Whether *name* (normalised) receives mail here: a verified domain, or the shared one."""
    hosted = select(domains.c.name).where(domains.c.name == name, domains.c.verified_at.is_not(None))
    return tx.execute(hosted).first() is not None


def verify_domain(tx: Tx, user_id: str, name: str, *, now: datetime) -> Domain:
    """Make this claimant the owner, after the proof was seen in DNS.

    Raises DomainNotFound. Raises DomainNotAvailable: another user verified it first.
    """
    claimed = lookup_domain(tx, user_id, name)
    free = or_(domains.c.verified_at.is_(None), domains.c.user_id == user_id)
    owned = update(domains).where(domains.c.name == claimed.domain, free, domains.c.is_shared.is_(False))
    first_time = func.coalesce(domains.c.verified_at, now)
    if tx.execute(owned.values(user_id=user_id, verified_at=first_time)).rowcount == 0:
        raise DomainNotAvailable(f"{claimed.domain} was verified by another user")
    remember_domains(tx, now=now)
    return lookup_domain(tx, user_id, name)


def has_agents_on_domain(tx: Tx, user_id: str, name: str) -> bool:
    """Whether this user has agents on the domain besides its automatic postmaster."""
    return (
        tx.execute(select(agents.c.address).where(_own_agents(user_id, _normalised(name))).limit(1)).first() is not None
    )


def delete_domain(tx: Tx, user_id: str, name: str) -> None:
    """Give up the claim and the ownership. Raises DomainNotFound, DomainHasAgents."""
    claimed = lookup_domain(tx, user_id, name)
    if has_agents_on_domain(tx, user_id, claimed.domain):
        raise DomainHasAgents(f"{claimed.domain} still has agents: delete them first")
    tx.execute(delete(agents).where(agents.c.domain == claimed.domain, agents.c.user_id == user_id))
    mine = and_(domain_claims.c.domain == claimed.domain, domain_claims.c.user_id == user_id)
    tx.execute(delete(domain_claims).where(mine))
    disowned = update(domains).where(domains.c.name == claimed.domain, domains.c.user_id == user_id)
    tx.execute(disowned.values(user_id=None, verified_at=None))
    forget_if_unused(tx, claimed.domain)
    forget_domains(tx)


def forget_if_unused(tx: Tx, domain: str) -> bool:
    """Delete a domain without claims and agents; whether it was deleted.

    The shared domain stays.
    """
    # The lock is a statement of its own: a DELETE that began before a concurrent claim was committed would not
    # see that claim, and would delete it together with the domain.
    tx.execute(select(domains.c.name).where(domains.c.name == domain).with_for_update())
    claimed = select(domain_claims.c.domain).where(domain_claims.c.domain == domain).exists()
    has_agents = select(agents.c.domain).where(agents.c.domain == domain).exists()
    unused = delete(domains).where(domains.c.name == domain, domains.c.is_shared.is_(False), ~claimed, ~has_agents)
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
