"""Store a mail once that its sender sends again within 24 hours (RFC 1047).

The same mail has the same reverse-path, recipient and bytes as sent, without the header fields of this relay. It is
answered 250 with the ids of the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from relay.mail.address import Address
from store.mail.received_digests import find_received, keep_digest, mail_digest
from store.names import normalise_local
from store.records.mail import NewMessage
from store.transaction import Tx

log = structlog.get_logger("relay.inbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Where earlier copies of one mail are looked for: digests for each recipient, in RCPT order."""

    digests: Sequence[tuple[str, ...]]  # the first is that of this mail; a copy under any of them counts
    since: datetime

    def first_ids(self, tx: Tx) -> Sequence[str | None]:
        """For each recipient the id of the first copy, or None."""
        wanted = [digest for group in self.digests for digest in group]
        found = find_received(tx, wanted, since=self.since) if wanted else {}
        return [_any(group, found) for group in self.digests]

    def keep(self, tx: Tx, place: int, message_id: str, *, now: datetime) -> None:
        """Remember that the recipient at *place* has this mail as *message_id*."""
        if self.digests[place]:
            keep_digest(tx, self.digests[place][0], message_id, now=now)


def copies_of(
    mail_from: str,
    recipients: Iterable[Address],
    content_sha256: bytes,
    *,
    verified: bool,
    now: datetime,
    known_for: timedelta,
) -> Copies:
    """Where to look for copies of a mail; nowhere when *known_for* is 0."""
    if not known_for:
        return Copies(digests=[() for _ in recipients], since=now)
    kinds = (True,) if verified else (False, True)
    names = [f"{normalise_local(each.local)}@{each.domain}" for each in recipients]
    digests = [tuple(mail_digest(mail_from, name, content_sha256, verified=kind) for kind in kinds) for name in names]
    return Copies(digests=digests, since=now - known_for)


def log_repeated(messages: Iterable[NewMessage], ids: Iterable[str]) -> int:
    """Log each message that was stored before under its id in *ids*; returns their number."""
    repeated = [(message, first) for message, first in zip(messages, ids, strict=True) if message.id != first]
    for message, first in repeated:
        log.info(
            "message_repeated",
            message_id=first,
            agent=message.agent,
            mail_from=message.mail_from,
            remote_ip=message.remote_ip,
        )
    return len(repeated)


def _any(group: tuple[str, ...], found: Mapping[str, str]) -> str | None:
    return next((found[digest] for digest in group if digest in found), None)
