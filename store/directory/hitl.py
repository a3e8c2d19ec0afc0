"""Human approval settings of an agent: hold time and expiration action."""

from datetime import datetime
from typing import Any, Final, get_args

from sqlalchemy import update

from store.directory.agents import get_agent_by_id
from store.errors import InvalidValue
from store.records.mail import Agent, ExpirationAction
from store.schema.inbound import agents
from store.transaction import Tx

MAX_TTL_SECONDS: Final = 604_800  # seven days
ACTIONS: Final = get_args(ExpirationAction)


def validate_hitl_config(ttl_seconds: Any, expiration_action: Any) -> None:
    """Check a hold time in seconds (1 to 604800) and an expiration action.

    Raises InvalidValue, before any query; the table's CHECK constraints are the last guard.
    """
    # bool is a subclass of int: True would count as one second.
    whole = isinstance(ttl_seconds, int) and not isinstance(ttl_seconds, bool)
    if not whole or not 1 <= ttl_seconds <= MAX_TTL_SECONDS:
        raise InvalidValue(f"ttl_seconds: a whole number from 1 to {MAX_TTL_SECONDS}")
    if expiration_action not in ACTIONS:
        raise InvalidValue(f"expiration_action: {' or '.join(ACTIONS)}")


def update_agent_hitl(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    enabled: bool,
    ttl_seconds: int,
    expiration_action: ExpirationAction,
    now: datetime,
) -> Agent:
    """Change an agent's approval settings. Existing holds keep their expiry time.

    Raises InvalidValue, AgentNotFound.
    """
    validate_hitl_config(ttl_seconds, expiration_action)
    agent = get_agent_by_id(tx, user_id, address)
    values = {
        "hitl_enabled": enabled,
        "hitl_ttl_seconds": ttl_seconds,
        "hitl_expiration_action": expiration_action,
        "updated_at": now,
    }
    tx.execute(update(agents).where(agents.c.address == agent.address).values(values))
    return get_agent_by_id(tx, user_id, address)
