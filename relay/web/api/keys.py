"""Routes under /v1/keys: create, list, revoke API keys."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from relay.clock import rfc3339
from relay.directory.keys import create_key
from relay.web.access.dependencies import Admin, AnyPrincipal, InjectedContext, require_admin
from relay.web.access.idempotency import IdempotentRoute
from relay.web.answers.error_responses import raises
from relay.web.answers.errors import InsufficientScope
from relay.web.answers.json import json_answer
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.keys import KeyPage, KeyRequest, NewKey
from relay.web.schemas.parameters import Cursor, KeyId, Limit
from store.directory.keys import delete_api_key, page_api_keys
from store.errors import AgentNotFound, KeyNotFound
from store.records.mail import ApiKey

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=IdempotentRoute)


@router.get("", response_model=KeyPage)
async def list_keys(
    principal: Admin,
    ctx: InjectedContext,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Response:
    """List all API keys of the user, oldest first."""
    page = await ctx.store.read(lambda tx: page_api_keys(tx, principal.user.id, limit=limit, cursor=cursor))
    return json_answer({"items": [key_document(key) for key in page.items], "next_cursor": page.next_cursor})


@router.post("", status_code=201, response_model=NewKey)
@raises(AgentNotFound)
async def make_key(principal: Admin, ctx: InjectedContext, wanted: KeyRequest) -> Response:
    """Create an API key.

    `api_key` is shown only in this response; a key can grant only scopes that it has itself.
    """
    scopes = wanted.scopes if wanted.scopes is not None else principal.key.scopes
    if not set(scopes) <= set(principal.key.scopes):
        raise InsufficientScope("an API key cannot grant scopes that it does not have")
    now = ctx.clock.now()
    kept, plaintext = await ctx.store.write(
        lambda tx: create_key(tx, principal.user.id, name=wanted.name, agent=wanted.agent, scopes=scopes, now=now)
    )
    return json_answer({**key_document(kept), "api_key": plaintext}, 201)


@router.delete("/{key_id}", status_code=204, response_class=Response)
@raises(KeyNotFound, InsufficientScope)
async def revoke_key(principal: AnyPrincipal, ctx: InjectedContext, key_id: KeyId) -> Response:
    """Revoke an API key, immediately. Every key may revoke itself."""
    if key_id != principal.key.id:
        require_admin(principal)
    await ctx.store.write(lambda tx: delete_api_key(tx, principal.user.id, key_id))
    return Response(status_code=204)


def key_document(key: ApiKey) -> dict[str, Any]:
    """The JSON representation of a key."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "agent": key.agent,
        "scopes": list(key.scopes),
        "created_at": rfc3339(key.created_at),
        "last_used_at": rfc3339(key.last_used_at) if key.last_used_at else None,
    }
