"""Errors of the HTTP API and the console that have no counterpart elsewhere.

::

    WebError
    ├── Unauthorized        no valid API key
    ├── InsufficientScope   the API key's scopes do not allow this
    ├── RateLimited         too many requests
    ├── TooManyAtOnce       too many waiting or large requests at the same time
    ├── RequestUnderWay     the first request with this idempotency key is still running
    ├── PathNotFound        no route has this path
    ├── NotSignedIn         a console page without a session
    ├── FormRejected        a form with a missing, wrong or expired token (CSRF)
    ├── LinkExpired         a valid link whose action is no longer possible
    └── NotReady            the relay cannot accept mail

The first line of each docstring is the default message. tests/project/test_error_trees.py compares the tree
with the classes.
"""

from collections.abc import Mapping
from types import MappingProxyType


class WebError(Exception):
    """Base class of the errors of this module."""

    headers: Mapping[str, str] = MappingProxyType({})  # sent with the response

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Unauthorized(WebError):
    """An API key is needed: Authorization: Bearer mk_…."""

    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="mailseal"'})


class InsufficientScope(WebError):
    """The API key's scopes do not allow this."""


class RateLimited(WebError):
    """Too many requests."""

    def __init__(self, message: str, *, headers: Mapping[str, str], seconds: int) -> None:
        super().__init__(message)
        self.headers = MappingProxyType({**headers, "Retry-After": str(seconds)})


class TooManyAtOnce(WebError):
    """Too many waiting or large requests at the same time."""

    headers = MappingProxyType({"Retry-After": "1"})


class RequestUnderWay(WebError):
    """The first request with this idempotency key is still running; retry later."""

    headers = MappingProxyType({"Retry-After": "1"})


class PathNotFound(WebError):
    """Not Found."""


class NotSignedIn(WebError):
    """Sign in first."""


class FormRejected(WebError):
    """The form is not from this page or is over an hour old: reload and try again."""


class LinkExpired(WebError):
    """The link has expired."""


class NotReady(WebError):
    """The relay cannot accept mail now: SMTP answers 451."""
