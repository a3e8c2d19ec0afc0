"""docs/events.md shows what the code makes."""

import asyncio
import base64

import pytest

from relay.signing.seal import verify_seal
from relay.signing.secrets import Secret
from tests.project.event_examples import SECRET, make_examples
from tests.project.generate_events import PAGE, generated, shown, written_by_hand


@pytest.fixture(scope="module")
def received() -> dict:
    return asyncio.run(make_examples())["email.received"]["data"]


def test_the_events_page_is_the_one_that_the_code_generates():
    page = PAGE.read_text("utf-8")

    assert generated(written_by_hand(page)) == page, "run: make docs-events"


def test_the_seal_of_the_example_holds_with_the_secret_on_the_page(received):
    secret = Secret(base64.b64decode(SECRET))

    assert verify_seal(received["auth_headers"], [secret], base64.b64decode(received["raw"])).holds


def test_the_mail_of_the_example_is_verified_by_spf_and_by_dkim(received):
    found = received["authentication"]

    assert (True, "pass", "pass") == (found["verified"], found["spf"]["result"], found["dkim"][0]["result"])


def test_an_object_that_fits_is_on_one_line_and_a_longer_one_is_not():
    assert '{\n  "a": {"b": 1},\n  "c": []\n}' == shown({"a": {"b": 1}, "c": []})
    assert 5 == shown({"a": ["x" * 80, "y" * 80]}).count("\n")
