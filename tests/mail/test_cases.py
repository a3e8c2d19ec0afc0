"""Small mails out of public reports, each with what its event must hold: tests/mail/cases.

Each case is a mail as it comes over SMTP and a JSON document beside it: `kind`, `source`, `why`, and `expect`.
`expect.F` is the value of the member F of `data`, `F_has` and `F_lacks` what it contains and does not contain.
A dict names only the members that matter; `text`, `reply_text` and `html` compare without outer blanks, with
runs of blank lines as one. `attachments` has one entry for each attachment, in order.
"""

import json
import re
from pathlib import Path

import pytest

from relay.events.inbound import message_data
from relay.mail.headers import split_headers
from relay.mail.summary import summarise
from tests.test_events import kept

CASES = Path(__file__).with_name("cases")
# Cases that are not read as expected, by kind, one a line: `python -m tests.mail.test_cases` writes the file anew.
OPEN = Path(__file__).with_name("open_cases.txt")


def event_data(raw: bytes) -> dict:
    """The document of *raw* received from an ordinary envelope."""
    automated = summarise(split_headers(raw)).automated
    return message_data(kept(raw, automated=automated), raw, base_url="https://mx.example")


def even(value):
    """*value* without outer blanks, and with runs of blank lines as one."""
    return re.sub(r"\n\s*\n", "\n\n", value.strip()) if isinstance(value, str) else value


def holds(found, expected) -> bool:
    """Whether *found* is *expected*; of a dict only the members named there."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(_member(found, name, value) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(holds, found, expected))
    return even(found) == even(expected)


def _member(found: dict, name: str, value) -> bool:
    if name.endswith("_end"):
        return (found.get(name.removesuffix("_end")) or "").endswith(value)
    return holds(found.get(name), value)


def wrong(data: dict, expect: dict) -> list[str]:
    """The names in *expect* that *data* does not fulfil."""
    return [name for name, value in expect.items() if not _fulfils(data, name, value)]


def _fulfils(data: dict, name: str, value) -> bool:
    files = data["attachments"]
    if name == "attachments_has":
        return all(any(holds(each, wanted) for each in files) for wanted in value)
    if name == "attachments_max":
        return len(files) <= value
    if name == "subject_ws":
        return " ".join(data["subject"].split()) == value
    if name.endswith("_has"):
        return all(each in (data[name.removesuffix("_has")] or "") for each in value)
    if name.endswith("_lacks"):
        return not any(each in (data[name.removesuffix("_lacks")] or "") for each in value)
    return holds(data[name], value)


def failing(folder: Path) -> dict[str, list[str]]:
    """The cases of *folder* that are not read as expected, and the names that differ."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        data = event_data(path.with_suffix(".eml").read_bytes())
        if names := wrong(data, json.loads(path.read_text("utf-8"))["expect"]):
            found[path.stem] = names
    return found


def listed(found) -> list[str]:
    """The lines of OPEN: a heading for each kind, and its cases."""
    lines: dict[str, list[str]] = {}
    for case in CASES.glob("*.json"):
        lines.setdefault(json.loads(case.read_text("utf-8"))["kind"], []).append(case.stem)
    return [line for kind in sorted(lines) for line in (f"# {kind}", *sorted(found.keys() & lines[kind]))]


def test_the_cases_are_read_as_expected():
    found = failing(CASES)

    assert OPEN.read_text("utf-8").splitlines() == listed(found), found


@pytest.mark.parametrize(
    ("expect", "fulfilled"),
    [
        ({"text": "a\n\nb"}, True),
        ({"text": "a"}, False),
        ({"text_has": ["b"], "text_lacks": ["c"]}, True),
        ({"text_has": ["c"]}, False),
        ({"text_lacks": ["b"]}, False),
        ({"from": {"address": "a@b"}}, True),
        ({"from": {"address": "a@c"}}, False),
        ({"attachments": [{"filename": "f"}]}, True),
        ({"attachments": []}, False),
        ({"attachments": [{"filename_end": ".pdf"}]}, False),
        ({"attachments_has": [{"size": 2}]}, False),
        ({"attachments_max": 0}, False),
        ({"subject_ws": "a b"}, True),
    ],
)
def test_an_expectation_can_fail(expect, fulfilled):
    files = [{"filename": "f", "size": 1}]
    data = {
        "text": "\na\n\n\nb ",
        "from": {"name": "A", "address": "a@b"},
        "subject": "a  b",
        "html": None,
        "attachments": files,
    }

    assert fulfilled == (not wrong(data, expect))


if __name__ == "__main__":
    OPEN.write_text("\n".join(listed(failing(CASES))) + "\n", "utf-8")
