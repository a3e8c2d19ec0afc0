"""Docstrings and comments cite documents, sections and files that exist in the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.web.help.render import headings, parse
from tests.project.plain_english import comments, docstrings

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(file for package in ("relay", "store", "alembic") for file in (ROOT / package).rglob("*.py"))
DOCUMENT = re.compile(r"\b((?:docs/)[\w./-]+\.md|(?:SECURITY|CONTRIBUTING|README|CHANGELOG)\.md)(?: §(\d+(?:\.\d+)*))?")
PLACE = re.compile(r"(?<![\w./-])((?:relay|store|tests|alembic|systemd|docs|packaging)/[\w./-]*\w\.(?:py|md|html|css|ini|toml|service|eml))\b")  # fmt: skip
FOLDER = re.compile(r"(?<![\w./-])((?:relay|store|tests|alembic|systemd|docs)/(?:[\w-]+/)*[\w-]+)(?![\w./*-])")
# Citations of papers that are not in the repository.
VAGUE = re.compile(r"(?<![\w/])(?:contract|architecture|style)(?:,)? §|\bdecision \d|\bcontract \(|\.\./shared")


def texts() -> Iterator[tuple[str, str]]:
    """Each docstring and comment of the program, with its place."""
    for file in CODE:
        for path, line, text in [*docstrings(file), *comments(file)]:
            yield f"{path.relative_to(ROOT)}:{line}", text


def sections(file: Path) -> set[str]:
    """The numbers of the headings of a document: "6" of "## 6. HTTP API"."""
    found = (re.match(r"(\d+(?:\.\d+)*)\.? ", heading.text) for heading in headings(parse(file.read_text("utf-8"))))
    return {number[1] for number in found if number}


def faults(text: str) -> list[str]:
    """What of the citations in *text* does not exist."""
    found = [f"vague: {match[0]}" for match in VAGUE.finditer(text)]
    found += [f"no file {place}" for place in PLACE.findall(text) if not (ROOT / place).is_file()]
    found += [f"no folder {place}" for place in FOLDER.findall(text) if not (ROOT / place).exists()]
    for document, number in DOCUMENT.findall(text):
        file = ROOT / document
        if not file.is_file():
            found.append(f"no document {document}")
        elif number and number not in sections(file):
            found.append(f"no section {document} §{number}")
    return found


def test_every_citation_and_every_path_in_the_code_exists():
    assert [] == [f"{where}: {fault}" for where, text in texts() for fault in faults(text)]


@pytest.mark.parametrize(
    "text",
    [
        "As contract §6 has it.",
        "The house, decision 2.",
        "See docs/nothing.md for it.",
        "See docs/contract.md §99.",
        "The rule of store/outbound/nothing.py holds.",
        "The files of relay/nothing hold it.",
    ],
)
def test_a_citation_of_what_does_not_exist_is_found(text):
    assert faults(text)


def test_a_citation_of_what_exists_is_not_found():
    assert [] == faults("See docs/contract.md §6, RFC 5321 §4.1 and relay/web/app.py; relay/web holds more.")
