"""Find each log call of the program in its syntax tree, and the table of events in the documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = ROOT / "docs" / "operations.md"
HEADING: Final = "## Log events"
_METHODS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
_ROW: Final = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)


def log_calls(source: str) -> Iterator[ast.Call]:
    """Each call of a log method, such as ``log.info(…)`` or ``self._ctx.log.warning(…)``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            logger = node.func.value
            name = logger.attr if isinstance(logger, ast.Attribute) else getattr(logger, "id", "")
            if name.strip("_") in {"log", "logger"}:
                yield node


def program_calls() -> Iterator[tuple[str, ast.Call]]:
    """The log calls of ``relay`` and ``store``, each with its file and line."""
    for package in ("relay", "store"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for call in log_calls(path.read_text()):
                yield f"{path.relative_to(ROOT)}:{call.lineno}", call


def documented_events() -> dict[str, set[str]]:
    """The levels of each event in the table under the heading ``## Log events``."""
    section = DOCUMENT.read_text().partition(HEADING)[2].partition("\n## ")[0]
    return {event: {level.strip() for level in levels.split(",")} for event, levels in _ROW.findall(section)}
