"""Error pages for people: HTTP status, title, and what to do next."""

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
_NOT_FOUND: Final = ("Not found", "It does not exist, or you do not have access to it.")
_AGAIN: Final = "No changes were made. Please try again in a moment."
# The first match is used: error, title, and a text if the error's own message is not meant for people.
_TITLES: Final[tuple[tuple[type[Exception], str, str | None], ...]] = (
    (NotFound, *_NOT_FOUND),
    (RequestValidationError, *_NOT_FOUND),
    (BadLink, "Invalid link", "The link may be incomplete. Please open it again from the email."),
    (LinkExpired, "This link is no longer valid", None),
    (FormRejected, "Please check and submit again", None),
    (RateLimited, "Too many requests", "Please wait a minute and try again."),
    (SendingPaused, "Sending is paused", None),
    (Unavailable, "The database is not available", _AGAIN),
    (Deferred, "Temporarily not possible", _AGAIN),
    (Conflict, "This is not possible", None),
    (Refused, "This is not possible", None),
)
_STATUSES: Final[dict[type[Exception], int]] = {
    BadLink: 404,
    RequestValidationError: 404,
    LinkExpired: 410,
    FormRejected: 403,
    SendingPaused: 503,
    CourierRefused: 502,
}
_OF_HTTP: Final = {413: "The form is too large", 415: "Unsupported form type", 400: "The form cannot be read"}
log = structlog.get_logger("relay.web")


class PageRoute(APIRoute):
    """A route that answers errors with pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler.

        An exception becomes an error page or a redirect to sign-in.
        """
        answer = super().get_route_handler()

        async def answer_or_error_page(request: Request) -> Response:
            try:
                return await answer(request)
            except NotSignedIn:
                return to_login(request)
            except Exception as error:  # noqa: BLE001 (shown as a page; unexpected errors are logged)
                return failure(error)

        return answer_or_error_page


def to_login(request: Request) -> Response:
    """Redirect to the sign-in page, which then leads back to this page."""
    here = request.url.path if request.method == "GET" else "/"
    return redirect(f"{LOGIN}?next={quote(here, safe='/')}" if here != "/" else LOGIN)


def redirect(to: str) -> Response:
    """Redirect with 303 See Other, so that the browser uses GET."""
    return Response(status_code=303, headers={"Location": to, "Cache-Control": "no-store"})


def failure(error: Exception) -> Response:
    """The error page for *error*. An unexpected error is logged."""
    if isinstance(error, HTTPException):
        return notice(error.status_code, _OF_HTTP.get(error.status_code, "The request failed"), "No changes were made.")
    found = next((each for each in _TITLES if isinstance(error, each[0])), None)
    if found is None:
        log.error("page_failed", exc_info=error)
        return notice(500, "Internal error", "The error was logged for the operator of this server.")
    _, title, words = found
    answer = notice(status_of(error), title, words or str(error))
    answer.headers.update(getattr(error, "headers", {}))
    return answer


def status_of(error: Exception) -> int:
    """The HTTP status of the page for *error*."""
    known = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), None)
    return known or kind_of(type(error)).status


def notice(status: int, title: str, words: str) -> Response:
    """A page with a title and one paragraph."""
    return private_answer(page("notice.html", title=title, words=words, who=None), status)
