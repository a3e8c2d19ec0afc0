"""Claim a domain, verify it by a TXT record, and keep the state of its records (docs/contract.md §6)."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from relay.directory.agents import make_secret
from relay.directory.dns_check import PENDING_OFTEN, DnsCheck, next_look, state_after
from relay.directory.dns_records import PROOF_NAME, PROOF_VALUE
from relay.errors import DnsUnavailable
from relay.signing.secrets import MasterKey
from store.directory import agents, domains
from store.directory.domain_records import keep_record_states, list_record_states
from store.errors import AddressTaken, DomainNotAvailable, DomainNotFound, DomainUnproven
from store.records.domains import RecordState
from store.records.mail import Domain, Page
from store.transaction import Tx

TOKEN_BYTES: Final = 20
log = structlog.get_logger("relay.directory")


@dataclass(frozen=True, slots=True)
class DomainWithRecords:
    """A domain, and the states of its records at the last check."""

    domain: Domain
    states: Sequence[RecordState]
    gone: Sequence[RecordState] = ()  # of those, the records that this check found missing first


def claim(tx: Tx, user_id: str, name: str, *, now: datetime) -> Domain:
    """Create the user's claim on a domain, or return the earlier one. Raises InvalidValue, DomainNotAvailable."""
    token = secrets.token_hex(TOKEN_BYTES)
    return domains.claim_or_create_domain(tx, user_id, name, token=token, now=now, next_check_at=now + PENDING_OFTEN)


def claim_with_records(tx: Tx, user_id: str, name: str, *, now: datetime) -> tuple[DomainWithRecords, bool]:
    """Claim as claim() does; return the claim with its records, and whether it is new."""
    try:
        domains.lookup_domain(tx, user_id, name)
    except DomainNotFound:
        return DomainWithRecords(claim(tx, user_id, name, now=now), ()), True
    return _listing(tx, claim(tx, user_id, name, now=now)), False


def look_up(tx: Tx, user_id: str, name: str) -> DomainWithRecords:
    """A domain of this user. Raises InvalidValue, DomainNotFound."""
    return _listing(tx, domains.lookup_domain(tx, user_id, name))


def list_some(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[DomainWithRecords]:
    """Domains of this user, by name. Raises InvalidValue: *cursor* is not of this list."""
    page = domains.page_domains_by_user(tx, user_id, limit=limit, cursor=cursor)
    states = list_record_states(tx, user_id, [each.domain for each in page.items])
    return Page([DomainWithRecords(each, states[each.domain]) for each in page.items], page.next_cursor)


def settle(tx: Tx, domain: Domain, seen: Sequence[DnsCheck], *, master: MasterKey, now: datetime) -> DomainWithRecords:
    """Keep what was *seen* of a claim, and make the claimant the owner if they prove it.

    *domain* is the claim as it was read before: a check that ended since then wins. No result takes a
    verified domain away. Raises DomainNotFound where the claim was deleted meanwhile.
    """
    before = {state.purpose: state for state in _listing(tx, domain).states}
    states = [state_after(before.get(each.purpose), each, now=now) for each in seen]
    if not domain.verified and _is_proven(states):
        with suppress(DomainNotAvailable):  # another user verified it first
            domain = _own(tx, domain, master=master, now=now)
    kept = keep_record_states(tx, domain, states, next_check_at=next_look(domain, states, now=now))
    listing = look_up(tx, _claimant(domain), domain.domain)
    gone = tuple(state for state in states if kept and state.missing_since == now)
    return replace(listing, gone=gone)


def require_answer(domain: Domain, seen: Sequence[DnsCheck]) -> None:
    """Return if DNS answered about the proof of ownership. Raises DnsUnavailable."""
    if any(each.purpose == "ownership" and each.is_right is None for each in seen):
        raise DnsUnavailable(f"no nameserver answered for {PROOF_NAME}.{domain.domain}")


def require_proof(listing: DomainWithRecords) -> None:
    """Return if the claimant owns the domain. Raises DomainUnproven with the records found, DomainNotAvailable."""
    domain = listing.domain
    if domain.verified:
        return
    if _is_proven(listing.states):
        raise DomainNotAvailable(f"{domain.domain} was verified by another user")
    found = next((state.found for state in listing.states if state.purpose == "ownership"), ())
    seen = "there is " + ", ".join(found) if found else "there is none"
    raise DomainUnproven(f"no TXT record {PROOF_VALUE}{domain.token} at {PROOF_NAME}.{domain.domain}: {seen}")


def warn(listing: DomainWithRecords) -> None:
    """Log each record that went missing, once: mail may stop to arrive."""
    for state in listing.gone:
        log.warning("dns_record_missing", domain=listing.domain.domain, purpose=state.purpose, status=state.status)


def accept(tx: Tx, user_id: str, name: str, *, master: MasterKey, now: datetime) -> Domain:
    """Make the claimant the owner, and give the domain its postmaster (RFC 5321 §4.5.1).

    Raises DomainNotFound, DomainNotAvailable.
    """
    claimed = domains.lookup_domain(tx, user_id, name)
    owned = _own(tx, claimed, master=master, now=now)
    if not claimed.verified:
        keep_record_states(tx, owned, (), next_check_at=now + PENDING_OFTEN)  # there may have been no check yet
    return domains.lookup_domain(tx, user_id, name)


def _own(tx: Tx, domain: Domain, *, master: MasterKey, now: datetime) -> Domain:
    user_id = _claimant(domain)
    owned = domains.verify_domain(tx, user_id, domain.domain, now=now)
    address = f"{agents.POSTMASTER}@{owned.domain}"
    secret = make_secret(address, master=master, now=now)
    with suppress(AddressTaken):  # verified before, or its owner has created one: that stays
        agents.create_agent(
            tx, user_id, address, mode="poll", webhook_url=None, secret=secret, now=now, is_postmaster=True
        )
    return owned


def _listing(tx: Tx, domain: Domain) -> DomainWithRecords:
    return DomainWithRecords(domain, list_record_states(tx, _claimant(domain), [domain.domain])[domain.domain])


def _claimant(domain: Domain) -> str:
    assert domain.user_id is not None, "the shared domain has no claim"
    return domain.user_id


def _is_proven(states: Sequence[RecordState]) -> bool:
    return any(state.purpose == "ownership" and state.status == "verified" for state in states)
