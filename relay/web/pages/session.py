"""Console sessions: session cookie, current user, and form tokens of the session."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from relay.directory.sessions import find_session
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.errors import FormRejected, NotSignedIn
from relay.web.pages.forms import Form, is_fresh, new_token, read_form
from relay.web.pages.template import page, private_answer
from store.directory.sessions import LIFETIME
from store.records.mail import User

_NAME: Final = "mailseal_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUser:
    """A signed-in user of the console."""

    user: User
    token: str = field(repr=False)  # session token
    form: str = field(repr=False)  # form token of this session


async def signed_in(request: Request, ctx: InjectedContext) -> ConsoleUser:
    """Dependency: the user of the session cookie. Raises NotSignedIn."""
    user_session = await find_console_user(request, ctx)
    if user_session is None:
        raise NotSignedIn
    return user_session


InjectedUser = Annotated[ConsoleUser, Depends(signed_in)]


async def find_console_user(request: Request, ctx: WebContext) -> ConsoleUser | None:
    """The user of the session cookie, or None."""
    token = request.cookies.get(cookie_name(ctx))
    if token is None:
        return None
    now = ctx.clock.now()
    found = await ctx.store.read_on_loop(lambda tx: find_session(tx, token, now=now))
    return found and ConsoleUser(user=found[0], token=token, form=new_token(_page_of(token), ctx))


async def console_form(request: Request, user_session: ConsoleUser, ctx: WebContext) -> Form:
    """The submitted form. Raises FormRejected if its token is foreign or expired."""
    form = await read_form(request, ctx)
    if not is_valid_form(form, user_session, ctx):
        raise FormRejected
    return form


def is_valid_form(form: Form, user_session: ConsoleUser, ctx: WebContext) -> bool:
    """Whether *form* holds a valid token of this session."""
    return is_fresh(form, _page_of(user_session.token), ctx)


def console_page(name: str, user_session: ConsoleUser, /, *, status: int = 200, **given: Any) -> Response:
    """Render the console template *name*."""
    return private_answer(page(name, who=user_session, **given), status)


def keep_session(answer: Response, token: str, ctx: WebContext) -> None:
    """Set the session cookie."""
    set_cookie(answer, cookie_name(ctx), token, seconds=int(LIFETIME.total_seconds()), ctx=ctx)


def set_cookie(answer: Response, name: str, value: str, *, seconds: int, ctx: WebContext) -> None:
    """Set a cookie that is HttpOnly and SameSite=Lax; zero *seconds* delete it."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=_is_secure(ctx), httponly=True, samesite="lax")


def cookie_name(ctx: WebContext) -> str:
    """Name of the session cookie.

    Over https with ``__Host-``, which binds it to this host.
    """
    return f"__Host-{_NAME}" if _is_secure(ctx) else _NAME


def _is_secure(ctx: WebContext) -> bool:
    return urlsplit(ctx.base_url).scheme == "https"


def _page_of(token: str) -> str:
    return f"console\n{token}"
