"""Agents: the addresses that receive mail, and their webhook signing secrets."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from store.database.constant import Constant
from store.directory.reserved import looks_like_relay
from store.errors import AddressTaken, AgentNotFound, DomainNotFound, InvalidValue
from store.mail.deliveries import give_up_pending
from store.names import normalise_address
from store.records.mail import Agent, AgentSecret, Mode, Page, Recipient
from store.schema.inbound import agent_secrets, agents, domain_claims, domains, messages
from store.transaction import Tx
from store.wake import DELIVERIES, ENDPOINT, INBOX

ROTATION: Final = timedelta(hours=24)  # validity of a secret after the next one replaced it
MAX_SECRETS: Final = 3  # valid at once: the current one and those of the last two rotations
MAX_PAGE: Final = 200
DEFAULT_EVENTS: Final = ("email.received",)
POSTMASTER: Final = "postmaster"  # address of the agent that stores mail to the operator

_HIDDEN: Final = {"last_seq", "last_awaited"}
# An agent receives mail only if its own user verified the domain; another user's claim gives no right.
_VERIFIED: Final = or_(
    domains.c.is_shared, and_(domains.c.verified_at.is_not(None), domains.c.user_id == agents.c.user_id)
)
_AGENT: Final = select(
    *[column for column in agents.c if column.name not in _HIDDEN], _VERIFIED.label("domain_verified")
).outerjoin_from(agents, domains)
_AT_ADDRESS: Final = _AGENT.where(agents.c.address == bindparam("address"))
_BY_ADDRESS: Final = Constant(_AT_ADDRESS)
_BY_OWNER: Final = Constant(_AT_ADDRESS.where(agents.c.user_id == bindparam("owner")))
_RECIPIENT: Final = Constant(
    select(agents.c.address, agents.c.on_unverified, agent_secrets.c.key_id, agent_secrets.c.sealed)
    .join_from(agents, agent_secrets)
    .outerjoin(domains, domains.c.name == agents.c.domain)
    .where(agent_secrets.c.expires_at.is_(None))
    .where(or_(_VERIFIED, agents.c.address == POSTMASTER))
    .where(agents.c.address.in_([bindparam("first"), bindparam("second"), bindparam("third")]))
)
_SECRETS: Final = Constant(
    select(agent_secrets)
    .where(agent_secrets.c.agent == bindparam("address"))
    .where(or_(agent_secrets.c.expires_at.is_(None), agent_secrets.c.expires_at > bindparam("now")))
    # Two can have the same creation time; the one without an expiry is the current one.
    .order_by(agent_secrets.c.expires_at.is_not(None), agent_secrets.c.created_at.desc(), agent_secrets.c.key_id.desc())
)


def create_agent(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    mode: Mode,
    webhook_url: str | None,
    secret: AgentSecret,
    now: datetime,
    name: str = "",
    events: Sequence[str] = DEFAULT_EVENTS,
    on_unverified: str = "deliver",
    answer_lists: bool = False,
    is_postmaster: bool = False,
) -> Agent:
    """Create an agent of this user, on the shared domain or one the user has claimed.

    Raises InvalidValue: not an address, or webhook mode without a URL. Raises DomainNotFound: the user has not claimed
    the domain. Raises AddressTaken.
    """
    normal = normalised(address)
    local, _, domain = normal.rpartition("@")
    _require_not_relays(local.partition("+")[0], name)
    if mode == "webhook" and not webhook_url:
        raise InvalidValue("webhook mode needs a webhook_url")
    _require_claim(tx, user_id, domain)
    _require_free(tx, user_id, normal)
    values = {
        "address": normal,
        "user_id": user_id,
        "domain": domain,
        "name": name,
        "mode": mode,
        "webhook_url": webhook_url,
        "events": list(events),
        "on_unverified": on_unverified,
        "answer_lists": answer_lists,
        "is_postmaster": is_postmaster,
        "created_at": now,
    }
    tx.execute(insert(agents), values)
    add_secret(tx, secret)
    return get_agent_by_id(tx, user_id, normal)


def ensure_operator_postmaster(tx: Tx, *, secret: AgentSecret, now: datetime) -> None:
    """Create the operator's postmaster, an agent without an owner, unless it exists."""
    if tx.execute(select(agents.c.address).where(agents.c.address == POSTMASTER)).first() is None:
        values = {"address": POSTMASTER, "mode": "poll", "events": [], "is_postmaster": True, "created_at": now}
        tx.execute(insert(agents), values)
        add_secret(tx, secret)


