"""What the HTTP server uses of uvicorn and h11, and how it says that a part is missing."""

import ast
from pathlib import Path

import pytest

from relay.errors import Misconfigured
from relay.web.http import required_parts
from relay.web.http.required_parts import REQUIRED, check_http_libraries
from relay.web.http.server import WebServer

FOLDER = Path(required_parts.__file__).parent


class Bare:
    here = 1

    def __init__(self):
        self.left = 1


def test_the_installed_libraries_have_all_that_the_server_needs():
    check_http_libraries()


def test_a_missing_attribute_is_named():
    with pytest.raises(Misconfigured, match=r"lack Bare\.gone, Bare\.lost: install"):
        check_http_libraries(((Bare, ("left", "gone", "here", "lost")),))


def test_a_server_is_not_made_without_the_check():
    source = ast.parse((FOLDER / "server.py").read_text())
    (server,) = (node for node in source.body if isinstance(node, ast.ClassDef) and node.name == WebServer.__name__)
    (made,) = (node for node in server.body if getattr(node, "name", "") == "__init__")

    assert "check_http_libraries()" == ast.unparse(made.body[0])


def test_each_overridden_method_is_required():
    names = {name for _, required in REQUIRED for name in required}
    overridden = set()
    for file in ("connection.py", "server.py"):
        for node in ast.walk(ast.parse((FOLDER / file).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("super()."):
                overridden.add(node.func.attr)

    assert overridden - {"__init__"} <= names
