"""Each question of docs/architecture.md is answered by one module, which a search by the question's words finds."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = {name: (ROOT / name).read_text() for name in ("docs/architecture.md", "CONTRIBUTING.md")}
NAMED = re.compile(r"`((?:relay|store|tests|alembic|systemd|docs)(?:/[\w.-]+)+)/?`(?! \(new\))")
MOVED = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]+\?) \| `((?:relay|store)/[\w/]+\.py)` \|$", re.MULTILINE)
QUESTIONS = ROW.findall(PAPERS["docs/architecture.md"].partition("## Where is it?")[2])
MODULES = sorted(path for folder in ("relay", "store") for path in (ROOT / folder).rglob("*.py"))
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "an and are as be before between by do does for from has have how in into is it its may no not of on or "
        "the there to what when where which who why with",
    )
)
HITS = 3  # a reader opens no more modules than that


def stem(word: str) -> str:
    """*word* without the endings of plural, tense and person: expands, expanded and expanding are one word."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "e"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending)
    return word.removesuffix("s") if not word.endswith(("ss", "us")) and len(word) > 3 else word


def stems(text: str) -> set[str]:
    """The stems of the words of *text* that are no stop words."""
    return {stem(word) for word in re.findall(r"[a-z0-9]{2,}", text.lower()) if word not in STOP_WORDS}


def searched(path: Path) -> set[str]:
    """What a search looks through: the path of a module and the first line of its docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return stems(f"{path.relative_to(ROOT).with_suffix('')} {docstring.partition(chr(10))[0]}".replace("_", " "))


INDEX = {str(path.relative_to(ROOT)): searched(path) for path in MODULES}


def test_there_are_thirty_questions_with_an_answer_each():
    assert 30 <= len(QUESTIONS)
    assert len({question for question, _ in QUESTIONS}) == len({module for _, module in QUESTIONS}) == len(QUESTIONS)


@pytest.mark.parametrize(("question", "module"), QUESTIONS)
def test_the_module_that_answers_has_the_words_of_the_question(question, module):
    assert module in INDEX
    assert set() == stems(question) - INDEX[module]


@pytest.mark.parametrize(("question", "module"), QUESTIONS)
def test_a_search_by_the_words_of_the_question_finds_few_modules_whose_name_fits_as_well(question, module):
    words = stems(question)
    found = [path for path, has in INDEX.items() if words <= has]
    in_name = {path: len(words & stems(Path(path).stem.replace("_", " "))) for path in found}

    assert len([path for path in found if in_name[path] >= in_name.get(module, 0)]) <= HITS, found


@pytest.mark.parametrize("paper", PAPERS)
def test_every_file_that_is_named_exists(paper):
    named = set(NAMED.findall(PAPERS[paper].partition("## Old path")[0]))

    assert len(named) > 20
    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def test_every_moved_module_is_at_its_new_path_and_not_at_the_old_one():
    moved = MOVED.findall(PAPERS["docs/architecture.md"].partition("## Old path")[2])

    assert len(moved) > 100
    assert [] == [(old, new) for old, new in moved if (ROOT / old).exists() or not (ROOT / new).exists()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("expands expanded expanding expand", {"expand"}),
        ("leases leased lease leasing", {"leas"}),
        ("deliveries delivery", {"delivery"}),
        ("status statuses", {"status"}),
        ("addresses address", {"address"}),
        ("replies 451", {"reply", "451"}),
        ("which is the", set()),
    ],
)
def test_forms_of_a_word_are_one_word_and_stop_words_are_none(words, expected):
    assert expected == stems(words)
