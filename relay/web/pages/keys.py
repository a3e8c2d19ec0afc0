"""Console page of API keys: list, create, revoke."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.directory.keys import create_key
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.pages.error_pages import PageRoute, redirect
from relay.web.pages.session import ConsoleUser, InjectedUser, console_form, console_page
from store.directory.keys import delete_api_key, get_api_key, page_api_keys
from store.errors import InvalidValue

router = APIRouter(prefix="/keys", route_class=PageRoute, include_in_schema=False)

_PAGE_SIZE: Final = 50


@router.get("")
async def keys(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """List the API keys."""
    return await _listed(ctx, who, cursor=request.query_params.get("cursor"))


@router.post("")
async def make_key(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """Create a key with all scopes. Only the response page shows it."""
    form = await console_form(request, who, ctx)
    now, name = ctx.clock.now(), form["name"].strip()
    try:
        _, plaintext = await ctx.store.write(lambda tx: create_key(tx, who.user.id, name=name, now=now))
    except InvalidValue as error:
        return await _listed(ctx, who, status=422, alert=str(error), name=name)
    return await _listed(ctx, who, status=201, made=plaintext)


@router.get("/{key_id}/revoke")
async def confirm_revoke(ctx: InjectedContext, who: InjectedUser, key_id: str) -> Response:
    """Ask before a key is revoked. Raises KeyNotFound."""
    key = await ctx.store.read(lambda tx: get_api_key(tx, who.user.id, key_id))
    named = f"{key.prefix}… ({key.name})" if key.name else f"{key.prefix}…"
    return console_page(
        "confirm.html",
        who,
        title="Revoke this key?",
        question=f"The next request with {named} is refused. A revoked key cannot be restored.",
        to=f"/keys/{key.id}/revoke",
        fields=(),
        button="Revoke",
        back="/keys",
    )


@router.post("/{key_id}/revoke")
async def revoke_key(request: Request, ctx: InjectedContext, who: InjectedUser, key_id: str) -> Response:
    """Revoke a key, immediately."""
    await console_form(request, who, ctx)
    await ctx.store.write(lambda tx: delete_api_key(tx, who.user.id, key_id))
    return redirect("/keys")


async def _listed(
    ctx: WebContext,
    who: ConsoleUser,
    *,
    cursor: str | None = None,
    status: int = 200,
    alert: str = "",
    name: str = "",
    made: str = "",
) -> Response:
    page = await ctx.store.read(lambda tx: page_api_keys(tx, who.user.id, limit=_PAGE_SIZE, cursor=cursor))
    return console_page("keys.html", who, status=status, page=page, alert=alert, name=name, made=made)
