"""Errors on pages are pages: the same statuses as everywhere, and what a person can do about it."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from relay.errors import BadLink, CourierRefused, Deferred, Refused
from relay.web.answers.errors import FormRejected, LinkExpired, NotSignedIn, RateLimited
from relay.web.answers.problems import kind_of
from relay.web.pages.template import page, private_answer
from store.errors import Conflict, NotFound, SendingPaused, Unavailable

LOGIN: Final = "/login"
_NOTHING: Final = "There is nothing here"
_AGAIN: Final = "Nothing was changed. Please try again in a moment."
# The first that fits speaks: a title, and what to say where the error's own words are not for people.
_TITLES: Final[tuple[tuple[type[Exception], str, str | None], ...]] = (
    (NotFound, _NOTHING, "What was here is gone, or it is not yours."),
    (RequestValidationError, _NOTHING, "What was here is gone, or it is not yours."),
    (BadLink, "This link is not one of ours", "Or it was cut short on its way: look at the letter that it stands in."),
    (LinkExpired, "This link is over", None),
    (FormRejected, "Please look again", None),
    (RateLimited, "Too often", "Please wait a minute, and try again."),
    (SendingPaused, "Nothing is sent at the moment", None),
    (Unavailable, "The database does not answer", _AGAIN),
    (Deferred, "Not now", _AGAIN),
    (Conflict, "That cannot be done", None),
    (Refused, "That cannot be done", None),
)
_STATUSES: Final[dict[type[Exception], int]] = {
    BadLink: 404,
    RequestValidationError: 404,
    LinkExpired: 410,
    FormRejected: 403,
    SendingPaused: 503,
    CourierRefused: 502,
}
_OF_HTTP: Final = {413: "This is more than fits here", 415: "This is not a form of ours", 400: "This cannot be read"}
log = structlog.get_logger("relay.web")


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own, with an end for whatever it raises."""
        answer = super().get_route_handler()

        async def answer_or_error_page(request: Request) -> Response:
            try:
                return await answer(request)
            except NotSignedIn:
                return to_login(request)
            except Exception as error:  # noqa: BLE001 (it is told, and logged where nobody expected it)
                return failure(error)

        return answer_or_error_page


def to_login(request: Request) -> Response:
    """On to where one signs in, and back here afterwards."""
    here = request.url.path if request.method == "GET" else "/"
    return redirect(f"{LOGIN}?next={quote(here, safe='/')}" if here != "/" else LOGIN)


def redirect(to: str) -> Response:
    """See other: a page is asked for by GET, whatever came before."""
    return Response(status_code=303, headers={"Location": to, "Cache-Control": "no-store"})


def failure(error: Exception) -> Response:
    """What a person is told of *error*."""
    if isinstance(error, HTTPException):
        return notice(error.status_code, _OF_HTTP.get(error.status_code, "This did not work"), "Nothing was changed.")
    found = next((each for each in _TITLES if isinstance(error, each[0])), None)
    if found is None:
        log.error("page_failed", exc_info=error)
        return notice(500, "Something went wrong here", "It was written down for whoever runs this relay.")
    _, title, words = found
    answer = notice(status_of(error), title, words or str(error))
    answer.headers.update(getattr(error, "headers", {}))
    return answer


def status_of(error: Exception) -> int:
    """The status of a page that tells of *error*."""
    known = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), None)
    return known or kind_of(type(error)).status


def notice(status: int, title: str, words: str) -> Response:
    """A page that says one thing."""
    return private_answer(page("notice.html", title=title, words=words, who=None), status)
