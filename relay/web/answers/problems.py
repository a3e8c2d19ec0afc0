"""Errors as RFC 9457 problem documents: one table from an exception to its status, code and text.

``type`` of each document is the address of the code's entry in docs/errors.md, which the relay serves itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from relay import errors
from relay.web.answers import errors as web_errors
from store import errors as store_errors

MEDIA_TYPE: Final = "application/problem+json"
EXAMPLE_URL: Final = "https://mx.example.net"  # where links begin in examples of the description
_ERRORS_PAGE: Final = "/help/errors"
_RETRY_SECONDS: Final = "5"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MOST_FAULTS: Final = 20  # faults named per request
_MOST_SIGNS: Final = 200  # characters of a client's own text in an answer
log = structlog.get_logger("relay.web")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; its code never changes."""

    status: int
    code: str
    tells: bool = False  # the exception's message is written for the client
    says: str = ""  # the sentence for a client where no exception supplies one


# The first match counts, so subclasses come before their bases.
_KINDS: Final[tuple[tuple[type[Exception], Kind], ...]] = (
    (web_errors.Unauthorized, Kind(401, "unauthorized", tells=True)),
    (web_errors.InsufficientScope, Kind(403, "insufficient_scope", tells=True)),
    (web_errors.RateLimited, Kind(429, "rate_limited", tells=True)),
    (web_errors.TooManyAtOnce, Kind(429, "too_many_at_once", tells=True)),
    (web_errors.RequestUnderWay, Kind(409, "request_under_way", tells=True)),
    (web_errors.NotReady, Kind(503, "not_ready")),
    (web_errors.PathNotFound, Kind(404, "not_found", tells=True)),
    (store_errors.AgentNotFound, Kind(404, "agent_not_found")),
    (store_errors.MessageNotFound, Kind(404, "message_not_found", tells=True)),
    (store_errors.ConversationNotFound, Kind(404, "conversation_not_found")),
    (store_errors.DomainNotFound, Kind(404, "domain_not_found")),
    (store_errors.DeliveryNotFound, Kind(404, "delivery_not_found")),
    (store_errors.KeyNotFound, Kind(404, "key_not_found")),
    (store_errors.SuppressionNotFound, Kind(404, "suppression_not_found")),
    (store_errors.NotFound, Kind(404, "not_found")),
    (store_errors.InvalidValue, Kind(422, "invalid_value", tells=True)),
    (store_errors.IdempotencyMismatch, Kind(422, "idempotency_mismatch")),
    (store_errors.AddressTaken, Kind(409, "address_taken")),
    (store_errors.DomainNotAvailable, Kind(409, "domain_not_available")),
    (store_errors.DomainHasAgents, Kind(409, "domain_has_agents")),
    (store_errors.DomainUnproven, Kind(409, "domain_unproven", tells=True)),
    (store_errors.NotReplayable, Kind(409, "not_replayable")),
    (store_errors.LeaseLost, Kind(409, "lease_lost", tells=True)),
    (store_errors.Outdated, Kind(409, "outdated", tells=True)),
    (store_errors.NotPendingApproval, Kind(409, "not_pending_approval")),
    (store_errors.NotUnconfirmed, Kind(409, "not_unconfirmed")),
    (store_errors.NotFailed, Kind(409, "not_failed")),
    (store_errors.Conflict, Kind(409, "conflict")),
    (store_errors.SendingPaused, Kind(503, "sending_paused")),
    (store_errors.Unavailable, Kind(503, "store_unavailable")),
    (errors.CourierBusy, Kind(503, "courier_busy", tells=True)),
    (errors.Deferred, Kind(503, "try_again_later")),
    (errors.MailTooLarge, Kind(413, "mail_too_large", tells=True)),
    (errors.BadDraft, Kind(422, "bad_draft", tells=True)),
    (errors.OutboundOff, Kind(409, "outbound_off")),
    (errors.Suppressed, Kind(409, "suppressed", tells=True)),
    (errors.AutomatedMail, Kind(409, "automated_mail")),
    (errors.ContentGone, Kind(410, "content_gone")),
    (errors.CourierRefused, Kind(502, "courier_refused", tells=True)),
    (errors.NoWebhook, Kind(409, "no_webhook")),
    (errors.NoSharedDomain, Kind(422, "no_shared_domain")),
    (errors.UnprovenEvent, Kind(403, "unproven_event", tells=True)),
    (errors.Refused, Kind(422, "refused")),
)
_INTERNAL: Final = Kind(500, "internal_error", says="the relay failed to answer: its log has the cause")

# Errors found before a route is called.
BAD_REQUEST: Final = Kind(400, "bad_request", says="this is not HTTP/1.1")
MALFORMED_JSON: Final = Kind(400, "malformed_json", says="the body cannot be read as JSON")
NOT_FOUND: Final = Kind(404, "not_found", says="this relay has no such path")
METHOD_NOT_ALLOWED: Final = Kind(405, "method_not_allowed", says="this path does not have that method: see Allow")
REQUEST_TIMEOUT: Final = Kind(408, "request_timeout", says="the request did not arrive in time")
BODY_TOO_LARGE: Final = Kind(413, "body_too_large", says="the body is larger than this path takes")
NOT_JSON: Final = Kind(415, "unsupported_media_type", says="the body must come as Content-Type: application/json")
INVALID_REQUEST: Final = Kind(422, "invalid_request", says="the request has values that do not fit")
HEAD_TOO_LARGE: Final = Kind(431, "head_too_large", says="the request's fields are larger than 16 KiB")
TOO_MANY_CONNECTIONS: Final = Kind(503, "too_many_connections", says="there are too many connections: try again later")
_EARLY: Final = (
    *(BAD_REQUEST, MALFORMED_JSON, NOT_FOUND, METHOD_NOT_ALLOWED, REQUEST_TIMEOUT, BODY_TOO_LARGE, NOT_JSON),
    *(INVALID_REQUEST, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS),
)
# Errors the framework raises with a status alone; its only 400 is a body that cannot be parsed.
_BY_STATUS: Final = {kind.status: kind for kind in (MALFORMED_JSON, NOT_FOUND, METHOD_NOT_ALLOWED, BODY_TOO_LARGE)}

