"""Routes under /v1/me: the authenticated user, API key and limits; the user's console sessions."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from relay.clock import rfc3339
from relay.web.access.context import WebContext
from relay.web.access.dependencies import Admin, AnyPrincipal, InjectedContext
from relay.web.answers.json import json_answer
from relay.web.api.keys import key_document
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.keys import EndedSessions, Me, SessionList
from store.directory.sessions import delete_user_sessions, list_user_sessions
from store.mail.messages import MAX_PAGE
from store.records.mail import User

router = APIRouter(prefix="/v1", tags=["account"])


@router.get("/me", response_model=Me)
async def me(principal: AnyPrincipal, ctx: InjectedContext) -> Response:
    """Get the user, the API key of the request, and the limits.

    Allowed for every valid key.
    """
    return json_answer({"user": _user(principal.user), "key": key_document(principal.key), "limits": _limits(ctx)})


@router.get("/me/sessions", response_model=SessionList)
async def list_sessions(principal: Admin, ctx: InjectedContext) -> Response:
    """List the user's console sessions, newest first; at most 200."""
    now = ctx.clock.now()
    found = await ctx.store.read(lambda tx: list_user_sessions(tx, principal.user.id, now=now))
    items = [{"created_at": rfc3339(each.created_at), "expires_at": rfc3339(each.expires_at)} for each in found]
    return json_answer({"items": items})


@router.delete("/me/sessions", response_model=EndedSessions)
async def end_sessions(principal: Admin, ctx: InjectedContext) -> Response:
    """End all console sessions of the user. Unused sign-in links no longer work; API keys stay valid."""
    ended = await ctx.store.write(lambda tx: delete_user_sessions(tx, principal.user.id))
    return json_answer({"ended": ended})


def _user(user: User) -> dict[str, Any]:
    return {"id": user.id, "email": user.email, "name": user.name, "created_at": rfc3339(user.created_at)}


def _limits(ctx: WebContext) -> dict[str, Any]:
    limits = ctx.limits
    return {
        "requests_per_minute": {"per_key": limits.rate_per_key, "per_user": limits.rate_per_user},
        "max_message_bytes": ctx.max_message_bytes,
        "max_body_bytes": limits.max_body_bytes,
        "page": {"default": DEFAULT_PAGE, "most": MAX_PAGE},
    }