def get_agent_by_id(tx: Tx, user_id: str, address: str) -> Agent:
    """This user's agent. Raises AgentNotFound, also for another user's agent."""
    return _one(tx, _BY_OWNER, address=normalised(address), owner=user_id)


def get_agent_by_email(tx: Tx, address: str) -> Agent:
    """The agent at this address, of any user. Raises AgentNotFound."""
    return _one(tx, _BY_ADDRESS, address=normalised(address))


def list_agents_by_user(tx: Tx, user_id: str) -> list[Agent]:
    """A user's agents, ordered by address."""
    query = _AGENT.where(agents.c.user_id == user_id).order_by(agents.c.address)
    return [_agent(row) for row in tx.execute(query).mappings()]


def page_agents_by_user(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[Agent]:
    """A page of a user's agents, ordered by address, behind *cursor*.

    Raises InvalidValue: malformed cursor.
    """
    query = _AGENT.where(agents.c.user_id == user_id).order_by(agents.c.address)
    if cursor is not None:
        query = query.where(agents.c.address > normalised(cursor))
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).mappings().all()
    items = [_agent(row) for row in rows[:count]]
    return Page(items, items[-1].address if len(rows) > count else None)


def update_agent_mode(tx: Tx, user_id: str, address: str, mode: Mode, *, now: datetime) -> Agent:
    """Switch an agent between webhook and poll mode.

    From webhook to poll, pending deliveries become dead and their messages become leasable. Raises AgentNotFound.
    Raises InvalidValue: webhook mode without a URL.
    """
    agent = get_agent_by_id(tx, user_id, address)
    if mode == "webhook" and agent.webhook_url is None:
        raise InvalidValue("webhook mode needs a webhook_url")
    if mode == "poll" and agent.mode == "webhook":
        undelivered = give_up_pending(tx, agent.address, reason="the agent was switched to poll mode", now=now)
        tx.execute(update(messages).where(messages.c.id.in_(undelivered)).values(queued=True))
        tx.wake(INBOX + agent.address)
    return _update(tx, agent, now=now, mode=mode)


def update_agent_webhook(tx: Tx, user_id: str, address: str, url: str, *, now: datetime) -> Agent:
    """Change the webhook URL; this also enables a webhook disabled by a 410.

    Raises AgentNotFound.
    """
    return _update(tx, get_agent_by_id(tx, user_id, address), now=now, webhook_url=url, webhook_off_at=None)


def update_agent(tx: Tx, user_id: str, address: str, *, now: datetime, **values: Any) -> Agent:
    """Change any of name, events, on_unverified and answer_lists.

    Raises AgentNotFound. Raises InvalidValue: another field.
    """
    if not values.keys() <= {"name", "events", "on_unverified", "answer_lists"}:
        raise InvalidValue("only name, events, on_unverified and answer_lists can be changed here")
    _require_not_relays("", values.get("name", ""))
    return _update(tx, get_agent_by_id(tx, user_id, address), now=now, **values)


def switch_webhook_off(tx: Tx, address: str, *, now: datetime, url: str | None = None) -> None:
    """Disable an agent's webhook after its endpoint answered 410 Gone.

    No delivery is attempted until the owner sets a URL again. With *url*, the endpoint that answered, a webhook whose
    URL was changed meanwhile stays enabled.
    """
    asked = agents.c.address == address
    still = asked if url is None else and_(asked, agents.c.webhook_url == url)
    tx.execute(update(agents).where(still).values(webhook_off_at=now))
    tx.wake(ENDPOINT + address)


def delete_agent(tx: Tx, user_id: str, address: str) -> None:
    """Delete the agent with its messages and deliveries. Raises AgentNotFound."""
    agent = get_agent_by_id(tx, user_id, address)
    tx.execute(delete(agents).where(agents.c.address == agent.address))
    tx.wake(INBOX + agent.address)
    tx.wake(ENDPOINT + agent.address)


def lookup_recipient(tx: Tx, candidates: Sequence[str]) -> Recipient | None:
    """The first of at most three *candidates* that accepts mail; None when none does.

    *candidates* are normalised addresses, ``*@domain`` for a catch-all.
    """
    names = [*candidates, None, None]
    rows = tx.fetch(_RECIPIENT, {"first": names[0], "second": names[1], "third": names[2]})
    found = {row.address: row for row in rows}
    best = next((found[name] for name in candidates if name in found), None)
    return Recipient(**best._asdict()) if best is not None else None


