"""Limits of received mails: their header section, loops, and how long a mail is known again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundLimits:
    """Limits set by the operator."""

    header_bytes: int = 262_144  # of the header section
    header_fields: int = 2000
    hops: int = 50  # Received fields of any server (RFC 5321 §6.3)
    own_hops: int = 5  # Received fields that this relay wrote: from this number on a mail is in a loop
    known_for: timedelta = timedelta(hours=24)  # a mail that comes again is stored once (RFC 1047); 0 for never
