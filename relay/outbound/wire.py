"""Compose, store and read back the bytes of an outbound mail."""

import secrets
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from relay.errors import CourierRefused
from relay.outbound.compose.compose import Author, Composed, compose
from relay.outbound.compose.original import files_in
from relay.outbound.context import SendContext
from relay.threads import by_size
from store.directory.agents import get_agent_by_email
from store.mail.bodies import INLINE_BYTES, keep_ahead, read_body
from store.outbound.outbound import attach_wire
from store.records.outbound import AnsweredMessage, Draft, OutboundMessage, Outgoing, WireBytes
from store.transaction import Tx

_BOUNDARY_BYTES = 12


async def compose_draft(
    draft: Draft,
    author: Author,
    *,
    message_id: str,
    at: datetime,
    answered: AnsweredMessage | None,
    headers: tuple[tuple[str, str], ...],
    ctx: SendContext,
) -> Composed:
    """Compose *draft* into a mail, in a thread when it is large.

    Raises BadDraft, MailTooLarge.
    """
    boundary = secrets.token_hex(_BOUNDARY_BYTES)
    size = sum(len(file.content) for file in draft.attachments) + len(draft.text or "") + len(draft.html or "")

    def write() -> Composed:
        return compose(
            draft,
            author,
            message_id=message_id,
            at=at,
            boundary=boundary,
            answered=answered,
            headers=headers,
            limit=ctx.max_bytes,
        )

    return await by_size(size, write)


async def compose_again(message: OutboundMessage, draft: Draft, *, ctx: SendContext) -> Composed:
    """Compose *draft* in place of the content of *message*.

    Raises BadDraft, MailTooLarge, AgentNotFound.
    """
    agent = await ctx.store.read(lambda tx: get_agent_by_email(tx, message.agent))
    return await compose_draft(
        draft,
        author_of(agent.address, agent.name, mail_from=message.mail_from),
        message_id=message.id,
        at=message.created_at,
        answered=message.answered,
        headers=message.headers,
        ctx=ctx,
    )


def author_of(address: str, name: str, *, mail_from: str | None) -> Author:
    """The author of a mail: an agent, with its own address or a shared one."""
    return Author(address=address, name=name, shared_from=mail_from if mail_from != address else None)


async def wire_bytes(composed: Composed, *, ctx: SendContext, now: datetime) -> WireBytes:
    """The bytes of *composed* ready to be stored at *now*.

    A long mail's chunks are written ahead here.
    """
    raw = composed.raw
    if len(raw) <= INLINE_BYTES:
        return WireBytes(sha256=composed.sha256, size=len(raw), content=raw)
    await keep_ahead(composed.sha256, [raw], store=ctx.store, now=now)
    return WireBytes(sha256=composed.sha256, size=len(raw))


def read_wire(tx: Tx, message: OutboundMessage) -> bytes:
    """The stored bytes of *message*; empty when they are deleted."""
    return read_body(tx, message.raw_sha256) if message.raw_sha256 else b""


def require_intact(raw: bytes, message: OutboundMessage) -> None:
    """Raise CourierRefused unless *raw* has the digest of *message*.

    No other bytes than the composed (and, after a review, approved) ones are ever sent.
    """
    if sha256(raw).hexdigest() != message.digest:
        raise CourierRefused("the stored bytes of the mail are not the bytes that were composed")


async def compose_late(outgoing: Outgoing, archived: bytes, *, ctx: SendContext) -> tuple[OutboundMessage, bytes]:
    """Compose and store a message of an imported account.

    Its archived bytes and sender address are not trusted: the mail is composed again from the draft. Only its
    attachments are read from the *archived* bytes.
    """
    assert outgoing.draft is not None, "an imported message without bytes keeps its draft"
    files, now = outgoing.draft.attachments or await by_size(len(archived), lambda: files_in(archived)), ctx.clock.now()
    mail_from = await ctx.senders.shared_from(outgoing.message.agent) or outgoing.message.agent
    message = replace(outgoing.message, mail_from=mail_from)
    composed = await compose_again(message, replace(outgoing.draft, attachments=files), ctx=ctx)
    wire = await wire_bytes(composed, ctx=ctx, now=now)
    message = await ctx.store.write(lambda tx: attach_wire(tx, message.id, wire, mail_from=mail_from, now=now))
    return message, composed.raw
