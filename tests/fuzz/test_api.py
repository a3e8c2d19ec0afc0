"""Whatever is asked of the API, the answer is one that /openapi.json describes, and never a 5xx.

schemathesis makes requests out of the description, good ones and broken ones, for a bounded while.
"""

from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from relay.web.app import make_api
from tests.fuzz.served import Served, served

EXAMPLES = 100  # of each operation
ENDLESS = "/v1/agents/{address}/events"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
]

api = schemathesis.openapi.from_dict(make_api().openapi()).exclude(path=ENDLESS)


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    with served(tmp_path_factory.mktemp("fuzz")) as opened:
        yield opened


def aim(case: schemathesis.Case, relay: Served) -> None:
    """Have every other case ask about something that is there; and none wait long."""
    if crc32(repr((case.path_parameters, case.query, case.body)).encode("utf-8", "replace")) % 2:
        for name in case.path_parameters or {}:
            case.path_parameters[name] = relay.known[name]
    for given in (case.query, case.body):
        if isinstance(given, dict) and isinstance(given.get("wait"), int | float):
            given["wait"] = min(given["wait"], 0.01)


@api.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_an_answer_is_always_one_that_is_described(case, relay):
    relay.restore()
    aim(case, relay)

    answer = case.call(base_url=relay.url, headers={"Authorization": f"Bearer {relay.api_server.key}"})

    relay.is_whole = case.method != "DELETE" or answer.status_code >= 300
    case.validate_response(answer, checks=CHECKS)
