"""Who is signed in to the console: the session's cookie, and the forms that it makes good."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from relay.directory.sessions import find_session
from relay.web.access.context import House
from relay.web.access.dependencies import TheHouse
from relay.web.answers.errors import NotSignedIn, StrangeForm
from relay.web.pages.forms import Form, is_fresh, new_token, read_form
from relay.web.pages.template import page, private_answer
from store.directory.sessions import LASTS
from store.records.mail import User

_NAME: Final = "mailseal_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who is signed in."""

    user: User
    token: str = field(repr=False)  # of the session
    form: str = field(repr=False)  # what every form of theirs brings back


async def signed_in(request: Request, house: TheHouse) -> Visitor:
    """Whoever has the request's cookie. Raises NotSignedIn."""
    visitor = await find_visitor(request, house)
    if visitor is None:
        raise NotSignedIn
    return visitor


TheVisitor = Annotated[Visitor, Depends(signed_in)]


async def find_visitor(request: Request, house: House) -> Visitor | None:
    """The same; None for nobody."""
    token = request.cookies.get(cookie_name(house))
    if token is None:
        return None
    now = house.clock.now()
    found = await house.store.glance(lambda tx: find_session(tx, token, now=now))
    return found and Visitor(user=found[0], token=token, form=new_token(_page_of(token), house))


async def visitor_form(request: Request, visitor: Visitor, house: House) -> Form:
    """The form that a visitor sent. Raises StrangeForm for one that is not theirs, or too old."""
    form = await read_form(request, house)
    if not is_good(form, visitor, house):
        raise StrangeForm
    return form


def is_good(form: Form, visitor: Visitor, house: House) -> bool:
    """Whether *form* was made for this visitor within the hour."""
    return is_fresh(form, _page_of(visitor.token), house)


def show(name: str, visitor: Visitor, /, *, status: int = 200, **given: Any) -> Response:
    """The console's page *name*."""
    return private_answer(page(name, who=visitor, **given), status)


def keep_session(answer: Response, token: str, house: House) -> None:
    """Have the browser keep the session of *token*."""
    set_cookie(answer, cookie_name(house), token, seconds=int(LASTS.total_seconds()), house=house)


def set_cookie(answer: Response, name: str, value: str, *, seconds: int, house: House) -> None:
    """A cookie that no script reads and no other site's form brings along; zero *seconds* take it away."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=_is_secure(house), httponly=True, samesite="lax")


def cookie_name(house: House) -> str:
    """The session cookie's name; over https one that browsers take from this very host alone."""
    return f"__Host-{_NAME}" if _is_secure(house) else _NAME


def _is_secure(house: House) -> bool:
    return urlsplit(house.base_url).scheme == "https"


def _page_of(token: str) -> str:
    return f"console\n{token}"
