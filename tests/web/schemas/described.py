"""/openapi.json as tests look at it: its operations, and whether a value fits a shape of it."""

from copy import deepcopy
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from relay.web.app import make_api

DOCUMENT = make_api().openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
PROBLEM = "application/problem+json"
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def _closed(schema: Any) -> Any:
    """*schema* without room for a field that it does not tell of."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _closed(each) for name, each in schema.items()}
    return {"additionalProperties": False, **told} if isinstance(schema.get("properties"), dict) else told


def _pointed(schema: Any, whole: str) -> Any:
    """*schema* with its references made ones into the document *whole*."""
    if isinstance(schema, list):
        return [_pointed(each, whole) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: f"{whole}{each}" if name == "$ref" else _pointed(each, whole) for name, each in schema.items()}


_OPEN, _CLOSED = "urn:open", "urn:closed"
_CLOSED_DOCUMENT = {**DOCUMENT, "components": {"schemas": _closed(deepcopy(SCHEMAS))}}
_REGISTRY = Registry().with_resources(
    [(_OPEN, DRAFT202012.create_resource(DOCUMENT)), (_CLOSED, DRAFT202012.create_resource(_CLOSED_DOCUMENT))]
)


def faults(value: Any, schema: dict, *, closed: bool = False) -> list[str]:
    """What of *value* does not fit *schema*; where that is *closed*, also every field that it does not tell of."""
    target = _pointed(_closed(schema), _CLOSED) if closed else _pointed(schema, _OPEN)
    checker = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(target, registry=_REGISTRY, format_checker=checker)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]
