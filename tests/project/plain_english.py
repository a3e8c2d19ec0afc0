"""Count indefinite pronouns and images in docstrings, comments, documents and templates.

``python -m tests.project.plain_english`` prints the rate of each group in words per 1000 and the
places of every hit of a group that is over the limit; it exits 1 then. ``--all`` prints every place.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT: Final = 1.0  # hits per 1000 words
PLAIN: Final = re.compile(
    r"\b(?:"
    r"who(?:m)?ever|whosoever|whatever|whichever|whom|nobody|somebody|anybody|everybody"
    r"|some ?one|any ?one|every ?one|no one|anew|stands?|stood|"
    r"(?:the|a|of|this|one|each|our|its|every) (?:house|door|roof|room|floor|gate|turnstile|bell|letterbox|desk)s?|doors"
    r")\b",
    re.IGNORECASE,
)
ALLOWED: Final = re.compile(r"any ?one of|every ?one of|some ?one of|no one of|stands? for", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'-]*")
_CODE: Final = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_MARKUP: Final = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>|\{[{%#].*?[}%#]\}", re.DOTALL)

Text = tuple[Path, int, str]
"""A file, the line on which a text begins, and the text."""


def docstrings(path: Path) -> Iterator[Text]:
    """The docstrings of a module, its classes and functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield path, node.body[0].lineno, text


def comments(path: Path) -> Iterator[Text]:
    """The comments of a module, without pragmas for tools."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:", "#!")):
            yield path, token.start[0], token.string


def document(path: Path) -> Iterator[Text]:
    """A Markdown document without its code."""
    yield path, 1, _CODE.sub(lambda found: "\n" * found[0].count("\n"), path.read_text())


def template(path: Path) -> Iterator[Text]:
    """The words of a page without its markup."""
    yield path, 1, _MARKUP.sub(lambda found: "\n" * found[0].count("\n"), path.read_text())


def groups() -> dict[str, list[Text]]:
    """All texts that a stranger reads, by kind."""
    code = sorted([*(ROOT / "relay").rglob("*.py"), *(ROOT / "store").rglob("*.py"), *(ROOT / "alembic").rglob("*.py")])
    papers = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "store" / "README.md"])
    papers += sorted((ROOT / "tests").rglob("README.md"))
    pages = sorted((ROOT / "relay").rglob("*.html"))
    return {
        "docstrings": [text for path in code for text in docstrings(path)],
        "comments": [text for path in code for text in comments(path)],
        "documents": [text for path in papers for text in document(path)],
        "templates": [text for path in pages for text in template(path)],
    }


def hits(text: Text) -> Iterator[tuple[Path, int, str]]:
    """Each word that is not plain, with its file and line."""
    path, first, words = text
    allowed = [found.span() for found in ALLOWED.finditer(words)]
    for found in PLAIN.finditer(words):
        if not any(start <= found.start() < end for start, end in allowed):
            yield path, first + words.count("\n", 0, found.start()), found[0]


def rate(texts: list[Text]) -> float:
    """Hits per 1000 words."""
    words = sum(len(_WORD.findall(text[2])) for text in texts)
    return 1000 * sum(1 for text in texts for _ in hits(text)) / max(words, 1)


def main() -> int:
    """Print the rates, and the hits of what is over the limit; 1 when a group is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print every place")
    parser.add_argument("path", nargs="*", help="only files whose path begins with one of these")
    options = parser.parse_args()
    over = False
    for name, texts in groups().items():
        chosen = [t for t in texts if not options.path or str(t[0].relative_to(ROOT)).startswith(tuple(options.path))]
        measured = rate(chosen)
        over = over or measured > LIMIT
        print(f"{name}: {measured:.2f} per 1000 words")
        if measured > LIMIT or options.all:
            for text in chosen:
                for path, line, word in hits(text):
                    print(f"  {path.relative_to(ROOT)}:{line}: {word}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
