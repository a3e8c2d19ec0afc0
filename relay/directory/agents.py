"""Making agents: an address, a way to get its mail, and a signing secret of its own."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from relay.clock import rfc3339
from relay.egress import Network, check_url
from relay.errors import ForbiddenTarget
from relay.signing.agent_secret import agent_secret, open_secret
from relay.signing.secrets import NONCE_BYTES, SECRET_BYTES, MasterKey, whsec
from store import agents
from store.errors import InvalidValue
from store.ids import new_key_id
from store.records import Agent, AgentSecret, Mode
from store.transaction import Tx

EVENT_TYPES: Final = (
    "email.received",
    "email.sent",
    "email.failed",
    "email.pending_approval",
    "email.approved",
    "email.rejected",
    "email.expired",
    "email.delivered",
    "email.bounced",
    "email.complained",
)
MAX_NAME: Final = 200


def create_agent(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    mode: Mode,
    webhook_url: str | None,
    master: MasterKey,
    allow: Sequence[Network],
    now: datetime,
    name: str = "",
    events: Sequence[str] = agents.DEFAULT_EVENTS,
    on_unverified: str = "deliver",
) -> Agent:
    """A new agent of this user. Raises InvalidValue, DomainNotFound, AddressTaken."""
    check_webhook(webhook_url, allow=allow)
    check_texts(name=name, events=events, on_unverified=on_unverified)
    normal = agents.normalised(address)
    return agents.create_agent(
        tx,
        user_id,
        normal,
        mode=mode,
        webhook_url=webhook_url,
        secret=make_secret(normal, master=master, now=now),
        now=now,
        name=name,
        events=events,
        on_unverified=on_unverified,
    )


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
    now: datetime,
) -> Agent:
    """Change what is given; None leaves a thing as it is. A URL alone means webhook mode.

    Raises InvalidValue, AgentNotFound.
    """
    check_webhook(webhook_url, allow=allow)
    check_texts(name=name or "", events=events or (), on_unverified=on_unverified or "deliver")
    given = {"name": name, "events": events and list(events), "on_unverified": on_unverified}
    agent = agents.update_agent(
        tx, user_id, address, **{key: value for key, value in given.items() if value is not None}
    )
    if webhook_url is not None:
        agent = agents.update_agent_webhook(tx, user_id, address, webhook_url)
    wanted = mode or ("webhook" if webhook_url is not None else agent.mode)
    return agents.update_agent_mode(tx, user_id, address, wanted, now=now) if wanted != agent.mode else agent


def read_secrets(tx: Tx, address: str, *, master: MasterKey, now: datetime) -> list[dict[str, str | None]]:
    """The agent's valid signing secrets in clear, the current one first, as contract §6 shows them."""
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
    """A fresh signing secret for the agent at *address* (normalised)."""
    return agent_secret(
        address,
        new_key_id(),
        random_bytes=secrets.token_bytes(SECRET_BYTES),
        nonce=secrets.token_bytes(NONCE_BYTES),
        master=master,
        now=now,
    )


def check_webhook(url: str | None, *, allow: Sequence[Network]) -> None:
    """Refuse what could never be posted to; addresses are looked at when connecting. Raises InvalidValue."""
    if url is None:
        return
    try:
        check_url(url, allow)
    except ForbiddenTarget as error:
        raise InvalidValue(f"webhook_url: {error}") from error


def check_texts(*, name: str, events: Sequence[str], on_unverified: str) -> None:
    """Refuse what the schema would refuse, with a word on why. Raises InvalidValue."""
    if len(name) > MAX_NAME or not name.isprintable():
        raise InvalidValue(f"name: at most {MAX_NAME} printable characters")
    unknown = [event for event in events if event not in EVENT_TYPES]
    if unknown:
        raise InvalidValue(f"events: there is no {unknown[0]}")
    if on_unverified not in {"deliver", "reject"}:
        raise InvalidValue("on_unverified: deliver or reject")
