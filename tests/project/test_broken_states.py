"""The table of broken states in the documents names a test that exists for each state."""

import re

from tests.broken import test_outside, test_running, test_start
from tests.project.documents import ROOT

SECTION = (ROOT / "docs" / "operations.md").read_text().partition("## Broken states")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| ([^|]+) \|.*\| `(tests/[a-z_/]+\.py)` `([a-z0-9_]+)` \|$", re.MULTILINE)
ROWS = ROW.findall(SECTION)
HEADINGS = 4  # lines of the two tables that are no state


def parametrised() -> set[str]:
    """The states that are a row of a table in the tests."""
    tables = (
        test_start.STARTS,
        test_start.WAITS,
        test_running.LOSSES,
        test_outside.WEBHOOKS,
        test_outside.SMARTHOSTS,
    )
    return {each.name for table in tables for each in table} | set(test_running.NAMESERVERS)


def test_each_row_names_a_test_that_exists():
    states = parametrised()
    sources = {file: (ROOT / file).read_text() for _, file, _ in ROWS}

    missing = [
        (state, name)
        for state, file, name in ROWS
        if not (name in states and f'"{name}"' in sources[file]) and f"def {name}(" not in sources[file]
    ]

    assert [] == missing
    assert len(ROWS) >= 20
    assert len(ROWS) == SECTION.count("\n|") - HEADINGS


def test_each_state_of_the_tests_has_a_row():
    assert set() == parametrised() - {name for _, _, name in ROWS}
