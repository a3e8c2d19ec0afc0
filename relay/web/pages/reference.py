"""Serve the OpenAPI document, and the API reference page rendered from it."""

import json
import shlex
from collections.abc import Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from relay.web.access.dependencies import InjectedContext
from relay.web.pages.template import page, page_answer

Json: TypeAlias = dict[str, Any]

router = APIRouter(tags=["reference"])

_DESCRIPTION: Final[dict[int | str, Json]] = {
    200: {
        "description": "An OpenAPI 3.1 document.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "description": "The document.", "additionalProperties": True},
                "example": {"openapi": "3.1.0"},
            }
        },
    }
}
_PAGE: Final[dict[int | str, Json]] = {
    200: {
        "description": "A page.",
        "content": {
            "text/html": {
                "schema": {"type": "string", "description": "HTML without scripts."},
                "example": "<!doctype html>",
            }
        },
    }
}
_FRESH: Final = {"Cache-Control": "public, max-age=300"}


@router.get("/openapi.json", response_class=Response, responses=_DESCRIPTION)
async def description(request: Request) -> Response:
    """Get the OpenAPI document."""
    return Response(_written(request.app), headers=_FRESH, media_type="application/json")


@router.get("/docs", response_class=Response, responses=_PAGE)
async def reference(request: Request, ctx: InjectedContext) -> Response:
    """Get the API reference as one self-contained HTML page."""
    answer = page_answer(_rendered(request.app, ctx.base_url))
    answer.headers.update(_FRESH)
    return answer


def _written(api: FastAPI) -> bytes:
    if not hasattr(api.state, "description"):
        api.state.description = orjson.dumps(api.openapi())
    written: bytes = api.state.description
    return written


def _rendered(api: FastAPI, base_url: str) -> str:
    if not hasattr(api.state, "reference"):
        api.state.reference = {}
    pages: dict[str, str] = api.state.reference
    if base_url not in pages:
        pages[base_url] = render(api.openapi(), base_url=base_url)
    return pages[base_url]


def render(document: Json, *, base_url: str) -> str:
    """Render the OpenAPI *document* as HTML; examples call *base_url*."""
    operations = list(_operations(document, base_url))
    groups = [(tag, [each for each in operations if tag["name"] in each["tags"]]) for tag in document["tags"]]
    known = document["components"]
    problems = [(each["value"]["status"], code, each["summary"]) for code, each in known["examples"].items()]
    return page(
        "reference.html", info=document["info"], groups=groups, shapes=known["schemas"], problems=sorted(problems)
    )


def _operations(document: Json, base_url: str) -> Iterator[Json]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield {
                "parameters": (),
                **operation,
                "method": method.upper(),
                "path": path,
                "body": _content(operation.get("requestBody", {})),
                "answers": list(_answers(operation, document["components"]["examples"])),
                "curl": _curl(method.upper(), path, operation, base_url),
            }


def _answers(operation: Json, examples: Json) -> Iterator[Json]:
    for status, answer in operation["responses"].items():
        some = [content.get("examples", {}) for content in answer.get("content", {}).values()]
        codes = [(code, examples[code]["summary"]) for each in some for code in each]
        yield {**answer, "status": status, "codes": codes, "body": _content(answer)}


def _content(answer: Json) -> Json | None:
    """The body, if it is not a problem: media type, schema, and example as text."""
    for media, content in answer.get("content", {}).items():
        if "example" in content:
            example = content["example"]
            text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            return {"media": media, "schema": content["schema"], "example": text}
    return None


def _curl(method: str, path: str, operation: Json, base_url: str) -> str:
    """An example ``curl`` command for the operation."""
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(str(parameter["example"]), safe=""))
        elif parameter["in"] == "query" and parameter.get("required"):
            query[parameter["name"]] = str(parameter["example"])
    words = ["curl", *([] if method == "GET" else ["-X", method])]
    words.append(shlex.quote(f"{base_url}{path}{'?' if query else ''}{urlencode(query)}"))
    if operation.get("security"):
        words += ["\\\n  -H", '"Authorization: Bearer $MAILSEAL_KEY"']
    if body := _content(operation.get("requestBody", {})):
        compact = json.dumps(json.loads(body["example"]), ensure_ascii=False)
        words += ["\\\n  -H", "'Content-Type: application/json'", "\\\n  -d", shlex.quote(compact)]
    return " ".join(words)
