"""Compose the stored bytes of a received mail: trace fields, then the mail.

One thing is removed: Authentication-Results fields that claim to be ours, because a reader would
believe them (RFC 8601 §5). A folded line at the top of the mail would continue our last field, so an empty
field is put before it. See docs/contract.md §2.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from relay.auth.results import authentication_results, claims_to_be
from relay.auth.verdict import Verdict
from relay.mail.envelope import Envelope
from relay.mail.headers import FIELD_WEIGHT, Field, Headers, count_fields, header_end, split_headers
from relay.mail.trace import received, return_path
from relay.spool import Spool
from relay.threads import HEADER_OFF_LOOP_BYTES, by_size
from store.mail.bodies import CHUNK_BYTES, INLINE_BYTES

_FOLDS: Final = (b" ", b"\t")
_FIRST: Final = b"X-Mailseal-First:\r\n"  # what a fold at the top of the mail continues, in place of our results


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMail:
    """The bytes that are stored for a mail, and that ``raw`` shows everywhere."""

    head: bytes  # our fields, and the mail's header section without forged results
    spool: Spool
    body_from: int  # offset in the spool where the rest begins
    size: int  # bytes in all
    sha256: str  # hex, of all bytes
    content_sha256: bytes  # of the mail as its sender sent it, without our fields
    content: bytes | None  # all bytes when they fit into one row, else None
    trace: Headers | None = None  # our fields, where the mail's header section follows them unchanged

    def headers(self, sent: Headers) -> Headers | None:
        """The header fields of the stored bytes, of a mail with the fields *sent*; None: split the bytes."""
        return Headers(self.trace.fields + sent.fields) if self.trace is not None else None

    def pieces(self) -> Iterator[bytes]:
        """All bytes in order, in pieces of any size."""
        yield self.head
        yield from self.spool.chunks(self.body_from, CHUNK_BYTES)


async def stored_mail(
    envelope: Envelope, spool: Spool, verdict: Verdict, *, hostname: str, message_id: str, at: datetime
) -> StoredMail:
    """Put our trace fields in front of *spool*.

    *hostname* is ours, and is the authserv-id too.
    """
    mail_head = spool.head()
    body_from = header_end(mail_head)
    section = mail_head[:body_from]
    kept = await by_size(
        body_from + FIELD_WEIGHT * count_fields(section),
        lambda: _without_forgeries(section, authserv_id=hostname),
        above=HEADER_OFF_LOOP_BYTES,
    )
    ours = b"".join(
        [
            return_path(envelope.mail_from),
            received(envelope, hostname=hostname, message_id=message_id, at=at),
            authentication_results(verdict, authserv_id=hostname, envelope=envelope),
        ]
    )
    head = ours + kept
    size = len(head) + spool.size - body_from
    if size <= INLINE_BYTES:
        body = b"".join(spool.chunks(body_from))
        content = head + body
        return StoredMail(
            head=head,
            spool=spool,
            body_from=body_from,
            size=size,
            sha256=sha256(content).hexdigest(),
            content_sha256=sha256(mail_head[:body_from] + body).digest(),
            content=content,
            trace=split_headers(ours) if kept == section else None,
        )
    # Hashing a large mail takes long enough to delay other sessions, so it runs in a thread.
    stored, sent = await asyncio.to_thread(_digests, head, mail_head[:body_from], spool, body_from)
    return StoredMail(
        head=head, spool=spool, body_from=body_from, size=size, sha256=stored, content_sha256=sent, content=None
    )


def _digests(head: bytes, mail_head: bytes, spool: Spool, body_from: int) -> tuple[str, bytes]:
    stored, sent = sha256(head), sha256(mail_head)
    for chunk in spool.chunks(body_from, CHUNK_BYTES):
        stored.update(chunk)
        sent.update(chunk)
    return stored.hexdigest(), sent.digest()


def _without_forgeries(section: bytes, *, authserv_id: str) -> bytes:
    first = _FIRST if section.startswith(_FOLDS) else b""
    if b"authentication-results" not in section.lower():
        return first + section
    fields = split_headers(section).fields
    kept = [field.raw for field in fields if not _is_forged(field, authserv_id)]
    if len(kept) == len(fields):
        return first + section
    return first + b"".join(kept) + section[sum(len(field.raw) for field in fields) :]


def _is_forged(field: Field, authserv_id: str) -> bool:
    return field.name == "authentication-results" and claims_to_be(field, authserv_id)
