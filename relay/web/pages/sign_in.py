"""Sign in to the console by an emailed link.

A GET of the link does not sign in; the button on its page does.
"""

from typing import Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.directory.sessions import end_session
from relay.directory.sign_in import sign_in
from relay.errors import BadLink
from relay.signing.link import SignInLink, read_sign_in_token
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.errors import FormRejected
from relay.web.pages.error_pages import LOGIN, PageRoute, redirect
from relay.web.pages.forms import is_fresh, new_token, read_form
from relay.web.pages.session import InjectedUser, console_form, cookie_name, find_console_user, keep_session, set_cookie
from relay.web.pages.template import page, private_answer
from store.directory.used_links import is_link_used, sign_in_epoch
from store.directory.users import get_user_by_email, get_user_by_id
from store.errors import UserNotFound
from store.outbound.letters_queue import enqueue_sign_in
from store.records.mail import User
from store.transaction import Tx

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_NEXT: Final = "mailseal_next"  # cookie with the page to open after sign-in
_NEXT_SECONDS: Final = 1800
_MAX_PATH: Final = 500


@router.get(LOGIN)
async def login_page(request: Request, ctx: InjectedContext) -> Response:
    """Show the sign-in form."""
    if await find_console_user(request, ctx) is not None:
        return redirect("/")
    return _ask(ctx, onward=safe_path(request.query_params.get("next", "")))


@router.post(LOGIN)
async def request_link(request: Request, ctx: InjectedContext) -> Response:
    """Email a sign-in link to the user with that address.

    The response does not reveal whether the user exists.
    """
    form = await read_form(request, ctx)
    onward = safe_path(form["next"])
    if not is_fresh(form, LOGIN, ctx):
        return _ask(ctx, onward=onward, status=403, alert=str(FormRejected()))
    now = ctx.clock.now()
    request.state.authenticator.rates.count_sign_in(request.scope.get("client"), now.timestamp())

    def unit(tx: Tx) -> None:
        try:
            enqueue_sign_in(tx, get_user_by_email(tx, form["email"].strip()).id, now=now)
        except UserNotFound:
            return

    await ctx.store.write(unit)
    can_send = ctx.send_context.courier is not None
    answer = private_answer(page("login_sent.html", can_send=can_send, who=None))
    if onward != "/":
        set_cookie(answer, _NEXT, quote(onward, safe=""), seconds=_NEXT_SECONDS, ctx=ctx)
    return answer


@router.get(f"{LOGIN}/{{token}}")
async def link_page(ctx: InjectedContext, token: str) -> Response:
    """Show the sign-in button.

    A GET does not sign in, because mail scanners open links.
    """
    _, user = await _find(ctx, token)
    given = {"user": user, "token": token, "form": new_token(_page_of(token), ctx)}
    return private_answer(page("login_link.html", who=None, **given))


@router.post(f"{LOGIN}/{{token}}")
async def use_link(request: Request, ctx: InjectedContext, token: str) -> Response:
    """Sign in. The link is valid once."""
    form = await read_form(request, ctx)
    if not is_fresh(form, _page_of(token), ctx):
        raise FormRejected
    link, _ = await _find(ctx, token)
    now, old = ctx.clock.now(), request.cookies.get(cookie_name(ctx))

    def unit(tx: Tx) -> str:
        if old is not None:
            end_session(tx, old)
        return sign_in(tx, link, now=now)[1]

    session = await ctx.store.write(unit)
    answer = redirect(safe_path(unquote(request.cookies.get(_NEXT, ""))))
    keep_session(answer, session, ctx)
    set_cookie(answer, _NEXT, "", seconds=0, ctx=ctx)
    return answer


@router.post("/logout")
async def logout(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """End this session."""
    await console_form(request, who, ctx)
    await ctx.store.write(lambda tx: end_session(tx, who.token))
    answer = redirect(LOGIN)
    set_cookie(answer, cookie_name(ctx), "", seconds=0, ctx=ctx)
    return answer


def safe_path(wanted: str) -> str:
    """*wanted* if it is a local path, else ``/`` (prevents open redirects)."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and len(wanted) <= _MAX_PATH
    is_plain = wanted.isprintable() and wanted.isascii() and "\\" not in wanted
    return wanted if is_path and is_plain else "/"


def _ask(ctx: WebContext, *, onward: str, status: int = 200, alert: str = "") -> Response:
    given = {"form": new_token(LOGIN, ctx), "onward": onward, "alert": alert}
    return private_answer(page("login.html", who=None, **given), status)


async def _find(ctx: WebContext, token: str) -> tuple[SignInLink, User]:
    """The link in *token* and its user. Raises BadLink."""
    link = read_sign_in_token(token, key=ctx.master.links, now=ctx.clock.now())

    def unit(tx: Tx) -> User:
        if is_link_used(tx, link.hash) or sign_in_epoch(tx, link.user_id) != link.epoch:
            raise BadLink
        return get_user_by_id(tx, link.user_id)

    try:
        return link, await ctx.store.read(unit)
    except UserNotFound as error:
        raise BadLink from error


def _page_of(token: str) -> str:
    return f"{LOGIN}\n{token}"
