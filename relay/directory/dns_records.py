"""The DNS records that a domain's owner publishes for this relay, and the state of each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from relay.clock import rfc3339
from relay.dns.sending_records import OWN_HOSTS, SendingRecords
from store.records.domains import Purpose, RecordState, RecordStatus
from store.records.mail import Domain

PROOF_NAME: Final = "_mailseal"
PROOF_VALUE: Final = "mailseal-verify="
_REQUIRED: Final = frozenset({"ownership", "receiving"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsIdentity:
    """This relay's names in other domains' DNS records."""

    hostname: str  # the target of MX records, in A-labels
    sending: SendingRecords | None = None  # of the courier; None where this relay sends no mail out

    @property
    def sends(self) -> bool:
        """Whether mail leaves by a courier, so that the records for sending matter."""
        return self.sending is not None

    @property
    def sending_records(self) -> SendingRecords:
        """The records for sending; without a courier those of the hosts that receive."""
        return self.sending or OWN_HOSTS

    @property
    def mechanism(self) -> str:
        """The SPF mechanism that names the hosts that send (RFC 7208 §5)."""
        return self.sending_records.spf


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
    """One record to publish, and its state at the last check."""

    wanted: ExpectedRecord
    status: RecordStatus
    found: tuple[str, ...]
    checked_at: str | None
    missing_since: str | None

    def to_dict(self) -> dict[str, Any]:
        """The record as the API and `--json` show it."""
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
    """The records for *domain*: proof of ownership, MX, and with *sending* SPF, DKIM and DMARC."""
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
    """The expected records with their *states*; with *sending* None those for sending where this relay sends."""
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
    dkim = ExpectedRecord(  # a key's name is known only to the server that signs
        type=place.sending_records.dkim_type,
        name=f"{place.sending_records.dkim_selector}._domainkey.{domain}",
        value=place.sending_records.dkim_value,
        purpose="dkim",
        note=place.sending_records.dkim_note,
    )
    dmarc = ExpectedRecord(
        type="TXT",
        name=f"_dmarc.{domain}",
        value="v=DMARC1; p=none",
        purpose="dmarc",
        note="Go on to p=quarantine or p=reject once all your mail passes.",
    )
    return (spf, dkim, dmarc)