def add_secret(tx: Tx, secret: AgentSecret) -> None:
    """Make *secret* the signing secret; the previous one stays valid for 24 hours."""
    current = and_(agent_secrets.c.agent == secret.agent, agent_secrets.c.expires_at.is_(None))
    tx.execute(update(agent_secrets).where(current).values(expires_at=secret.created_at + ROTATION))
    values = {name: getattr(secret, name) for name in ("key_id", "agent", "sealed", "created_at", "expires_at")}
    tx.execute(insert(agent_secrets), values)
    tx.wake(ENDPOINT + secret.agent)


def rotate_secret(tx: Tx, user_id: str, secret: AgentSecret) -> None:
    """Make *secret* the signing secret of this user's agent; see add_secret.

    At most three secrets are valid at once: a further rotation ends the oldest. Raises AgentNotFound.
    """
    # The lock serialises concurrent rotations: else both would expire the same secret.
    held = select(agents.c.address).where(agents.c.address == secret.agent, agents.c.user_id == user_id)
    if tx.execute(held.with_for_update()).first() is None:
        raise AgentNotFound
    add_secret(tx, secret)
    now = secret.created_at
    surplus = [each.key_id for each in list_secrets(tx, secret.agent, now=now)[MAX_SECRETS:]]
    if surplus:
        tx.execute(update(agent_secrets).where(agent_secrets.c.key_id.in_(surplus)).values(expires_at=now))


def list_secrets(tx: Tx, address: str, *, now: datetime) -> list[AgentSecret]:
    """The valid secrets of an agent, the current one first."""
    rows = tx.fetch(_SECRETS, {"address": address, "now": now})
    return [AgentSecret(**row._asdict()) for row in rows]


def normalised(address: str) -> str:
    """*address* in the stored form. Raises InvalidValue: not an address."""
    if address == POSTMASTER:
        return address
    try:
        return normalise_address(address)
    except ValueError as error:
        raise InvalidValue(str(error)) from error


def _require_not_relays(local: str, name: str) -> None:
    """Raise InvalidValue for a local part or display name that reads as the relay's own."""
    if looks_like_relay(local):
        raise InvalidValue(f"address: {local}@ is reserved for the letters of this relay: choose another local part")
    if looks_like_relay(name):
        raise InvalidValue(f"name: {name!r} reads as the name of this relay: choose another name")


def _require_claim(tx: Tx, user_id: str, domain: str) -> None:
    shared = select(domains.c.name).where(domains.c.name == domain, domains.c.is_shared)
    mine = select(domain_claims.c.domain).where(domain_claims.c.domain == domain, domain_claims.c.user_id == user_id)
    if tx.execute(shared).first() is None and tx.execute(mine).first() is None:
        raise DomainNotFound(f"{domain} is not a domain of this user: claim it first")


def _require_free(tx: Tx, user_id: str, address: str) -> None:
    """Raise AddressTaken when the address has an agent.

    Except: an agent of another user on a domain that this user has verified is deleted, and the address is free.
    """
    row = tx.execute(_AGENT.where(agents.c.address == address)).first()
    if row is None:
        return
    domain = tx.execute(select(domains).where(domains.c.name == row.domain)).one()
    if row.user_id == user_id or domain.user_id != user_id:
        raise AddressTaken(f"{address} is taken by another agent")
    tx.execute(delete(agents).where(agents.c.address == address))


def _update(tx: Tx, agent: Agent, *, now: datetime, **values: Any) -> Agent:
    if values:
        tx.execute(update(agents).where(agents.c.address == agent.address).values(**values, updated_at=now))
    tx.wake(DELIVERIES + agent.address)
    tx.wake(ENDPOINT + agent.address)
    return get_agent_by_email(tx, agent.address)


def _one(tx: Tx, query: Constant, **values: str) -> Agent:
    rows = tx.fetch(query, values)
    if not rows:
        raise AgentNotFound
    return _agent(rows[0]._asdict())


def _agent(found: Mapping[str, Any]) -> Agent:
    events, is_verified = tuple(found["events"]), bool(found["domain_verified"])
    return Agent(**{**found, "events": events, "domain_verified": is_verified})
