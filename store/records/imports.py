"""What is taken back in from an account's export (store/upkeep/export.py), as store/upkeep/imports.py wants it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.records.mail import Message
from store.records.outbound import OutboundKind, RecipientSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedOutbound(RecipientSet):
    """What only an outbound message has; of its files an export tells the names alone."""

    kind: OutboundKind
    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    revision: int
    reviewed_by: str | None  # a user's id, here or where the export was made
    reviewed_at: datetime | None
    reason: str | None
    error: str | None
    scrubbed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMessage:
    """A message of either direction with its own id."""

    message: Message  # of an outbound one authentication and auth_headers may be None, and so may raw_sha256
    provider_message_id: str | None
    expires_at: datetime
    hold_expires_at: datetime | None
    written: ImportedOutbound | None  # of an outbound one whose texts' row was there


@dataclass(frozen=True, slots=True)
class ImportedUsage:
    """How far a list of usage events has been compared with what is kept."""

    kept: int  # of this call
    after: int | None  # the number to go on from; None: nothing further can be there already


Contents = Mapping[str, bytes | None]
"""Bytes by their SHA-256; None for a long content whose chunks are written already."""

Row = dict[str, Any]
