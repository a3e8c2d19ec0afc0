"""Judge a domain's DNS records: right or wrong, the state that follows, and the time of the next check. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from relay.auth import dmarc_record, spf_record
from relay.auth.spf_macro import SpfSyntaxError
from relay.directory.dns_records import DnsIdentity, ExpectedRecord
from relay.dns.resolver import DnsAnswer
from store.records.domains import Purpose, RecordState, RecordStatus
from store.records.mail import Domain

MAX_FOUND: Final = 10  # records that are shown
MAX_TEXT: Final = 500  # characters of each

PENDING_OFTEN: Final = timedelta(minutes=5)  # on a claim's first day
PENDING_SELDOM: Final = timedelta(hours=1)  # after that
PENDING_FOR: Final = timedelta(days=7)  # after that only its owner checks it
VERIFIED: Final = timedelta(days=1)
UNANSWERED: Final = timedelta(hours=1)  # a verified one's, whose nameservers did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsCheck:
    """The result of one lookup of one record."""

    purpose: Purpose
    is_right: bool | None  # None: DNS did not answer
    found: tuple[str, ...]


def unanswered(wanted: ExpectedRecord) -> DnsCheck:
    """The result where DNS did not answer."""
    return DnsCheck(purpose=wanted.purpose, is_right=None, found=())


def judge(wanted: ExpectedRecord, answer: DnsAnswer, *, place: DnsIdentity) -> DnsCheck:
    """Compare the DNS *answer* with the *wanted* record."""
    records = answer.records
    match wanted.purpose:
        case "ownership":
            is_right = any(record.strip() == wanted.value for record in records)
        case "receiving":
            is_right = place.hostname in _nearest(records)
        case "spf":
            records = tuple(record for record in records if record[:6].lower() == "v=spf1")
            is_right = _allows(records, place.mechanism)
        case "dkim":
            # Without its selector a key cannot be looked up, but _domainkey exists only if a key does (RFC 8020).
            records, is_right = (), answer.exists
        case "dmarc":
            policy = dmarc_record.select(records)
            is_right = policy is not None and policy.policy is not None
    return DnsCheck(purpose=wanted.purpose, is_right=is_right, found=_shown(records))


def state_after(before: RecordState | None, seen: DnsCheck, *, now: datetime) -> RecordState:
    """The state of a record after another check."""
    verified_at = before.verified_at if before else None
    missing_since = before.missing_since if before else None
    if seen.is_right:
        verified_at, missing_since = now, None
    elif seen.is_right is False and verified_at is not None:
        missing_since = missing_since or now
    return RecordState(
        purpose=seen.purpose,
        status=_status(seen, was_verified=verified_at is not None),
        found=seen.found,
        checked_at=now,
        verified_at=verified_at,
        missing_since=missing_since,
    )


def next_look(domain: Domain, states: Sequence[RecordState], *, now: datetime) -> datetime | None:
    """The time of the next automatic check of *domain*, after one *now* that gave *states*; None: never."""
    if domain.verified:
        is_unknown = any(state.status == "unknown" for state in states)
        return now + (UNANSWERED if is_unknown else VERIFIED)
    age = now - domain.created_at
    if age < timedelta(days=1):
        return now + PENDING_OFTEN
    return now + PENDING_SELDOM if age < PENDING_FOR else None


def _status(seen: DnsCheck, *, was_verified: bool) -> RecordStatus:
    if seen.is_right is None:
        return "unknown"
    if seen.is_right:
        return "verified"
    if seen.found:
        return "mismatch"
    return "missing" if was_verified else "pending"


def _nearest(records: Sequence[str]) -> set[str]:
    """The hosts with the lowest preference (RFC 5321 §5.1), of MX records like ``10 mx.example``."""
    parted = [record.partition(" ") for record in records]
    least = min((int(preference) for preference, _, _ in parted), default=0)
    return {host.lower().rstrip(".") for preference, _, host in parted if int(preference) == least}


def _allows(records: Sequence[str], mechanism: str) -> bool:
    """Whether there is one SPF record, valid, in which *mechanism* passes."""
    try:
        record = spf_record.select(records)
        if record is None:
            return False
        spf_record.parse_record(record)
    except SpfSyntaxError:
        return False
    terms = [term.removeprefix("+") for term in record.lower().split(" ")]
    return mechanism in takewhile(lambda term: term.lstrip("-~?") != "all", terms)  # terms after `all` are ignored


def _shown(records: Sequence[str]) -> tuple[str, ...]:
    return tuple(_printable(record)[:MAX_TEXT] for record in records[:MAX_FOUND])


def _printable(record: str) -> str:
    r"""*record* as in a zone file: octets that are not printable as ``\DDD``."""
    return "".join(sign if sign.isprintable() else f"\\{ord(sign):03d}" for sign in record[:MAX_TEXT])
