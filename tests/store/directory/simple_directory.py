"""Who owns which domains, agents and keys, as plain Python would keep it.

Each call answers None when it was done, or the error that says why it was not.
"""

from dataclasses import dataclass, field
from datetime import datetime

from store.directory.keys import TOUCH_EVERY
from store.errors import (
    AddressTaken,
    AgentNotFound,
    DomainHasAgents,
    DomainNotAvailable,
    DomainNotFound,
    KeyNotFound,
    StoreError,
)
from tests.store.simple_mailbox import Letter, Mailbox

Refusal = type[StoreError] | None


@dataclass
class Key:
    """An API key."""

    id: str
    user: str
    agent: str | None
    used_at: datetime | None = None


@dataclass
class Directory:
    """All of it. A domain is a name, an agent an address, a user an id."""

    claims: dict[tuple[str, str], str] = field(default_factory=dict)  # by domain and user: the token
    owners: dict[str, str] = field(default_factory=dict)  # by domain
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)  # by address
    keys: dict[str, Key] = field(default_factory=dict)  # by hash

    # Domains

    def claim(self, user: str, domain: str, token: str) -> Refusal:
        if self.owners.get(domain, user) != user:
            return DomainNotAvailable
        self.claims.setdefault((domain, user), token)
        return None

    def verify(self, user: str, domain: str) -> Refusal:
        if (domain, user) not in self.claims:
            return DomainNotFound
        if self.owners.get(domain, user) != user:
            return DomainNotAvailable
        self.owners[domain] = user
        return None

    def give_up(self, user: str, domain: str) -> Refusal:
        if (domain, user) not in self.claims:
            return DomainNotFound
        if any(box.user == user and domain_of(address) == domain for address, box in self.mailboxes.items()):
            return DomainHasAgents
        del self.claims[domain, user]
        if self.owners.get(domain) == user:
            del self.owners[domain]
        return None

    def domains_of(self, user: str) -> list[tuple[str, str, bool]]:
        """Name, token and whether it is theirs, by name."""
        mine = [(domain, token) for (domain, whose), token in self.claims.items() if whose == user]
        return [(domain, token, self.owners.get(domain) == user) for domain, token in sorted(mine)]

    # Agents

    def make_agent(self, user: str, address: str, mode: str) -> Refusal:
        domain = domain_of(address)
        if (domain, user) not in self.claims:
            return DomainNotFound
        there = self.mailboxes.get(address)
        if there and (there.user == user or self.owners.get(domain) != user):
            return AddressTaken
        self._forget_agent(address)  # a stranger's, on a domain that this user has proved
        self.mailboxes[address] = Mailbox(user, mode)
        return None

    def delete_agent(self, user: str, address: str) -> Refusal:
        if not self.is_agent_of(user, address):
            return AgentNotFound
        self._forget_agent(address)
        return None

    def switch_agent(self, user: str, address: str, mode: str) -> Refusal:
        if not self.is_agent_of(user, address):
            return AgentNotFound
        self.mailboxes[address].switch(mode)
        return None

    def is_agent_of(self, user: str, address: str) -> bool:
        return address in self.mailboxes and self.mailboxes[address].user == user

    def agents_of(self, user: str) -> list[tuple[str, str, bool]]:
        """Address, mode and whether the domain is proved by this user, by address."""
        mine = [(address, box.mode) for address, box in self.mailboxes.items() if box.user == user]
        return [(address, mode, self.owners.get(domain_of(address)) == user) for address, mode in sorted(mine)]

    def letters(self) -> list[tuple[str, Letter]]:
        """Every letter with its agent."""
        return [(address, letter) for address, box in self.mailboxes.items() for letter in box.letters]

    # Keys

    def refuses_key(self, user: str, agent: str | None) -> Refusal:
        return None if agent is None or self.is_agent_of(user, agent) else AgentNotFound

    def revoke(self, user: str, key_hash: str) -> Refusal:
        if key_hash not in self.keys or self.keys[key_hash].user != user:
            return KeyNotFound
        del self.keys[key_hash]
        return None

    def touch(self, key: Key, *, now: datetime) -> None:
        if key.used_at is None or key.used_at <= now - TOUCH_EVERY:
            key.used_at = now

    def _forget_agent(self, address: str) -> None:
        self.mailboxes.pop(address, None)
        self.keys = {key_hash: key for key_hash, key in self.keys.items() if key.agent != address}


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]
