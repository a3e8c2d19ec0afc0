"""Whether an agent may write at all: from a domain that its own user has proved, as it receives there alone."""

from store.directory.agents import get_agent_by_email
from store.errors import DomainUnproven
from store.records.mail import Agent
from store.transaction import Tx


def require_verified_domain(tx: Tx, address: str) -> Agent:
    """The agent at *address*, as its owner wants it now. Raises AgentNotFound, DomainUnproven.

    A claim is anybody's to make: mail from behind one would be another's name, under this relay's own word for it.
    """
    agent = get_agent_by_email(tx, address)
    if not agent.domain_verified:
        raise DomainUnproven(f"{agent.actual_domain} is not proved to be yours: no mail is sent from it before")
    return agent
