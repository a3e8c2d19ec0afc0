"""The bytes that are kept: our trace fields, then the mail as it came (contract §2).

Only one thing is ever taken out: what claims to be Authentication-Results of ours, which a reader
would otherwise believe (RFC 8601 §5). A fold on top of the mail is such a thing too, for it would go
on with the field in front of it.
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
from relay.mail.headers import Field, header_end, split_headers
from relay.mail.trace import received, return_path
from relay.spool import Spool
from store.engine import Store
from store.mail.bodies import CHUNK_BYTES, INLINE_BYTES, keep_chunk

_FOLDS: Final = (b" ", b"\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMail:
    """A mail as `raw` everywhere will show it."""

    head: bytes  # our fields, and the mail's header section without what claimed to be ours
    spool: Spool
    body_from: int  # where in the spool the rest begins
    size: int  # bytes in all
    sha256: str  # hex, of all of it
    content: bytes | None  # all of it when it fits one row

    def parts(self) -> Iterator[bytes]:
        """All of it in parts of CHUNK_BYTES, the last one shorter."""
        kept = self.head
        for chunk in self.spool.chunks(self.body_from, CHUNK_BYTES):
            kept += chunk
            while len(kept) >= CHUNK_BYTES:
                yield kept[:CHUNK_BYTES]
                kept = kept[CHUNK_BYTES:]
        if kept:
            yield kept


async def stored_mail(
    envelope: Envelope, spool: Spool, verdict: Verdict, *, hostname: str, message_id: str, at: datetime
) -> StoredMail:
    """*spool* with our fields in front. *hostname* is ours, and is the authserv-id too."""
    mail_head = spool.head()
    body_from = header_end(mail_head)
    head = b"".join(
        [
            return_path(envelope.mail_from),
            received(envelope, hostname=hostname, message_id=message_id, at=at),
            authentication_results(verdict, authserv_id=hostname, envelope=envelope),
            _without_forgeries(mail_head[:body_from], authserv_id=hostname),
        ]
    )
    size = len(head) + spool.size - body_from
    if size <= INLINE_BYTES:
        content = head + b"".join(spool.chunks(body_from))
        digest = sha256(content).hexdigest()
        return StoredMail(head=head, spool=spool, body_from=body_from, size=size, sha256=digest, content=content)
    # A large mail takes a good while to hash: long enough to be felt by the other sessions.
    digest = await asyncio.to_thread(_digest, head, spool, body_from)
    return StoredMail(head=head, spool=spool, body_from=body_from, size=size, sha256=digest, content=None)


async def keep_ahead(mail: StoredMail, *, store: Store, now: datetime) -> None:
    """Write a large mail's bytes before the transaction that makes them real, each part in one of its own.

    Nobody's commit waits for more than one part. Parts that never become real are collected later.
    """
    if mail.content is not None:
        return
    for number, part in enumerate(mail.parts()):
        await store.write(lambda tx, number=number, part=part: keep_chunk(tx, mail.sha256, number, part, now=now))  # type: ignore[misc]


def _digest(head: bytes, spool: Spool, body_from: int) -> str:
    digest = sha256(head)
    for chunk in spool.chunks(body_from, CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _without_forgeries(section: bytes, *, authserv_id: str) -> bytes:
    if not section.startswith(_FOLDS) and b"authentication-results" not in section.lower():
        return section
    fields = split_headers(section).fields
    kept = [field.raw for field in fields if not _is_forged(field, authserv_id)]
    if len(kept) == len(fields):
        return section
    return b"".join(kept) + section[sum(len(field.raw) for field in fields) :]


def _is_forged(field: Field, authserv_id: str) -> bool:
    if field.name == "authentication-results":
        return claims_to_be(field, authserv_id)
    return field.raw.startswith(_FOLDS)
