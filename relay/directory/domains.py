"""Claiming a domain, proving it by a TXT record, and knowing how its records stand (docs/contract.md §6)."""

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
    """A domain, and how its records were last seen."""

    domain: Domain
    states: Sequence[RecordState]
    gone: Sequence[RecordState] = ()  # of those, what this very look found to be there no more


def claim(tx: Tx, user_id: str, name: str, *, now: datetime) -> Domain:
    """The user's claim on a domain, new or as it was. Raises InvalidValue, DomainNotAvailable."""
    token = secrets.token_hex(TOKEN_BYTES)
    return domains.claim_or_create_domain(tx, user_id, name, token=token, now=now, next_check_at=now + PENDING_OFTEN)


def claim_anew(tx: Tx, user_id: str, name: str, *, now: datetime) -> tuple[DomainWithRecords, bool]:
    """The same, with how it stands, and whether it is new."""
    try:
        domains.lookup_domain(tx, user_id, name)
    except DomainNotFound:
        return DomainWithRecords(claim(tx, user_id, name, now=now), ()), True
    return _listing(tx, claim(tx, user_id, name, now=now)), False


def look_up(tx: Tx, user_id: str, name: str) -> DomainWithRecords:
    """A domain of this user. Raises InvalidValue, DomainNotFound."""
    return _listing(tx, domains.lookup_domain(tx, user_id, name))


def list_some(tx: Tx, user_id: str, *, limit: int, cursor: str | None) -> Page[DomainWithRecords]:
    """Domains of this user, by name. Raises InvalidValue for no cursor of this list."""
    page = domains.page_domains_by_user(tx, user_id, limit=limit, cursor=cursor)
    states = list_record_states(tx, user_id, [each.domain for each in page.items])
    return Page([DomainWithRecords(each, states[each.domain]) for each in page.items], page.next_cursor)


def settle(tx: Tx, domain: Domain, seen: Sequence[DnsCheck], *, master: MasterKey, now: datetime) -> DomainWithRecords:
    """Keep what was *seen* of a claim, and make the claimant the owner if that is the proof.

    *domain* is the claim as it was read before: if somebody has looked since, what they saw stays. Nothing that
    is seen, or not, takes a verified domain away. Raises DomainNotFound when it was given up meanwhile.
    """
    before = {state.purpose: state for state in _listing(tx, domain).states}
    states = [state_after(before.get(each.purpose), each, now=now) for each in seen]
    if not domain.verified and _is_proved(states):
        with suppress(DomainNotAvailable):  # somebody else was first
            domain = _own(tx, domain, master=master, now=now)
    kept = keep_record_states(tx, domain, states, next_check_at=next_look(domain, states, now=now))
    listing = look_up(tx, _claimant(domain), domain.domain)
    gone = tuple(state for state in states if kept and state.missing_since == now)
    return replace(listing, gone=gone)


def require_answer(domain: Domain, seen: Sequence[DnsCheck]) -> None:
    """Return if DNS said anything about the proof. Raises DnsUnavailable."""
    if any(each.purpose == "ownership" and each.is_right is None for each in seen):
        raise DnsUnavailable(f"no nameserver answered for {PROOF_NAME}.{domain.domain}")


def require_proof(listing: DomainWithRecords) -> None:
    """Return if the domain is the claimant's. Raises DomainUnproven with what was seen, DomainNotAvailable."""
    domain = listing.domain
    if domain.verified:
        return
    if _is_proved(listing.states):
        raise DomainNotAvailable(f"{domain.domain} was verified by somebody else")
    found = next((state.found for state in listing.states if state.purpose == "ownership"), ())
    seen = "there is " + ", ".join(found) if found else "there is none"
    raise DomainUnproven(f"no TXT record {PROOF_VALUE}{domain.token} at {PROOF_NAME}.{domain.domain}: {seen}")


def warn(listing: DomainWithRecords) -> None:
    """Tell the operator once of each record that has gone: mail may stop to come."""
    for state in listing.gone:
        log.warning("dns_record_missing", domain=listing.domain.domain, purpose=state.purpose, status=state.status)


def accept(tx: Tx, user_id: str, name: str, *, master: MasterKey, now: datetime) -> Domain:
    """Make the claimant the owner, and give the domain its postmaster (RFC 5321 §4.5.1).

    Raises DomainNotFound, DomainNotAvailable.
    """
    claimed = domains.lookup_domain(tx, user_id, name)
    owned = _own(tx, claimed, master=master, now=now)
    if not claimed.verified:
        keep_record_states(tx, owned, (), next_check_at=now + PENDING_OFTEN)  # nobody may have looked yet
    return domains.lookup_domain(tx, user_id, name)


def _own(tx: Tx, domain: Domain, *, master: MasterKey, now: datetime) -> Domain:
    user_id = _claimant(domain)
    owned = domains.verify_domain(tx, user_id, domain.domain, now=now)
    address = f"{agents.POSTMASTER}@{owned.domain}"
    secret = make_secret(address, master=master, now=now)
    with suppress(AddressTaken):  # verified before, or the owner has made one: theirs stays
        agents.create_agent(
            tx, user_id, address, mode="poll", webhook_url=None, secret=secret, now=now, is_postmaster=True
        )
    return owned


def _listing(tx: Tx, domain: Domain) -> DomainWithRecords:
    return DomainWithRecords(domain, list_record_states(tx, _claimant(domain), [domain.domain])[domain.domain])


def _claimant(domain: Domain) -> str:
    assert domain.user_id is not None, "the shared domain is nobody's claim"
    return domain.user_id


def _is_proved(states: Sequence[RecordState]) -> bool:
    return any(state.purpose == "ownership" and state.status == "verified" for state in states)
