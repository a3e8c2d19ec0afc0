"""SECURITY.md names a test for each line of the threat model, and each of these tests exists."""

import ast
import re
from functools import cache

from tests.project.documents import ROOT

LINE = re.compile(r"^\| (?P<statement>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<path>[\w/]+\.py)::(?P<name>\w+)`")
PARTIES = {
    "A sender", "Another tenant", "A webhook endpoint", "A provider", "A reviewer's mailbox", "A stolen key",
    "An HTTP stranger", "A DNS operator", "A local user of the machine",
}  # fmt: skip


def model() -> str:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    return text.partition("## Threat model\n")[2].partition("\n## ")[0]


@cache
def named_tests(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text("utf-8")) if file.is_file() else ast.Module([], [])
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_party_of_the_threat_model_is_there():
    found = {line.removeprefix("### ").partition(" (")[0] for line in model().splitlines() if line.startswith("### ")}

    assert PARTIES == found


def test_every_line_of_the_threat_model_names_tests_that_exist():
    lines = [each for each in LINE.finditer(model()) if each["statement"] not in {"what", "---"}]
    missing = {each["statement"]: each["tests"] for each in lines if not TEST.search(each["tests"])}
    named = [(found["path"], found["name"]) for each in lines for found in TEST.finditer(each["tests"])]

    assert len(lines) > 50
    assert {} == missing
    assert [] == [f"{path}::{name}" for path, name in named if name not in named_tests(path)]
