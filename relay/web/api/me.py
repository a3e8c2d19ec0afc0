"""Route /v1/me: the authenticated user, API key and limits."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from relay.clock import rfc3339
from relay.web.access.context import WebContext
from relay.web.access.dependencies import AnyPrincipal, InjectedContext
from relay.web.answers.json import json_answer
from relay.web.api.keys import key_document
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.keys import Me
from store.mail.messages import MAX_PAGE
from store.records.mail import User

router = APIRouter(prefix="/v1", tags=["account"])


@router.get("/me", response_model=Me)
async def me(principal: AnyPrincipal, ctx: InjectedContext) -> Response:
    """Get the user, the API key of the request, and the limits.

    Allowed for every valid key.
    """
    return json_answer({"user": _user(principal.user), "key": key_document(principal.key), "limits": _limits(ctx)})


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
