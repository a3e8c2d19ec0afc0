"""The DNS records that a domain's owner publishes. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from relay.directory.domains import PROOF_NAME, PROOF_VALUE
from store.records import Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to publish."""

    type: Literal["TXT", "MX"]
    name: str
    value: str
    purpose: Literal["ownership", "receiving"]
    status: Literal["pending", "verified"]

    def to_dict(self) -> dict[str, Any]:
        """As the API and `--json` show it."""
        return {name: getattr(self, name) for name in self.__slots__}


def records_for(domain: Domain, *, hostname: str) -> tuple[Record, ...]:
    """What the claimant of *domain* publishes: the proof, and the MX that points at *hostname*."""
    status: Literal["pending", "verified"] = "verified" if domain.verified else "pending"
    proof = Record(
        type="TXT",
        name=f"{PROOF_NAME}.{domain.domain}",
        value=PROOF_VALUE + domain.token,
        purpose="ownership",
        status=status,
    )
    # Whether mail can reach us is nothing the proof says: its state is looked up, not known.
    mx = Record(type="MX", name=domain.domain, value=f"10 {hostname}", purpose="receiving", status="pending")
    return (proof, mx)
