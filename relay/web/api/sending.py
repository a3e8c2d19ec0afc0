"""Routes to send, reply, forward, and to resolve an unconfirmed message."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from relay.clock import rfc3339
from relay.errors import AutomatedMail, BadDraft, ContentGone, MailTooLarge, OutboundOff, Suppressed
from relay.events.outbound import outbound_item
from relay.outbound.compose.answering import MessageText
from relay.outbound.compose.recipients import settle_recipients
from relay.outbound.reply_source import ReplyOptions, forward_on, reply_to
from relay.outbound.submit import OutboundRequest, submit
from relay.outbound.unconfirmed import resolve
from relay.web.access.context import WebContext
from relay.web.access.dependencies import AgentAdmin, AgentSender, AnyPrincipal, InjectedContext
from relay.web.access.idempotency import IdempotentTransaction, KeyedRoute, Replayed, idempotent_transaction
from relay.web.access.json_route import JsonRoute
from relay.web.access.paths import AGENT
from relay.web.answers.bodies import takes_message
from relay.web.answers.error_responses import raises
from relay.web.answers.errors import RequestUnderWay
from relay.web.answers.json import json_answer
from relay.web.schemas.outbound import (
    ForwardRequest,
    OutboundItem,
    ReplyRequest,
    ResolveRequest,
    SendRequest,
    SentAnswer,
)
from relay.web.schemas.parameters import MessageId
from store.errors import ConversationNotFound, DomainUnproven, IdempotencyMismatch, MessageNotFound, NotUnconfirmed
from store.mail.conversations import newest_message_id
from store.records.mail import Agent
from store.records.outbound import AnsweredMessage, Draft, OutboundMessage
from store.transaction import Tx

router = APIRouter(prefix=AGENT, tags=["sending"], route_class=KeyedRoute)
of_message = APIRouter(prefix=f"{AGENT}/messages", tags=["sending"], route_class=JsonRoute)

Once = Annotated[IdempotentTransaction | None, Depends(idempotent_transaction)]
_ANY: Final = (BadDraft, MailTooLarge, OutboundOff, Suppressed, DomainUnproven, IdempotencyMismatch, RequestUnderWay)


@dataclass(frozen=True, slots=True)
class _IdempotencyHook:
    """Runs the idempotency steps in the transaction that stores the message."""

    once: IdempotentTransaction

    def begin(self, tx: Tx) -> None:
        """Reserve the key. Raises Replayed."""
        self.once.begin(tx)

    def end(self, tx: Tx, message: OutboundMessage) -> None:
        """Keep the response."""
        self.once.end(tx, _answer(message))


@router.post("/send", status_code=202, response_model=SentAnswer)
@raises(*_ANY, ConversationNotFound)
@takes_message
async def send(agent: AgentSender, ctx: InjectedContext, once: Once, wanted: SendRequest) -> Response:
    """Submit a message for sending.

    It is held for approval if the agent requires review or a limit is reached. The message is
    stored before the response and sent in the background; events and the message itself report its
    status. Messages to agents of this relay are delivered locally, without a provider.
    """
    recipients = settle_recipients(to=wanted.to, cc=wanted.cc, bcc=wanted.bcc, agent=agent.address)
    draft = Draft.addressed(
        recipients, subject=wanted.subject, text=wanted.text, html=wanted.html, attachments=wanted.files
    )
    request = OutboundRequest(
        draft=draft,
        headers=wanted.own_headers,
        conversation_id=wanted.conversation_id,
        answered=await _newest(agent, wanted.conversation_id, ctx=ctx),
    )
    return await _submitted(agent, request, once, ctx=ctx)


@router.post("/messages/{message_id}/reply", status_code=202, response_model=SentAnswer)
@raises(*_ANY, MessageNotFound, AutomatedMail)
@takes_message
async def reply(
    agent: AgentSender, ctx: InjectedContext, once: Once, message_id: MessageId, wanted: ReplyRequest
) -> Response:
    """Reply to a message in its conversation.

    Recipients come from Reply-To or From, the subject gets `Re:`, and the original text is quoted below.
    """
    options = ReplyOptions(
        words=_words(wanted),
        reply_all=wanted.reply_all,
        quote=wanted.quote,
        allow_automated=wanted.allow_automated,
        answer_lists=agent.answer_lists,
        cc=tuple(wanted.cc),
        bcc=tuple(wanted.bcc),
        headers=wanted.own_headers,
    )
    request = await reply_to(agent.address, message_id, options, ctx=ctx.send_context)
    return await _submitted(agent, request, once, ctx=ctx)


@router.post("/messages/{message_id}/forward", status_code=202, response_model=SentAnswer)
@raises(*_ANY, MessageNotFound, ContentGone)
@takes_message
async def forward(
    agent: AgentSender, ctx: InjectedContext, once: Once, message_id: MessageId, wanted: ForwardRequest
) -> Response:
    """Forward a message with its attachments, in its conversation.

    `whole` attaches it as message/rfc822.
    """
    recipients = settle_recipients(to=wanted.to, cc=wanted.cc, bcc=wanted.bcc, agent=agent.address)
    request = await forward_on(
        agent.address,
        message_id,
        _words(wanted),
        recipients=recipients,
        whole=wanted.whole,
        headers=wanted.own_headers,
        ctx=ctx.send_context,
    )
    return await _submitted(agent, request, once, ctx=ctx)


@of_message.post("/{message_id}/resolve", response_model=OutboundItem)
@raises(MessageNotFound, NotUnconfirmed)
async def resolve_message(
    agent: AgentAdmin, principal: AnyPrincipal, ctx: InjectedContext, message_id: MessageId, wanted: ResolveRequest
) -> Response:
    """Resolve an `unconfirmed` message as sent, or send it again.

    A `failed` message can be sent again, too. Only this operation sends a message again that the provider may already
    have accepted.
    """
    message = await resolve(principal.user.id, message_id, wanted.word, agent=agent.address, ctx=ctx.send_context)
    return json_answer(outbound_item(message))


async def _newest(agent: Agent, conversation_id: str | None, *, ctx: WebContext) -> AnsweredMessage | None:
    """The newest message of the conversation, to reply to.

    Raises ConversationNotFound.
    """
    if conversation_id is None:
        return None
    newest = await ctx.store.read(lambda tx: newest_message_id(tx, agent.address, conversation_id))
    return AnsweredMessage(in_reply_to=newest, references=(newest,)) if newest else None


async def _submitted(
    agent: Agent, request: OutboundRequest, once: IdempotentTransaction | None, *, ctx: WebContext
) -> Response:
    try:
        message = await submit(agent, request, ctx=ctx.send_context, hook=_IdempotencyHook(once) if once else None)
    except Replayed as known:
        return known.response
    return _answer(message)


def _words(wanted: ReplyRequest | ForwardRequest) -> MessageText:
    return MessageText(text=wanted.text, html=wanted.html, files=wanted.files)


def _answer(message: OutboundMessage) -> Response:
    document: dict[str, Any] = {
        "message_id": message.id,
        "status": message.status,
        "conversation_id": message.conversation_id,
        "hold_reason": message.hold_reason,
        "hold_expires_at": rfc3339(message.hold_expires_at) if message.hold_expires_at else None,
    }
    return json_answer(document, 202)
