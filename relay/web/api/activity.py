"""Routes for an agent's activity and conversations, inbound and outbound."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from relay.clock import rfc3339
from relay.web.access.dependencies import AgentReader, InjectedContext
from relay.web.access.paths import AGENT
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.mail import ActivityPage, ConversationPage
from relay.web.schemas.parameters import ConversationId, Cursor, Limit
from store.errors import ConversationNotFound
from store.mail.activity import Activity, list_activity_by_agent
from store.mail.search import Conversation, list_conversations
from store.records.mail import Page

router = APIRouter(prefix=AGENT, tags=["activity"])

_PLAIN: Final = (
    "seq",
    "direction",
    "status",
    "conversation_id",
    "subject",
    "verified",
    "verified_domain",
    "automated",
    "raw_size",
)


@router.get("/activity", response_model=ActivityPage)
async def list_activity(agent: AgentReader, ctx: InjectedContext, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List messages of both directions with their deliveries, newest first."""
    now = ctx.clock.now()
    page = await ctx.store.read(
        lambda tx: list_activity_by_agent(tx, agent.address, limit=limit, cursor=cursor, now=now)
    )
    return _activity(page)


@router.get("/conversations", response_model=ConversationPage)
async def conversations(agent: AgentReader, ctx: InjectedContext, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List conversations, the one with the newest message first.

    A page may have fewer than `limit` items, or none, and still have a `next_cursor`: more pages follow.
    """
    now = ctx.clock.now()
    page = await ctx.store.read(lambda tx: list_conversations(tx, agent.address, limit=limit, cursor=cursor, now=now))
    return json_answer({"items": [_conversation(item) for item in page.items], "next_cursor": page.next_cursor})


@router.get("/conversations/{conversation_id}", response_model=ActivityPage)
@raises(ConversationNotFound)
async def conversation(
    agent: AgentReader, ctx: InjectedContext, conversation_id: ConversationId, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List the messages of one conversation, both directions, newest first."""
    now = ctx.clock.now()
    page = await ctx.store.read(
        lambda tx: list_activity_by_agent(
            tx, agent.address, limit=limit, cursor=cursor, now=now, conversation_id=conversation_id
        )
    )
    if not page.items and cursor is None:
        raise ConversationNotFound
    return _activity(page)


def _activity(page: Page[Activity]) -> Response:
    return json_answer({"items": [_message(item) for item in page.items], "next_cursor": page.next_cursor})


def _message(item: Activity) -> dict[str, Any]:
    return {
        "message_id": item.id,
        "agent": item.agent,
        **{name: getattr(item, name) for name in _PLAIN},
        "from": {"name": item.from_name, "address": item.from_address},
        "to": list(item.to),
        "at": rfc3339(item.at),
        "deliveries": [
            {name: getattr(state, name) for name in state.__slots__}  # all fields are JSON values
            for state in item.deliveries
        ],
    }


def _conversation(item: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": item.conversation_id,
        "messages": item.messages,
        "last": {
            "direction": item.last_direction,
            "at": rfc3339(item.last_at),
            "from_address": item.last_from,
            "subject": item.last_subject,
        },
    }
