"""Each bound that the code counts is in the table of docs/operations.md, and the table names no other."""

import ast
import re
from collections.abc import Iterator

from relay.settings import PREFIX, Settings
from tests.project.documents import DOCS, ROOT, text_of

# Names that are put together of two parts: the second one for each first one.
COMPOSED = {
    "http_rate_of_": ("key", "user", "failed_keys", "sign_ins"),
    "http_waits": ("_of_key", "_of_user", "_of_peer", "_of_all"),
    "http_bytes": ("_of_user", "_of_all"),
}
COUNTING = {"count_bound", "_count", "count", "_refuse", "_reach", "reached"}
ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| .+ \|$", re.MULTILINE)


def table() -> dict[str, str]:
    """The bounds of the page, with their settings."""
    section = text_of(DOCS / "operations.md").split("\n### Bounds\n")[1].split("\n### ")[0]
    return dict(ROW.findall(section))


def sources() -> Iterator[ast.AST]:
    for file in sorted((ROOT / "relay").rglob("*.py")):
        yield from ast.walk(ast.parse(file.read_text()))


def text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def counted(node: ast.AST) -> set[str]:
    """The names that a call gives to a function that counts bounds."""
    if not isinstance(node, ast.Call) or not node.args:
        return set()
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in COUNTING:
        return set()
    first = node.args[0]
    choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return {found for each in choices if (found := text(each)) is not None and re.fullmatch(r"[a-z]+(_[a-z]+)+", found)}


def test_each_bound_that_is_counted_is_in_the_table_of_bounds():
    names = {name for node in sources() for name in counted(node)}

    assert len(names) > 20, "the calls that count were not found"
    assert set() == names - table().keys()


def test_each_bound_of_the_table_is_counted_somewhere():
    words = {found for node in sources() if (found := text(node)) is not None}
    composed = {first + rest for first, parts in COMPOSED.items() if first in words for rest in parts}

    assert set() == table().keys() - words - composed


def test_each_bound_of_the_table_names_a_setting_that_exists_or_is_fixed():
    for bound, setting in table().items():
        named = re.findall(rf"{PREFIX}([A-Z_]+)", setting)
        assert named or setting.startswith("fixed"), bound
        assert {name.lower() for name in named} <= Settings.model_fields.keys(), bound
