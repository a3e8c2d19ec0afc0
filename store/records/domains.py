"""What is known of a domain's DNS: one record as its owner was asked to publish it, and how it was last seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Purpose = Literal["ownership", "receiving", "spf", "dkim", "dmarc"]
RecordStatus = Literal["pending", "verified", "mismatch", "missing", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordState:
    """How the record for one purpose was seen in DNS."""

    purpose: Purpose
    status: RecordStatus
    found: tuple[str, ...]  # what stands there, right or not; a stranger's words, printable
    checked_at: datetime
    verified_at: datetime | None  # when it was last seen right; None: never
    missing_since: datetime | None  # of one that was right once: when it was first seen not to be any more
