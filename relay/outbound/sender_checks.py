"""Checks before an agent's mail is kept: its domain is verified, and no recipient is suppressed."""

from collections.abc import Sequence

from relay.errors import Suppressed
from store.directory.agents import get_agent_by_email
from store.errors import DomainUnproven
from store.outbound.suppression import find_suppressed
from store.records.mail import Agent
from store.transaction import Tx


def require_verified_domain(tx: Tx, address: str) -> Agent:
    """Return the agent at *address* as it is now. Raises AgentNotFound, DomainUnproven.

    Every user can claim any domain. Mail from a domain that is only claimed would carry the name of its real owner,
    signed by this relay.
    """
    agent = get_agent_by_email(tx, address)
    if not agent.domain_verified:
        raise DomainUnproven(f"the domain {agent.actual_domain} is not verified as yours: verify it before you send")
    return agent


def require_not_suppressed(tx: Tx, user_id: str, addresses: Sequence[str]) -> None:
    """Return unless an address bounced permanently or complained to this user. Raises Suppressed, naming each."""
    found = find_suppressed(tx, user_id, addresses)
    if found:
        listed = ", ".join(f"{address} ({suppression.reason})" for address, suppression in sorted(found.items()))
        raise Suppressed(f"suppressed recipients: {listed}", addresses=tuple(sorted(found)))
