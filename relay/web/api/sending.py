"""An agent writes: a new mail, an answer, one handed on; and its owner's word about one that is in doubt."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from relay.clock import rfc3339
from relay.errors import AutomatedMail, BadDraft, ContentGone, MailTooLarge, OutboundOff, Suppressed
from relay.events.outbound import outbound_item
from relay.outbound.compose.answering import Words
from relay.outbound.compose.recipients import settle_recipients
from relay.outbound.reply_source import ReplyWords, forward_on, reply_to
from relay.outbound.submit import Wish, submit
from relay.outbound.unconfirmed import resolve
from relay.web.access.context import House
from relay.web.access.dependencies import AgentAdmin, AgentSender, AnyCaller, TheHouse
from relay.web.access.idempotency import JoinedOnce, KeyedRoute, Replayed, joined_once
from relay.web.access.paths import AGENT
from relay.web.answers.bodies import takes_a_mail
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
from store.records.outbound import Answered, Draft, OutboundMessage
from store.transaction import Tx

router = APIRouter(prefix=AGENT, tags=["sending"], route_class=KeyedRoute)
of_message = APIRouter(prefix=f"{AGENT}/messages", tags=["sending"])

Once = Annotated[JoinedOnce | None, Depends(joined_once)]
_ANY: Final = (BadDraft, MailTooLarge, OutboundOff, Suppressed, DomainUnproven, IdempotencyMismatch, RequestUnderWay)


@dataclass(frozen=True, slots=True)
class _Joined:
    """The request's key, taken and answered in the transaction that keeps the mail."""

    once: JoinedOnce

    def begin(self, tx: Tx) -> None:
        """Take it. Raises Replayed."""
        self.once.begin(tx)

    def end(self, tx: Tx, message: OutboundMessage) -> None:
        """Keep the answer."""
        self.once.end(tx, _answer(message))


@router.post("/send", status_code=202, response_model=SentAnswer)
@raises(*_ANY, ConversationNotFound)
@takes_a_mail
async def send(agent: AgentSender, house: TheHouse, once: Once, wanted: SendRequest) -> Response:
    """Send a mail; where the agent's owner wants it, or a cap is reached, a person looks at it first.

    It is kept when this is answered, and goes out by itself: its way is told by events and by the message. Agents
    of this relay get theirs without any provider.
    """
    recipients = settle_recipients(to=wanted.to, cc=wanted.cc, bcc=wanted.bcc, agent=agent.address)
    draft = Draft.addressed(
        recipients, subject=wanted.subject, text=wanted.text, html=wanted.html, attachments=wanted.files
    )
    wish = Wish(
        draft=draft,
        headers=wanted.own_headers,
        conversation_id=wanted.conversation_id,
        answered=await _newest(agent, wanted.conversation_id, house=house),
    )
    return await _submitted(agent, wish, once, house=house)


@router.post("/messages/{message_id}/reply", status_code=202, response_model=SentAnswer)
@raises(*_ANY, MessageNotFound, AutomatedMail)
@takes_a_mail
async def reply(
    agent: AgentSender, house: TheHouse, once: Once, message_id: MessageId, wanted: ReplyRequest
) -> Response:
    """Answer a mail, in its conversation: to whom it wants answers, with `Re:`, its ids and its text below."""
    told = ReplyWords(
        words=_words(wanted),
        reply_all=wanted.reply_all,
        quote=wanted.quote,
        allow_automated=wanted.allow_automated,
        cc=tuple(wanted.cc),
        bcc=tuple(wanted.bcc),
        headers=wanted.own_headers,
    )
    wish = await reply_to(agent.address, message_id, told, by=house.office)
    return await _submitted(agent, wish, once, house=house)


@router.post("/messages/{message_id}/forward", status_code=202, response_model=SentAnswer)
@raises(*_ANY, MessageNotFound, ContentGone)
@takes_a_mail
async def forward(
    agent: AgentSender, house: TheHouse, once: Once, message_id: MessageId, wanted: ForwardRequest
) -> Response:
    """Hand a mail on, with its files, in its conversation; `whole` makes it a mail inside the mail."""
    recipients = settle_recipients(to=wanted.to, cc=wanted.cc, bcc=wanted.bcc, agent=agent.address)
    wish = await forward_on(
        agent.address,
        message_id,
        _words(wanted),
        recipients=recipients,
        whole=wanted.whole,
        headers=wanted.own_headers,
        by=house.office,
    )
    return await _submitted(agent, wish, once, house=house)


@of_message.post("/{message_id}/resolve", response_model=OutboundItem)
@raises(MessageNotFound, NotUnconfirmed)
async def resolve_message(
    agent: AgentAdmin, caller: AnyCaller, house: TheHouse, message_id: MessageId, wanted: ResolveRequest
) -> Response:
    """Say what became of an `unconfirmed` mail, or have one sent again that is so, or has `failed`.

    Nothing else ever sends a mail again that the provider may have.
    """
    message = await resolve(caller.user.id, message_id, wanted.word, agent=agent.address, by=house.office)
    return json_answer(outbound_item(message))


async def _newest(agent: Agent, conversation_id: str | None, *, house: House) -> Answered | None:
    """What a mail that goes on with a conversation follows. Raises ConversationNotFound."""
    if conversation_id is None:
        return None
    newest = await house.store.read(lambda tx: newest_message_id(tx, agent.address, conversation_id))
    return Answered(in_reply_to=newest, references=(newest,)) if newest else None


async def _submitted(agent: Agent, wish: Wish, once: JoinedOnce | None, *, house: House) -> Response:
    try:
        message = await submit(agent, wish, by=house.office, around=_Joined(once) if once else None)
    except Replayed as known:
        return known.response
    return _answer(message)


def _words(wanted: ReplyRequest | ForwardRequest) -> Words:
    return Words(text=wanted.text, html=wanted.html, files=wanted.files)


def _answer(message: OutboundMessage) -> Response:
    document: dict[str, Any] = {
        "message_id": message.id,
        "status": message.status,
        "conversation_id": message.conversation_id,
        "hold_reason": message.hold_reason,
        "hold_expires_at": rfc3339(message.hold_expires_at) if message.hold_expires_at else None,
    }
    return json_answer(document, 202)
