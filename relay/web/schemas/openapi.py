"""Complete the OpenAPI document: problems, headers and examples of each operation.

FastAPI describes models and parameters. It does not know the problems a route can answer; routes and
dependencies declare them (relay/web/answers/error_responses.py), and this module adds them.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from relay.web.access.dependencies import request_auth
from relay.web.access.idempotency import REPLAYED, IdempotentRoute
from relay.web.answers.error_responses import raised_by
from relay.web.answers.problems import EXAMPLE_URL, MEDIA_TYPE, Kind, catalogue, kind_of, problem_type
from relay.web.schemas.examples import referred, sample

Json: TypeAlias = dict[str, Any]

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_ALWAYS: Final = (
    *("bad_request", "request_timeout", "invalid_value", "head_too_large"),
    *("internal_error", "too_many_connections"),
)
_WITH_KEY: Final = ("unauthorized", "rate_limited", "store_unavailable")
_WITH_BODY: Final = ("malformed_json", "body_too_large", "unsupported_media_type", "invalid_request")
_IDEMPOTENT: Final = ("request_under_way", "idempotency_mismatch", "body_too_large")
_HEADERS: Final[Mapping[str, Json]] = {
    "RateLimit-Policy": {
        "description": "The limits: `q` requests in `w` seconds, for each policy.",
        "schema": {"type": "string"},
        "example": '"key";q=600;w=60, "user";q=3000;w=60',
    },
    "RateLimit": {
        "description": "The remaining requests `r`, and the seconds `t` until there are more, for each policy.",
        "schema": {"type": "string"},
        "example": '"key";r=599;t=1, "user";r=2999;t=1',
    },
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "string"},
        "example": "5",
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "schema": {"type": "string"},
        "example": 'Bearer realm="mailseal"',
    },
    REPLAYED: {
        "description": "`true`: the request was repeated, and this is the response to the first one.",
        "schema": {"type": "string"},
        "example": "true",
    },
}
_RATES: Final = ("RateLimit-Policy", "RateLimit")
_OF_STATUS: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    429: (*_RATES, "Retry-After"),
    503: ("Retry-After",),
}


class DescribedApi(FastAPI):
    """A FastAPI application with a completed OpenAPI document."""

    def openapi(self) -> Json:
        """The OpenAPI document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            _describe(document, self)
            self.openapi_schema = document
        return self.openapi_schema


def _describe(document: Json, api: FastAPI) -> None:
    known = catalogue()
    components = document["components"]
    components["examples"] = {code: _example(kind) for code, kind in known.items()}
    components["headers"] = dict(_HEADERS)
    for operation, route in _operations(document, api):
        description = operation.get("description", "")
        operation["summary"] = description.partition("\n\n")[0].partition(". ")[0].replace("\n", " ").rstrip(".")
        codes = {*_codes(route)}
        _describe_responses(operation, components["schemas"])
        _describe_problems(operation, [kind for code, kind in known.items() if code in codes])
        _describe_headers(operation, route)
        for parameter in operation.get("parameters", ()):
            parameter.setdefault("example", sample(parameter["schema"], components["schemas"]))


def _operations(document: Json, api: FastAPI) -> Iterator[tuple[Json, APIRoute]]:
    for context in iter_route_contexts(api.routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                yield document["paths"][context.path_format][method.lower()], route


def _codes(route: APIRoute) -> Iterator[str]:
    """The codes of all problems that *route* can answer."""
    yield from _ALWAYS
    wanted = list(_dependants(route.dependant))
    if any(each.call is request_auth for each in wanted):
        yield from _WITH_KEY
    if any(each.path_params for each in wanted):
        yield "not_found"
    if any(each.path_params or each.query_params or each.header_params for each in wanted):
        yield "invalid_request"
    if route.body_field is not None:
        yield from _WITH_BODY
    if _is_idempotent(route):
        yield from _IDEMPOTENT
    for each in wanted:
        yield from (kind_of(error).code for error in raised_by(each.call))


def _is_idempotent(route: APIRoute) -> bool:
    return isinstance(route, IdempotentRoute) and "POST" in (route.methods or ())


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _dependants(each)


def _describe_responses(operation: Json, schemas: Mapping[str, Json]) -> None:
    """Add an example and a description to each response that is not a problem."""
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for answer in [*operation["responses"].values(), *bodies]:
        for content in answer.get("content", {}).values():
            if "schema" in content and "example" not in content:
                content["example"] = sample(content["schema"], schemas)
    for status, answer in operation["responses"].items():
        if answer["description"] == "Successful Response":
            answer["description"] = _success_description(status, answer, schemas)


def _success_description(status: str, answer: Json, schemas: Mapping[str, Json]) -> str:
    shapes = [referred(each["schema"], schemas) for each in answer.get("content", {}).values() if each.get("schema")]
    descriptions: list[str] = [each["description"] for each in shapes if "description" in each]
    return descriptions[0] if descriptions else HTTPStatus(int(status)).phrase


def _describe_problems(operation: Json, kinds: Iterable[Kind]) -> None:
    """List the problem codes of each status. Responses that are not problems are kept."""
    responses = operation["responses"]
    described = {status: each for status, each in responses.items() if not _is_problem(each)}
    for status, some in groupby(sorted(kinds, key=lambda kind: (kind.status, kind.code)), lambda kind: kind.status):
        answer = described.setdefault(str(status), {"description": "", "content": {}})
        of_status = list(some)
        sentences = [f"`{kind.code}`: {kind.says[0].lower()}{kind.says[1:]}." for kind in of_status]
        answer["description"] = "\n\n".join(filter(None, [answer["description"], *sentences]))
        examples = {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in of_status}
        answer["content"][MEDIA_TYPE] = {"schema": _PROBLEM, "examples": examples}
    operation["responses"] = dict(sorted(described.items()))


def _is_problem(answer: Json) -> bool:
    return any(content.get("schema") == _PROBLEM for content in answer.get("content", {}).values())


def _describe_headers(operation: Json, route: APIRoute) -> None:
    has_key = bool(operation.get("security"))
    once = _is_idempotent(route)
    for status, answer in operation["responses"].items():
        names = [*_OF_STATUS.get(int(status), ()), *(_RATES if has_key and status < "300" else ())]
        names += [REPLAYED] if once and status < "300" else []
        if names:
            answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _example(kind: Kind) -> Json:
    title = HTTPStatus(kind.status).phrase
    problem = {"type": problem_type(kind.code, EXAMPLE_URL), "title": title, "status": kind.status}
    return {"summary": kind.says, "value": {**problem, "code": kind.code, "detail": kind.says}}
