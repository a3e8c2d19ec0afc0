"""Errors as RFC 9457 documents: one table from what was raised to what a client is told."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from relay import errors
from store import errors as store_errors

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = "5"
log = structlog.get_logger("relay.web")


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of problem: its code never changes."""

    status: int
    code: str
    tells: bool = False  # the error's own message is written for the client


# The first that fits speaks, so the narrow ones stand first.
_KINDS: Final[tuple[tuple[type[Exception], Kind], ...]] = (
    (store_errors.AgentNotFound, Kind(404, "agent_not_found")),
    (store_errors.MessageNotFound, Kind(404, "message_not_found", tells=True)),
    (store_errors.DomainNotFound, Kind(404, "domain_not_found")),
    (store_errors.DeliveryNotFound, Kind(404, "delivery_not_found")),
    (store_errors.KeyNotFound, Kind(404, "key_not_found")),
    (store_errors.NotFound, Kind(404, "not_found")),
    (store_errors.InvalidValue, Kind(422, "invalid_value", tells=True)),
    (store_errors.AddressTaken, Kind(409, "address_taken")),
    (store_errors.DomainNotAvailable, Kind(409, "domain_not_available")),
    (store_errors.DomainHasAgents, Kind(409, "domain_has_agents")),
    (store_errors.DomainUnproven, Kind(409, "domain_unproven", tells=True)),
    (store_errors.LeaseLost, Kind(409, "lease_lost", tells=True)),
    (store_errors.Conflict, Kind(409, "conflict")),
    (store_errors.Unavailable, Kind(503, "store_unavailable")),
    (errors.Deferred, Kind(503, "try_again_later")),
    (errors.Refused, Kind(422, "refused")),
)
_INTERNAL: Final = Kind(500, "internal_error")


class Unauthorized(Exception):
    """The request carries no valid API key."""


def install(app: FastAPI) -> None:
    """Have *app* answer every error as a problem document."""
    app.add_exception_handler(Exception, _any)
    for kind, _ in _KINDS:
        app.add_exception_handler(kind, _any)
    app.add_exception_handler(Unauthorized, _unauthorized)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)


def problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A problem document."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    body = orjson.dumps(document | {"detail": detail} | more)
    return Response(body, status, headers, MEDIA_TYPE)


async def _any(_request: Request, error: Exception) -> Response:
    kind = next((kind for raised, kind in _KINDS if isinstance(error, raised)), _INTERNAL)
    if kind is _INTERNAL:
        log.error("request failed", exc_info=error)
    headers = {"Retry-After": _RETRY_SECONDS} if kind.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(kind.status, kind.code, str(error) if kind.tells else _sentence(error, kind), headers=headers)


async def _unauthorized(_request: Request, _error: Exception) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="mailseal"'}
    return problem(401, "unauthorized", "an API key is needed: Authorization: Bearer mk_…", headers=headers)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, code, str(error.detail), headers=headers)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [{"at": "/".join(str(step) for step in each["loc"]), "problem": each["msg"]} for each in error.errors()]
    return problem(422, "invalid_request", "the request has values that do not fit", errors=found)


def _sentence(error: Exception, kind: Kind) -> str:
    """What the kind of error says of itself in general, never what this one says in particular."""
    told = type(error).__doc__ or ""
    return told.partition("\n")[0].rstrip(".") if kind is not _INTERNAL else "something went wrong here"
