"""Who is signed in to the console: the session's cookie, and the forms that it makes good."""

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
    """Somebody who is signed in."""

    user: User
    token: str = field(repr=False)  # of the session
    form: str = field(repr=False)  # what every form of theirs brings back


async def signed_in(request: Request, ctx: InjectedContext) -> ConsoleUser:
    """Whoever has the request's cookie. Raises NotSignedIn."""
    user_session = await find_console_user(request, ctx)
    if user_session is None:
        raise NotSignedIn
    return user_session


InjectedUser = Annotated[ConsoleUser, Depends(signed_in)]


async def find_console_user(request: Request, ctx: WebContext) -> ConsoleUser | None:
    """The same; None for nobody."""
    token = request.cookies.get(cookie_name(ctx))
    if token is None:
        return None
    now = ctx.clock.now()
    found = await ctx.store.read_on_loop(lambda tx: find_session(tx, token, now=now))
    return found and ConsoleUser(user=found[0], token=token, form=new_token(_page_of(token), ctx))


async def console_form(request: Request, user_session: ConsoleUser, ctx: WebContext) -> Form:
    """The form that a visitor sent. Raises FormRejected for one that is not theirs, or too old."""
    form = await read_form(request, ctx)
    if not is_valid_form(form, user_session, ctx):
        raise FormRejected
    return form


def is_valid_form(form: Form, user_session: ConsoleUser, ctx: WebContext) -> bool:
    """Whether *form* was made for this visitor within the hour."""
    return is_fresh(form, _page_of(user_session.token), ctx)


def console_page(name: str, user_session: ConsoleUser, /, *, status: int = 200, **given: Any) -> Response:
    """The console's page *name*."""
    return private_answer(page(name, who=user_session, **given), status)


def keep_session(answer: Response, token: str, ctx: WebContext) -> None:
    """Have the browser keep the session of *token*."""
    set_cookie(answer, cookie_name(ctx), token, seconds=int(LIFETIME.total_seconds()), ctx=ctx)


def set_cookie(answer: Response, name: str, value: str, *, seconds: int, ctx: WebContext) -> None:
    """A cookie that no script reads and no other site's form brings along; zero *seconds* take it away."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=_is_secure(ctx), httponly=True, samesite="lax")


def cookie_name(ctx: WebContext) -> str:
    """The session cookie's name; over https one that browsers take from this very host alone."""
    return f"__Host-{_NAME}" if _is_secure(ctx) else _NAME


def _is_secure(ctx: WebContext) -> bool:
    return urlsplit(ctx.base_url).scheme == "https"


def _page_of(token: str) -> str:
    return f"console\n{token}"
