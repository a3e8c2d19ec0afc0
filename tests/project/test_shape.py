"""The marks of the house, as a test: a room that grows past them asks to be divided."""

import ast
import subprocess
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "relay").rglob("*.py"), *(ROOT / "store").rglob("*.py")])
LONGEST_FILE = 400
LONGEST_FUNCTION = 45
MOST_FILES = 24
DATA = {"cases", "dialogues", "letters", "templates"}  # folders of data, read by name
# A shape of the API in relay/web/schemas, and the value it shows.
SAME_MEANING = {"Mailbox"}


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and lines of each function, its docstring left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            found.append((f"{path.name}:{node.name}", node.end_lineno - body[0].lineno + 1))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_one_job(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_functions_are_short():
    lengths = sorted(length for path in FILES for _, length in functions(path))

    assert [] == [each for path in FILES for each in functions(path) if each[1] > LONGEST_FUNCTION]
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


def test_a_package_file_holds_a_docstring_and_nothing_else():
    for path in ROOT.glob("relay/**/__init__.py"):
        assert len(ast.parse(path.read_text()).body) == 1, path


def test_no_folder_has_more_files_than_a_reader_can_scan():
    folders = {path for root in ("relay", "store", "tests") for path in (ROOT / root).rglob("*") if path.is_dir()}
    counts = {
        str(folder.relative_to(ROOT)): len([each for each in folder.iterdir() if each.is_file()])
        for folder in folders
        if folder.name not in DATA and "__pycache__" not in folder.parts
    }

    assert {} == {folder: count for folder, count in counts.items() if count > MOST_FILES}


def test_a_class_name_has_one_meaning():
    """A shape of the API may be called what the record it shows is called: then both mean the same."""
    places = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    doubled = {name: found for name, found in places.items() if len(found) > 1}

    assert {} == {name: found for name, found in doubled.items() if name not in SAME_MEANING}


def test_no_module_is_called_utils():
    forbidden = {"utils", "helpers", "manager", "service", "misc"}

    assert [] == [path for path in FILES if path.stem in forbidden]


@pytest.mark.timeout(300)
def test_a_wheel_brings_the_migration_chain_the_demo_letters_and_the_pages(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "store/_alembic/env.py" in names
    assert any(name.startswith("store/_alembic/versions/0001_") for name in names)
    assert "relay/demo/letters/bounce.eml" in names
    assert {"relay/web/pages/templates/reference.html", "relay/web/pages/templates/style.css"} <= set(names)
    assert [] == [name for name in names if name.startswith("alembic/")]