_OTHER: Final = "http_error"  # a status of the framework's that has no code in the tables

CODES: Final = tuple(sorted({_OTHER, *(kind.code for kind in (*(kind for _, kind in _KINDS), *_EARLY, _INTERNAL))}))
"""All codes, as /openapi.json lists them."""


def catalogue() -> dict[str, Kind]:
    """All codes but ``http_error``, each with its general sentence."""
    raised = {kind.code: replace(kind, says=_sentence(error)) for error, kind in reversed(_KINDS)}
    return {kind.code: kind for kind in (*raised.values(), *_EARLY, _INTERNAL)}


def kind_of(raised: type[Exception]) -> Kind:
    """The kind of problem that exceptions of this type become."""
    return next((kind for known, kind in _KINDS if issubclass(raised, known)), _INTERNAL)


def install(app: FastAPI) -> None:
    """Make *app* answer each error with a problem document."""
    app.add_exception_handler(Exception, _any)
    for kind, _ in _KINDS:
        app.add_exception_handler(kind, _any)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)


def problem_type(code: str, base_url: str) -> str:
    """The address of the entry for *code* in the errors page; *base_url* is where the relay's links begin."""
    return f"{base_url}{_ERRORS_PAGE}#{code}"


def problem(
    status: int, code: str, detail: str, *, base_url: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A problem document; *more* are its extension members."""
    title = HTTPStatus(status).phrase
    document = {"type": problem_type(code, base_url), "title": title, "status": status, "code": code}
    body = _written(document | {"detail": detail} | more)
    return Response(body, status, headers, MEDIA_TYPE)


def early_problem(kind: Kind, *, base_url: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """The problem document of a *kind* that has a sentence of its own."""
    known = {"Retry-After": _RETRY_SECONDS} if kind.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    headers = {**known, **(headers or {})}
    return problem(kind.status, kind.code, kind.says, base_url=base_url, headers=headers, **more)


def problem_of(error: Exception, *, base_url: str) -> Response:
    """The problem document of *error*; an exception that is in no table is a bug, and is logged."""
    kind = kind_of(type(error))
    if kind is _INTERNAL:
        log.error("request_failed", exc_info=error)
        return early_problem(kind, base_url=base_url)
    headers = dict(getattr(error, "headers", {}))
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = _RETRY_SECONDS
    told = str(error) if kind.tells else _sentence(type(error))
    return problem(kind.status, kind.code, told, base_url=base_url, headers=headers, **_faults(error))


def _faults(error: Exception) -> dict[str, Any]:
    """The field of the request that a BadDraft is about, as ``errors``."""
    if not isinstance(error, errors.BadDraft) or not error.field:
        return {}
    at = ("body", error.field) if error.index is None else ("body", error.field, error.index)
    return {"errors": [{"at": _place(at), "problem": str(error)[:_MOST_SIGNS]}]}


async def _any(request: Request, error: Exception) -> Response:
    return problem_of(error, base_url=_base_url(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        detail = str(error.detail)
        return problem(error.status_code, _OTHER, detail, base_url=_base_url(request), headers=error.headers)
    headers = {"Allow": ", ".join(_allowed(request))} if kind is METHOD_NOT_ALLOWED else {}
    return early_problem(kind, base_url=_base_url(request), headers={**(error.headers or {}), **headers})


def _base_url(request: Request) -> str:
    base_url: str = request.state.ctx.base_url
    return base_url


def _allowed(request: Request) -> list[str]:
    """The methods of a path, of all routes that share it: the framework names those of the first route only."""
    scopes = [{**request.scope, "method": method} for method in _METHODS]
    routes = request.app.router.routes
    return [scope["method"] for scope in scopes if any(route.matches(scope)[0] is Match.FULL for route in routes)]


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults, base_url = error.errors(), _base_url(request)
    if faults and faults[0]["type"] == "json_invalid":
        found = [{"at": _place(faults[0]["loc"]), "problem": faults[0]["ctx"]["error"]}]
        return early_problem(MALFORMED_JSON, base_url=base_url, errors=found)
    if any(each["loc"] == ("body",) and each["type"] != "missing" for each in faults) and not claims_json(request):
        return early_problem(NOT_JSON, base_url=base_url)
    found = [{"at": _place(each["loc"]), "problem": each["msg"]} for each in faults[:_MOST_FAULTS]]
    return early_problem(INVALID_REQUEST, base_url=base_url, errors=found)


def _place(steps: tuple[str | int, ...]) -> str:
    return "/".join(str(step) for step in steps)[:_MOST_SIGNS]


def claims_json(request: Request) -> bool:
    """Whether the body of *request* comes as JSON, by its Content-Type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


def _sentence(error: type[Exception]) -> str:
    """The general sentence of an error type: the first line of its docstring."""
    return (error.__doc__ or "").partition("\n")[0].rstrip(".")


def _written(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # a client's text, quoted in the answer, that UTF-8 cannot hold
        return json.dumps(document).encode("ascii")
