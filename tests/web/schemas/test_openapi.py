"""What /openapi.json says of the API: all of it, and nothing that is not so."""

import re
from collections.abc import Iterator

import pytest

from relay.web.answers.problems import CODES, catalogue
from tests.web.schemas.described import DOCUMENT, OPERATIONS, PROBLEM, SCHEMAS, faults

UNNAMED = {"http_error"}  # what the framework may come to say, and no operation does
every_operation = pytest.mark.parametrize(
    "operation", [each for _, _, each in OPERATIONS.values()], ids=list(OPERATIONS)
)


def alternatives(schema: dict) -> Iterator[dict]:
    """The schema itself, what it refers to, and each that it may be instead."""
    yield schema
    if "$ref" in schema:
        yield from alternatives(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    for each in schema.get("anyOf", ()):
        yield from alternatives(each)


def fields(schema: dict, at: str) -> Iterator[tuple[str, dict]]:
    """Every field below *schema*, references left out: they are looked at by themselves."""
    for name, each in schema.get("properties", {}).items():
        yield f"{at}.{name}", each
        yield from fields(each, f"{at}.{name}")
    for each in [schema.get("items"), *schema.get("anyOf", ())]:
        if each is not None:
            yield from fields(each, at)


def contents(operation: dict) -> Iterator[tuple[str, str, dict]]:
    """Every body of an operation: where, its type, and what is said of it."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "body", media, content
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {}).items():
            yield status, media, content


FIELDS = [field for name, schema in SCHEMAS.items() for field in fields(schema, name)]


def test_there_is_a_version_a_title_and_what_it_is_about():
    info = DOCUMENT["info"]

    assert (True, "Mailseal") == (DOCUMENT["openapi"].startswith("3.1"), info["title"])
    assert {"description", "version"} <= info.keys()


def test_every_field_has_a_type_and_a_description():
    assert [] == [
        at for at, each in FIELDS
        if not any("description" in way for way in alternatives(each))
        or not any({"type", "enum", "const"} & way.keys() for way in alternatives(each))
    ]  # fmt: skip


def test_every_shape_is_described():
    assert [] == [name for name, schema in SCHEMAS.items() if not schema.get("description")]


def test_no_field_may_be_anything():
    untyped = [at for at, each in FIELDS if each == {} or each.get("items") == {}]
    loose = [at for at, each in FIELDS if each.get("type") == "object" and each.get("additionalProperties") is True]

    assert ([], []) == (untyped, loose)


@every_operation
def test_an_operation_says_what_it_does(operation):
    assert [] == [word for word in ("summary", "description", "operationId", "tags") if not operation.get(word)]
    assert len(operation["summary"]) < 120


def test_operations_have_ids_of_their_own():
    assert sum(len(methods) for methods in DOCUMENT["paths"].values()) == len(OPERATIONS)
    assert all(re.fullmatch(r"[a-z_]+", each) for each in OPERATIONS)


def test_tags_are_described_and_used():
    assert {each["name"] for each in DOCUMENT["tags"] if each["description"]} == {
        tag for _, _, each in OPERATIONS.values() for tag in each["tags"]
    }


@every_operation
def test_every_parameter_is_described_with_an_example_that_fits(operation):
    parameters = operation.get("parameters", [])

    assert [] == [each["name"] for each in parameters if not each.get("description")]
    assert [] == [fault for each in parameters for fault in faults(each["example"], each["schema"])]


@every_operation
def test_every_body_and_every_answer_has_a_shape_and_an_example_that_fits(operation):
    for at, media, content in contents(operation):
        assert content["schema"], (at, media)
        if media == PROBLEM:
            continue
        assert [] == faults(content["example"], content["schema"]), (at, media)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_examples_of_a_shape_fit_it(name):
    assert [] == [fault for each in SCHEMAS[name].get("examples", ()) for fault in faults(each, SCHEMAS[name])]


def test_the_examples_of_fields_fit_them():
    assert [] == [(at, fault) for at, each in FIELDS for one in each.get("examples", ()) for fault in faults(one, each)]


@every_operation
def test_every_problem_that_can_come_back_is_named_under_its_status(operation):
    known = catalogue()
    for status, answer in operation["responses"].items():
        told = re.findall(r"^`([a-z_]+)`: ", answer["description"], re.MULTILINE)
        content = answer.get("content", {})
        listed = list(content.get(PROBLEM, {}).get("examples", {}))

        assert told == listed
        assert {int(status)} >= {known[code].status for code in listed}
        assert bool(listed) == (PROBLEM in content)
        assert (status >= "400") <= bool({PROBLEM, "application/json", "text/html"} & content.keys())


def test_every_code_is_shown_as_a_problem_that_fits():
    examples = DOCUMENT["components"]["examples"]

    assert set(CODES) - UNNAMED == set(examples)
    assert [] == [fault for each in examples.values() for fault in faults(each["value"], SCHEMAS["Problem"])]
    assert all(code == each["value"]["code"] for code, each in examples.items())


def test_what_needs_a_key_says_so_and_nothing_else_does():
    scheme = DOCUMENT["components"]["securitySchemes"]["ApiKey"]
    secured = {name for name, (_, _, each) in OPERATIONS.items() if each.get("security") == [{"ApiKey": []}]}

    assert ("http", "bearer") == (scheme["type"], scheme["scheme"])
    assert {name for name, (_, path, _) in OPERATIONS.items() if path.startswith("/v1/")} == secured
    assert secured == {name for name, (_, _, each) in OPERATIONS.items() if "401" in each["responses"]}


def test_nothing_refers_to_what_is_not_there():
    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w.-]+)'", str(DOCUMENT)))

    assert [] == [(kind, name) for kind, name in references if name not in DOCUMENT["components"][kind]]
    assert SCHEMAS.keys() <= {name for kind, name in references if kind == "schemas"}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_document_is_had_without_a_key(shared_api):
    assert DOCUMENT == (await shared_api.get("/openapi.json", key=None)).json
