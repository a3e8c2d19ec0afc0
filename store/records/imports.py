"""Records of an account import (store/upkeep/imports.py), read from an export."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.records.mail import Message
from store.records.outbound import OutboundKind, RecipientSet


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedOutbound(RecipientSet):
    """The outbound part of an imported message; exports hold attachment names only."""

    kind: OutboundKind
    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    revision: int
    reviewed_by: str | None  # user id, of this relay or of the exporting one
    reviewed_at: datetime | None
    reason: str | None
    error: str | None
    scrubbed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedMessage:
    """An imported message of either direction, with its own id."""

    message: Message  # outbound: authentication, auth_headers and raw_sha256 may be None
    provider_message_id: str | None
    expires_at: datetime
    hold_expires_at: datetime | None
    written: ImportedOutbound | None  # outbound: set if its content row existed


@dataclass(frozen=True, slots=True)
class ImportedUsage:
    """Progress of the comparison of imported usage events with the stored ones."""

    kept: int  # events stored by this call
    after: int | None  # number to continue from; None: no further event can be stored already


Contents = Mapping[str, bytes | None]
"""Content bytes by SHA-256; None for a long content whose chunks are stored already."""

Row = dict[str, Any]
