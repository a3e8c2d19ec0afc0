"""Claiming a domain, and proving it by a TXT record (contract §6)."""

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Final

from relay.auth.resolver import Resolver
from relay.directory.agents import make_secret
from relay.signing.secrets import MasterKey
from store import agents, domains
from store.errors import AddressTaken, DomainUnproven
from store.records import Domain
from store.transaction import Tx

TOKEN_BYTES: Final = 20
PROOF_NAME: Final = "_mailseal"
PROOF_VALUE: Final = "mailseal-verify="


def claim(tx: Tx, user_id: str, name: str, *, now: datetime) -> Domain:
    """The user's claim on a domain, new or as it was. Raises InvalidValue, DomainNotAvailable."""
    return domains.claim_or_create_domain(tx, user_id, name, token=secrets.token_hex(TOKEN_BYTES), now=now)


async def require_proof(domain: Domain, *, resolver: Resolver) -> None:
    """Return if DNS shows this claimant's token now. Raises DomainUnproven, DnsUnavailable."""
    name, wanted = f"{PROOF_NAME}.{domain.domain}", PROOF_VALUE + domain.token
    answer = await resolver.lookup(name, "TXT")
    if not any(secrets.compare_digest(record.strip().encode(), wanted.encode()) for record in answer.records):
        raise DomainUnproven(f"no TXT record {wanted} at {name}")


def accept(tx: Tx, user_id: str, name: str, *, master: MasterKey, now: datetime) -> Domain:
    """Make the claimant the owner, and give the domain its postmaster (RFC 5321 §4.5.1).

    Raises DomainNotFound, DomainNotAvailable.
    """
    domain = domains.verify_domain(tx, user_id, name, now=now)
    address = f"{agents.POSTMASTER}@{domain.domain}"
    secret = make_secret(address, master=master, now=now)
    with suppress(AddressTaken):  # verified before, or the owner has made one: theirs stays
        agents.create_agent(
            tx, user_id, address, mode="poll", webhook_url=None, secret=secret, now=now, is_postmaster=True
        )
    return domain
