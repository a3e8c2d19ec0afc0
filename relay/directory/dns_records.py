"""The DNS records that a domain's owner publishes, and how each stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from relay.clock import rfc3339
from store.records.domains import Purpose, RecordState, RecordStatus
from store.records.mail import Domain

PROOF_NAME: Final = "_mailseal"
PROOF_VALUE: Final = "mailseal-verify="
Outbound = Literal["none", "ses", "smtp"]

# What lets our mail pass SPF (RFC 7208 §5): through a provider, or from the hosts that receive it.
_SENDERS: Final[dict[Outbound, str]] = {"none": "mx", "ses": "include:amazonses.com", "smtp": "mx"}
_REQUIRED: Final = frozenset({"ownership", "receiving"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsIdentity:
    """What this relay is to the DNS of others."""

    hostname: str  # where MX records point, A-labels
    outbound: Outbound = "none"

    @property
    def sends(self) -> bool:
        """Whether mail leaves from here, so that records for sending matter."""
        return self.outbound != "none"

    @property
    def mechanism(self) -> str:
        """The SPF mechanism that lets it."""
        return _SENDERS[self.outbound]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRecord:
    """One record to publish."""

    type: Literal["TXT", "MX", "CNAME"]
    name: str
    value: str
    purpose: Purpose
    note: str  # for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to publish, and how it was last seen."""

    wanted: ExpectedRecord
    status: RecordStatus
    found: tuple[str, ...]
    checked_at: str | None
    missing_since: str | None

    def to_dict(self) -> dict[str, Any]:
        """As the API and `--json` show it."""
        return {
            "type": self.wanted.type,
            "name": self.wanted.name,
            "value": self.wanted.value,
            "purpose": self.wanted.purpose,
            "required": self.wanted.purpose in _REQUIRED,
            "status": self.status,
            "found": list(self.found),
            "checked_at": self.checked_at,
            "missing_since": self.missing_since,
            "note": self.wanted.note,
        }


def expected_records(domain: Domain, *, place: DnsIdentity, sending: bool) -> tuple[ExpectedRecord, ...]:
    """What the claimant of *domain* publishes: the proof, the MX, and for *sending* what lets receivers trust it."""
    proof = ExpectedRecord(
        type="TXT",
        name=f"{PROOF_NAME}.{domain.domain}",
        value=PROOF_VALUE + domain.token,
        purpose="ownership",
        note="Proves that the domain is yours. Keep it.",
    )
    mx = ExpectedRecord(
        type="MX",
        name=domain.domain,
        value=f"10 {place.hostname}",
        purpose="receiving",
        note="Brings mail for the domain here. No other host may have a smaller number.",
    )
    return (proof, mx, *_sending_records(domain.domain, place)) if sending else (proof, mx)


def records_for(
    domain: Domain, states: Sequence[RecordState], *, place: DnsIdentity, sending: bool | None = None
) -> tuple[Record, ...]:
    """Those records with how each stands by *states*; those for sending where *place* sends, unless it is said."""
    wanted = expected_records(domain, place=place, sending=place.sends if sending is None else sending)
    known = {state.purpose: state for state in states}
    return tuple(_record(each, known.get(each.purpose)) for each in wanted)


def _record(wanted: ExpectedRecord, state: RecordState | None) -> Record:
    if state is None:
        return Record(wanted=wanted, status="pending", found=(), checked_at=None, missing_since=None)
    return Record(
        wanted=wanted,
        status=state.status,
        found=state.found,
        checked_at=rfc3339(state.checked_at),
        missing_since=rfc3339(state.missing_since) if state.missing_since else None,
    )


def _sending_records(domain: str, place: DnsIdentity) -> tuple[ExpectedRecord, ...]:
    spf = ExpectedRecord(
        type="TXT",
        name=domain,
        value=f"v=spf1 {place.mechanism} ~all",
        purpose="spf",
        note=f"If there is an SPF record already, put {place.mechanism} into it: there may be only one.",
    )
    dmarc = ExpectedRecord(
        type="TXT",
        name=f"_dmarc.{domain}",
        value="v=DMARC1; p=none",
        purpose="dmarc",
        note="Go on to p=quarantine or p=reject once all your mail passes.",
    )
    return (spf, _dkim(domain, place), dmarc)


def _dkim(domain: str, place: DnsIdentity) -> ExpectedRecord:
    """Keys have names that only whoever signs knows."""
    if place.outbound == "ses":
        return ExpectedRecord(
            type="CNAME",
            name=f"TOKEN._domainkey.{domain}",
            value="TOKEN.dkim.amazonses.com",
            purpose="dkim",
            note="Amazon SES names three tokens for the domain (Easy DKIM): publish a record for each.",
        )
    return ExpectedRecord(
        type="TXT",
        name=f"SELECTOR._domainkey.{domain}",
        value="v=DKIM1; k=rsa; p=PUBLIC_KEY",
        purpose="dkim",
        note="Selector and key come from whoever signs your mail.",
    )
