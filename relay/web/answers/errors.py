"""What only the HTTP door says: nothing here is about mail.

::

    WebError
    ├── Unauthorized        no valid API key
    ├── InsufficientScope   a valid one that may not do this
    ├── RateLimited         too many requests
    ├── RequestUnderWay     the first with this idempotency key is not answered yet
    ├── NoSuchPlace         a path that cannot be one of ours
    ├── NotSignedIn         a page of the console, asked for by nobody
    ├── StrangeForm         a form that was not filled in on a page of ours
    ├── DeadLink            a link of ours that leads nowhere any more
    └── NotReady            the relay cannot take mail
"""

from collections.abc import Mapping
from types import MappingProxyType


class WebError(Exception):
    """Base of them all."""

    headers: Mapping[str, str] = MappingProxyType({})  # of the answer

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").partition("\n")[0].rstrip("."))


class Unauthorized(WebError):
    """An API key is needed: Authorization: Bearer mk_…."""

    headers = MappingProxyType({"WWW-Authenticate": 'Bearer realm="mailseal"'})


class InsufficientScope(WebError):
    """This API key may not do that."""


class RateLimited(WebError):
    """Too many requests."""

    def __init__(self, message: str, *, headers: Mapping[str, str], seconds: int) -> None:
        super().__init__(message)
        self.headers = MappingProxyType({**headers, "Retry-After": str(seconds)})


class RequestUnderWay(WebError):
    """The first request with this idempotency key is not answered yet."""

    headers = MappingProxyType({"Retry-After": "1"})


class NoSuchPlace(WebError):
    """Not Found."""


class NotSignedIn(WebError):
    """Sign in first."""


class StrangeForm(WebError):
    """The form did not come from this page, or was open for more than an hour: go back, look again, press once more."""


class DeadLink(WebError):
    """This link leads nowhere any more."""


class NotReady(WebError):
    """Mail would be answered 451 now."""
