"""The Markdown documents of the repository, and what is in them: links, headings, code blocks, commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import click

from relay.cli.main import main
from relay.web.help.render import headings, links, parse

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = tuple(sorted(DOCS.rglob("*.md")))
PAPERS: Final = (
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "store/README.md")),
    *sorted((ROOT / "tests").rglob("README.md")),
)
CONTEXT: Final = click.Context(main, **main.context_settings)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block of a document."""

    file: Path
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        """The document and the line of the block's fence."""
        return f"{name_of(self.file)}:{self.line}"


def name_of(file: Path) -> str:
    """The path of a document inside the repository."""
    return file.relative_to(ROOT).as_posix()


@cache
def text_of(file: Path) -> str:
    """A document's text; empty where the file does not exist."""
    return file.read_text("utf-8") if file.is_file() else ""


def section(file: Path, heading: str) -> str:
    """The text under the heading of the second level with this text."""
    return text_of(file).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@cache
def blocks(file: Path) -> tuple[Block, ...]:
    """The code blocks of a document."""
    return tuple(
        Block(file, token.map[0] + 1 if token.map else 0, token.info.strip(), token.content)
        for token in parse(text_of(file))
        if token.type == "fence"
    )


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors of a document's headings."""
    return frozenset(heading.anchor for heading in headings(parse(text_of(file))))


def hrefs(file: Path) -> list[str]:
    """Where the links and pictures of a document lead."""
    return [str(token.attrs[attribute]) for token, attribute in links(parse(text_of(file)))]


def snippets(file: Path) -> Iterator[str]:
    """The texts between backquotes outside of code blocks."""
    prose = re.sub(r"^```.*?^```", "", text_of(file), flags=re.DOTALL | re.MULTILINE)
    yield from (" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose))


def commands(file: Path) -> Iterator[str]:
    """The calls of ``mailseal`` in a document: lines of code blocks, and texts between backquotes."""
    for block in blocks(file):
        if block.language in {"", "sh", "console"}:
            lines = block.text.replace("\\\n", " ").splitlines()
            yield from (line.strip() for line in lines if re.match(r"\s*(?:\S*/)?mailseal [a-z-]", line))
    yield from (each for each in snippets(file) if re.match(r"mailseal [a-z-]", each))


def faults_of_command(line: str) -> list[str]:
    """What the command line would not accept in *line*; words in capitals and after ``…`` count as values."""
    words = shlex.split(line.partition("  #")[0].partition(" > ")[0])[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(CONTEXT, words[0])
        if found is None:
            return [f"no command {words[0]!r} in {line!r}"]
        command, words = found, words[1:]
    if isinstance(command, click.Group):
        return []  # a group, named as such
    return _faults_of_words(command, words, line)


def _faults_of_words(command: click.Command, words: list[str], line: str) -> list[str]:
    parser = command.make_parser(click.Context(command, parent=CONTEXT))  # click keeps the help option it makes first
    try:
        _, left, _ = parser.parse_args(list(words))
    except click.UsageError as error:
        return [f"{error.format_message()} in {line!r}"]
    return [f"too many words {left} in {line!r}"] if left else []
