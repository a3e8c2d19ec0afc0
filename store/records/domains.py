"""DNS record states: what a domain's owner must publish and what was last seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Purpose = Literal["ownership", "receiving", "spf", "dkim", "dmarc"]
RecordStatus = Literal["pending", "verified", "mismatch", "missing", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """The state of the DNS record for one purpose, as last seen."""

    purpose: Purpose
    status: RecordStatus
    found: tuple[str, ...]  # record values found, correct or not; untrusted text, printable
    checked_at: datetime
    verified_at: datetime | None  # when it was last seen correct; None: never
    missing_since: datetime | None  # when a record that had been correct was first seen missing or wrong
