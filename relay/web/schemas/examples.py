"""Build an example value for a JSON schema from the examples of its fields. Pure."""

from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_PLAIN: Final[Mapping[str, Any]] = {"boolean": True, "integer": 0, "number": 0, "string": "", "null": None}
_LOCAL: Final = "#/components/schemas/"


def sample(schema: Schema, known: Mapping[str, Schema]) -> Any:
    """A valid example of *schema*; references are resolved in *known*, by name."""
    if "$ref" in schema:
        return sample(referred(schema, known), known)
    if "examples" in schema:
        return schema["examples"][0]
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if "enum" in schema:
        return schema["enum"][0]
    return _sample_of_parts(schema, known)


def referred(schema: Schema, known: Mapping[str, Schema]) -> Schema:
    """*schema*, or the schema it refers to."""
    return known[schema["$ref"].removeprefix(_LOCAL)] if "$ref" in schema else schema


def _sample_of_parts(schema: Schema, known: Mapping[str, Schema]) -> Any:
    if "anyOf" in schema:
        return _sample_of_one(schema["anyOf"], known)
    if schema.get("type") == "object":
        return {name: sample(each, known) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema["items"], known)]
    return schema.get("minimum", _PLAIN[schema.get("type", "null")])


def _sample_of_one(ways: list[Schema], known: Mapping[str, Schema]) -> Any:
    """An example of one of the alternatives *ways*.

    The first alternative with a value of its own, else null if that is allowed.
    """
    telling = [each for each in ways if {"$ref", "examples", "enum", "const"} & each.keys()]
    return sample((telling or [each for each in ways if each.get("type") == "null"] or ways)[0], known)
