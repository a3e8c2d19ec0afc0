"""Create and change agents: address, delivery mode, event types and signing secrets."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from relay.clock import rfc3339
from relay.egress import Network, check_url
from relay.errors import ForbiddenTarget, NoSharedDomain
from relay.events.types import EVENT_NAMES
from relay.signing.agent_secret import agent_secret, open_secret
from relay.signing.secrets import NONCE_BYTES, SECRET_BYTES, MasterKey, whsec
from store.directory import agents, domains
from store.directory.reserved import RELAY_LOCAL, SHARED_LOCAL
from store.errors import InvalidValue
from store.ids import new_key_id
from store.names import is_text
from store.records.mail import Agent, AgentSecret, Mode
from store.transaction import Tx

MAX_NAME: Final = 200
# Addresses for mail to the operator (RFC 2142), or that readers take for the operator's.
RESERVED: Final = frozenset(
    {
        *("abuse", "admin", "administrator", "hostmaster", "mailer-daemon", "no-reply", "noc", "noreply"),
        *(RELAY_LOCAL, SHARED_LOCAL, "postmaster", "root", "security", "ssladmin", "sysadmin", "webmaster"),
    }
)
# Without a plus sign: an agent ``bot+tag`` would get the mail for ``bot`` with a tag.
_SLUG: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
MAX_SLUG: Final = 64


def create_agent(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    mode: Mode | None,
    webhook_url: str | None,
    master: MasterKey,
    allow: Sequence[Network],
    now: datetime,
    name: str = "",
    events: Sequence[str] = agents.DEFAULT_EVENTS,
    on_unverified: str = "deliver",
    answer_lists: bool = False,
    letters_domain: str | None = None,
) -> Agent:
    """Create an agent of this user; *mode* None means webhook with a URL, poll without.

    On the shared domain its local part must be a slug. *letters_domain* is that of MAILSEAL_OUTBOUND_FROM_DOMAIN, whose
    `agents@` sends for agents of all users. Raises InvalidValue, DomainNotFound, AddressTaken.
    """
    check_webhook(webhook_url, allow=allow)
    check_texts(name=name, events=events, on_unverified=on_unverified)
    normal = agents.normalised(address)
    check_address(tx, normal, letters_domain=letters_domain)
    return agents.create_agent(
        tx,
        user_id,
        normal,
        mode=mode or ("poll" if webhook_url is None else "webhook"),
        webhook_url=webhook_url,
        secret=make_secret(normal, master=master, now=now),
        now=now,
        name=name,
        events=_each_once(events),
        on_unverified=on_unverified,
        answer_lists=answer_lists,
    )


def slug_address(slug: str, *, shared_domain: str | None) -> str:
    """The address of *slug* on the shared domain. Raises NoSharedDomain, InvalidValue."""
    if shared_domain is None:
        raise NoSharedDomain
    check_slug(slug)
    return f"{slug}@{shared_domain}"


def change_agent(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    mode: Mode | None,
    webhook_url: str | None,
    allow: Sequence[Network],
    name: str | None = None,
    events: Sequence[str] | None = None,
    on_unverified: str | None = None,
    answer_lists: bool | None = None,
    now: datetime,
) -> Agent:
    """Change the values given; None leaves a value as it is. A URL without a mode means webhook mode.

    Raises InvalidValue, AgentNotFound.
    """
    check_webhook(webhook_url, allow=allow)
    check_texts(name=name or "", events=events or (), on_unverified=on_unverified or "deliver")
    wanted = None if events is None else _each_once(events)
    given = {"name": name, "events": wanted, "on_unverified": on_unverified, "answer_lists": answer_lists}
    agent = agents.update_agent(
        tx, user_id, address, now=now, **{key: value for key, value in given.items() if value is not None}
    )
    if webhook_url is not None:
        agent = agents.update_agent_webhook(tx, user_id, address, webhook_url, now=now)
    new_mode = mode or ("webhook" if webhook_url is not None else agent.mode)
    return agents.update_agent_mode(tx, user_id, address, new_mode, now=now) if new_mode != agent.mode else agent


def rotate_secret(
    tx: Tx, user_id: str, address: str, *, master: MasterKey, now: datetime
) -> list[dict[str, str | None]]:
    """Add a signing secret to the agent, and return all valid ones. Raises InvalidValue, AgentNotFound."""
    normal = agents.normalised(address)
    agents.rotate_secret(tx, user_id, make_secret(normal, master=master, now=now))
    return read_secrets(tx, normal, master=master, now=now)


def read_secrets(tx: Tx, address: str, *, master: MasterKey, now: datetime) -> list[dict[str, str | None]]:
    """The agent's valid signing secrets in clear, the current one first, as docs/contract.md §6 shows them."""
    return [
        {
            "key_id": kept.key_id,
            "secret": whsec(open_secret(kept, master=master)),
            "created_at": rfc3339(kept.created_at),
            "expires_at": rfc3339(kept.expires_at) if kept.expires_at else None,
        }
        for kept in agents.list_secrets(tx, address, now=now)
    ]


def make_secret(address: str, *, master: MasterKey, now: datetime) -> AgentSecret:
    """A new signing secret for the agent at *address* (normalised)."""
    return agent_secret(
        address,
        new_key_id(),
        random_bytes=secrets.token_bytes(SECRET_BYTES),
        nonce=secrets.token_bytes(NONCE_BYTES),
        master=master,
        now=now,
    )


def check_address(tx: Tx, address: str, *, letters_domain: str | None) -> None:
    """Refuse an agent's address (normalised) that belongs to the operator or the relay. Raises InvalidValue.

    On the shared domain these are the reserved slugs, on that of MAILSEAL_OUTBOUND_FROM_DOMAIN `agents@`.
    """
    local, _, domain = address.rpartition("@")
    if domains.is_shared_domain(tx, domain):
        check_slug(local)
    if domain == letters_domain and local.partition("+")[0] == SHARED_LOCAL:
        raise InvalidValue(
            f"{address} sends for agents of all users and belongs to the relay: choose another local part"
        )


def check_slug(slug: str) -> None:
    """Refuse a local part that must not exist on the shared domain. Raises InvalidValue."""
    if not _SLUG.fullmatch(slug) or len(slug) > MAX_SLUG:
        raise InvalidValue(f"slug: 1 to {MAX_SLUG} of a-z, 0-9, -, _ and single dots between them")
    if slug in RESERVED:
        raise InvalidValue(f"slug: {slug} is reserved")


def check_webhook(url: str | None, *, allow: Sequence[Network]) -> None:
    """Refuse a URL that is never posted to; its addresses are checked when connecting. Raises InvalidValue."""
    if url is None:
        return
    try:
        check_url(url, allow)
    except ForbiddenTarget as error:
        raise InvalidValue(f"webhook_url: {error}") from error


def check_texts(*, name: str, events: Sequence[str], on_unverified: str) -> None:
    """Refuse values that the schema would refuse, with the reason. Raises InvalidValue."""
    if not is_text(name, most=MAX_NAME):
        raise InvalidValue(f"name: at most {MAX_NAME} printable characters")
    unknown = [event for event in events if event not in EVENT_NAMES]
    if unknown:
        raise InvalidValue(f"events: {unknown[0]} is no event type")
    if on_unverified not in {"deliver", "reject"}:
        raise InvalidValue("on_unverified: deliver or reject")


def _each_once(events: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(events))
