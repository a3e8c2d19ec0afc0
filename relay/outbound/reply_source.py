"""Find the message that an agent answers or forwards, received or its own, and build the request."""

from dataclasses import dataclass, replace
from datetime import datetime

from relay.errors import AutomatedMail, ContentGone
from relay.mail.fields.mailbox import Mailbox
from relay.outbound.compose.answering import MessageText, forward, reply
from relay.outbound.compose.original import Original, read_original
from relay.outbound.compose.recipients import settle_draft
from relay.outbound.context import SendContext
from relay.outbound.submit import OutboundRequest
from relay.threads import by_size, read_whole
from store.errors import MessageNotFound
from store.mail.bodies import read_body
from store.mail.messages import get_message_with_content
from store.outbound.outbound import get_outbound_message_of_agent
from store.records.mail import Message
from store.records.outbound import Draft, OutboundMessage, RecipientSet
from store.transaction import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySource:
    """A message, its bytes and what its row says."""

    original: Original
    conversation_id: str | None
    automated: bool  # its header says that a machine wrote or distributed it
    is_of_list: bool  # it is automated for this reason only
    writers: tuple[str, ...]  # the authors that a reply goes to; empty for the agent's own message


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOptions:
    """The content of a reply, and its recipients."""

    words: MessageText
    reply_all: bool = False
    quote: bool = True
    allow_automated: bool = False
    answer_lists: bool = False  # the agent may answer what came through a mailing list
    cc: tuple[str, ...] = ()  # besides those of the original
    bcc: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


async def reply_to(agent: str, message_id: str, options: ReplyOptions, *, ctx: SendContext) -> OutboundRequest:
    """Build a reply by *agent*, in the conversation of the message.

    Raises MessageNotFound; AutomatedMail unless that is allowed, as two machines would answer each other without
    end, or the agent answers lists and a person wrote through one; BadDraft where no recipient is left.
    """
    earlier = await _find(agent, message_id, ctx=ctx)
    is_allowed = options.allow_automated or (options.answer_lists and earlier.is_of_list)
    if earlier.automated and not is_allowed:
        raise AutomatedMail
    answer = reply(earlier.original, options.words, agent=agent, reply_all=options.reply_all, quote=options.quote)
    return OutboundRequest(
        draft=_with_more(answer.draft, agent, cc=options.cc, bcc=options.bcc),
        kind="reply",
        answered=answer.answered,
        conversation_id=earlier.conversation_id,
        headers=options.headers,
        familiar=earlier.writers,
    )


async def forward_on(
    agent: str,
    message_id: str,
    words: MessageText,
    *,
    recipients: RecipientSet,
    whole: bool,
    headers: tuple[tuple[str, str], ...],
    ctx: SendContext,
) -> OutboundRequest:
    """Build a forward, in the conversation of the message. Raises MessageNotFound, ContentGone."""
    earlier = await _find(agent, message_id, ctx=ctx)
    if not earlier.original.raw:
        raise ContentGone
    answer = await by_size(
        len(earlier.original.raw), lambda: forward(earlier.original, words, recipients=recipients, whole=whole)
    )
    return OutboundRequest(
        draft=answer.draft,
        kind="forward",
        answered=answer.answered,
        conversation_id=earlier.conversation_id,
        headers=headers,
    )


async def _find(agent: str, message_id: str, *, ctx: SendContext) -> ReplySource:
    now = ctx.clock.now()
    try:
        message, raw = await ctx.store.read(
            lambda tx: get_message_with_content(tx, agent, message_id, now=now, peek=True)
        )
    except MessageNotFound:
        return await _find_own(agent, message_id, now=now, ctx=ctx)
    original = await read_whole(raw, lambda: read_original(raw))
    writers = (*original.reply_to, *([original.from_] if original.from_ else ()))
    return ReplySource(
        original=original,
        conversation_id=message.conversation_id,
        automated=message.automated,
        is_of_list=_is_of_list(message, original),
        writers=tuple(writer.address for writer in writers),
    )


def _is_of_list(message: Message, original: Original) -> bool:
    """Whether a person wrote through a mailing list, as far as the message tells: no bounce, and no agent's."""
    by_agent = message.auth_headers.get("Mailseal-Entity-Type") == "agent"
    return original.automated_reason == "list" and message.mail_from != "" and not by_agent


async def _find_own(agent: str, message_id: str, *, now: datetime, ctx: SendContext) -> ReplySource:
    def unit(tx: Tx) -> tuple[OutboundMessage, bytes]:
        found = get_outbound_message_of_agent(tx, agent, message_id, now=now)
        return found, read_body(tx, found.raw_sha256) if found.raw_sha256 else b""

    message, raw = await ctx.store.read(unit)
    return ReplySource(
        original=_own(message, raw),
        conversation_id=message.conversation_id,
        automated=False,
        is_of_list=False,
        writers=(),
    )


def _own(message: OutboundMessage, raw: bytes) -> Original:
    """The agent's own message from its row, as its bytes may be gone."""
    answered = message.answered
    return Original(
        from_=Mailbox(name="", address=message.agent),
        reply_to=(),
        to=tuple(Mailbox(name=message.name_of(each), address=each) for each in message.to),
        cc=tuple(Mailbox(name=message.name_of(each), address=each) for each in message.cc),
        subject=message.subject,
        date=message.created_at,
        message_id=message.email_message_id,
        in_reply_to=answered.in_reply_to if answered else None,
        references=answered.references if answered else (),
        text=message.text or "",
        raw=raw,
    )


def _with_more(draft: Draft, agent: str, *, cc: tuple[str, ...], bcc: tuple[str, ...]) -> Draft:
    if not cc and not bcc:
        return draft
    return settle_draft(replace(draft, cc=(*draft.cc, *cc), bcc=(*draft.bcc, *bcc)), agent=agent)
