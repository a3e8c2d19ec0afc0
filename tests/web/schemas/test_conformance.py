"""Whatever is asked, the answer is one that /openapi.json describes, to the last field.

tests/fuzz asks much more, and anything; this asks the same small things every time.
"""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.client import Answer
from tests.web.schemas.described import OPERATIONS, PROBLEM, faults
from tests.web.world import as_asked, furnish

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = {"follow_events"}
LONG = "x" * 400
IN_A_PATH = ["x", "%zz", "%FF", "a%2Fb", "%00", LONG, "9" * 30]
IN_A_QUERY = ["", "x", "-1", "9" * 30, "%FF", "%00", LONG]
IN_A_FIELD = [None, "", "\0", "x" * 5000, -1, 10**30, [], [None], {"x": 1}]
NO_BODIES = [None, b"{", b"null", b"[]", b"{}", b'{"unknown": 1}', b"\xff", b"[" * 50_000]
Request = tuple[str, dict[str, Any]]


class Asking:
    """One operation, and every request that is tried of it."""

    def __init__(self, name: str, world: dict[str, str]) -> None:
        self.method, self.path, self.operation = OPERATIONS[name]
        self.world = world

    def url(self, query: str = "", **ids: str) -> str:
        """The path with what is there, and with *ids* instead, as they are."""
        path = self.path
        for name, value in self.world.items():
            path = path.replace(f"{{{name}}}", ids.get(name, quote(value, safe="")))
        return path + query

    def body(self) -> Any:
        """A good body; None where there is none."""
        content = self.operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return None
        own = {"agent": self.world["hook"], "address": f"new@{self.world['domain']}"}
        return {name: own.get(name, value) for name, value in content["example"].items()}

    def _form(self) -> dict[str, Any]:
        """A form, of what is for people."""
        content = self.operation.get("requestBody", {}).get("content", {})
        form = content.get("application/x-www-form-urlencoded")
        return {"data": form["example"]} if form else {}

    def requests(self) -> Iterator[Request]:
        """A good one, and then the bad ones."""
        good: dict[str, Any] = self._form() if self.body() is None else {"json": self.body()}
        yield self.url(), {**good, "key": None}
        for each in self.operation.get("parameters", ()):
            for value in IN_A_PATH if each["in"] == "path" else ():
                yield self.url(**{each["name"]: value}), good
            for value in IN_A_QUERY if each["in"] == "query" else ():
                yield self.url(f"?{each['name']}={value}"), good
            for value in ["", "ü", LONG] if each["in"] == "header" else ():
                yield self.url(), {**good, "headers": {each["name"]: value}}
        yield from self._bodies()
        yield self.url(), good

    def _bodies(self) -> Iterator[Request]:
        body = self.body()
        for value in NO_BODIES if body is not None else [b"{", b"x" * 70_000]:
            yield self.url(), {"data": value, "headers": {"Content-Type": "application/json"}}
        for name in body or {}:
            for value in IN_A_FIELD:
                yield self.url(), {"json": {**body, name: value}}
        if body is not None:
            yield self.url(), {"data": json.dumps(body), "headers": {"Content-Type": "text/plain"}}

    def misfits(self, answer: Answer) -> list[str]:
        """What of *answer* is not as described."""
        told = self.operation["responses"].get(str(answer.status))
        if told is None:
            return [f"{answer.status} is not told of"]
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        content = told.get("content", {})
        if not content:
            return ["a body that is not told of"] if answer.body else []
        shape = content.get(media) or content.get("*/*")
        if shape is None:
            return [f"{media} is not told of"]
        if media == PROBLEM and answer.json["code"] not in shape["examples"]:
            return [f"{answer.json['code']} is not told of"]
        return faults(answer.json, shape["schema"], closed=True) if "json" in media else []


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - ENDLESS))
async def test_every_answer_is_as_described(shared_api, name):
    short = name.replace("_", "-")
    world = await furnish(shared_api, owner=f"{short}@owner.example", domain=f"{short}.example")
    asking = Asking(name, as_asked(name, world))

    found, seen = [], set()
    for url, more in asking.requests():
        answer = await shared_api.ask(asking.method, url, **{"key": asking.world["key"], **more})
        found += [(url[:120], str(more)[:200], answer.status, each) for each in asking.misfits(answer)]
        seen.add(answer.status)

    assert [] == found
    assert max(seen) < 500
    assert seen & {200, 201, 202, 204, 409}


async def test_an_answer_is_not_held_back_until_the_client_has_said_that_its_head_came(shared_api):
    (acceptor,) = shared_api.server._server.acceptors

    assert acceptor.listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
