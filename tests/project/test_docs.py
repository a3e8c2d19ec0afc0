"""What the documents say is so: links, settings, commands, replies, events, statuses, codes, metrics, code."""

import ast
import json
import re
import tomllib
from contextlib import suppress
from importlib.util import find_spec
from textwrap import dedent
from typing import Any, get_args

import click
import pytest
import yaml
from click.testing import CliRunner

from relay.backoff import RETRY_SECONDS
from relay.cli.main import main
from relay.events.types import EVENT_NAMES
from relay.metrics import Metrics
from relay.settings import PREFIX, Settings
from relay.smtp import replies
from relay.web.answers.problems import CODES, catalogue
from relay.web.help.contents import CONTENTS
from relay.web.help.render import headings, parse
from store.records.outbound import HoldReason, OutboundStatus
from tests.project.documents import (
    CONTEXT,
    DOCS,
    PAGES,
    PAPERS,
    ROOT,
    anchors,
    blocks,
    commands,
    faults_of_command,
    hrefs,
    name_of,
    section,
    snippets,
    text_of,
)
from tests.web.schemas.described import DOCUMENT

EXTERNAL = re.compile(r"https?://|mailto:")
PLACES = re.compile(r"(?:relay|store|alembic|systemd|tests|docs|packaging|clients)/[\w/.-]+\.\w+")
OTHERS = {"API_KEY", "KEY", "TEST_DATABASE_URL"}  # of a client, of examples and of the suite
# Defaults that depend on the machine or on other settings, in the words of the page.
IN_WORDS = {
    "database_url": "SQLite in the data directory",
    "secret_key": "generated once in the data directory",
    "public_url": "the first address of `MAILSEAL_HTTP_LISTEN`",
    "hostname": "the host name of the machine",
    "dns_nameservers": "the nameservers of the system",
    "log_format": "`console` on a terminal, else `json`",
    "ses_region": "where boto3 finds one",
    "ses_events_secret": "derived from the master key",
}
SETTINGS = dict(re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (.*?) \|", text_of(DOCS / "settings.md"), re.MULTILINE))
KNOWN_REPLIES = {
    f"{each.code} {each.enhanced}" for each in vars(replies).values() if isinstance(each, replies.Reply)
} | {"250 2.0.0"}
# CONTRIBUTING.md shows what does not exist yet: a command, a route and an event type to add.
DESCRIBING = tuple(file for file in PAPERS if file.name != "CONTRIBUTING.md")
every_describing_paper = pytest.mark.parametrize("file", DESCRIBING, ids=name_of)
every_paper = pytest.mark.parametrize("file", PAPERS, ids=name_of)
every_page = pytest.mark.parametrize("file", PAGES, ids=name_of)


def default_of(name: str) -> str:
    """The default of a setting as the page shows it."""
    value: Any = Settings.model_fields[name].get_default()
    if name in IN_WORDS:
        return IN_WORDS[name]
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        parts = [f"{each[0]}:{each[1]}" if isinstance(each, tuple) else f"{each:g}" for each in value]
        return f"`{','.join(parts)}`"
    return f"`{int(value) if isinstance(value, float) else value}`"


def is_python(text: str) -> bool:
    """Whether *text* is Python: statements, or lines out of a call or a dict."""
    text = dedent(text)
    for form in (text, f"(\n{text}\n)", f"{{\n{text}\n}}"):
        with suppress(SyntaxError):
            return bool(ast.parse(form).body)
    return False


@every_paper
def test_every_link_leads_to_a_file_and_a_heading_that_exist(file):
    for href in hrefs(file):
        if EXTERNAL.match(href):
            continue
        place, _, anchor = href.partition("#")
        found = (file.parent / place).resolve() if place else file
        assert found.exists(), href
        assert not anchor or anchor in anchors(found), href


@every_page
def test_a_page_links_to_pages_only_so_that_the_site_and_help_have_them(file):
    for href in hrefs(file):
        if not EXTERNAL.match(href) and not href.startswith("#"):
            assert (file.parent / href.partition("#")[0]).resolve().is_relative_to(DOCS), href


@every_page
def test_a_page_has_one_title_at_its_top(file):
    levels = [heading.level for heading in headings(parse(text_of(file)))]

    assert (1, 1) == (levels[0], levels.count(1))


@every_page
def test_a_list_or_table_has_a_blank_line_before_it_as_mkdocs_needs(file):
    prose = re.sub(r"^```.*?^```", "", text_of(file), flags=re.DOTALL | re.MULTILINE)
    item = re.compile(r"(?:[*+-]|\d+\.) ")

    glued = [
        line for before, line in zip(prose.splitlines(), prose.splitlines()[1:], strict=False)
        if item.match(line) and before.strip() and not item.match(before) and not before.startswith(" ")
    ]  # fmt: skip
    assert [] == glued


def test_the_site_and_the_help_pages_have_every_document_in_the_same_groups():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    groups = tuple(
        (title, tuple(page.removesuffix(".md") for page in pages)) for each in nav for title, pages in each.items()
    )

    assert CONTENTS == groups
    assert sorted(page for _, pages in CONTENTS for page in pages) == sorted(
        file.relative_to(DOCS).with_suffix("").as_posix() for file in PAGES
    )


@every_paper
def test_code_in_the_documents_can_be_read(file):
    for block in blocks(file):
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "python":
            assert is_python(block.text), block.where
        elif block.language == "toml":
            assert set() == tomllib.loads(block.text).keys() - Settings.model_fields.keys(), block.where
        else:
            assert block.language in {"", "sh", "http", "ini", "yaml"}, block.where


@every_describing_paper
def test_every_command_line_is_one_that_mailseal_accepts(file):
    assert [] == [fault for line in commands(file) for fault in faults_of_command(line)]


def test_the_documents_show_many_commands():
    assert len({line for file in PAPERS for line in commands(file)}) > 30


@pytest.mark.parametrize(
    "line", ["mailseal nonsense", "mailseal message nonsense msg_1", "mailseal pause --loud", "mailseal init now"]
)
def test_a_command_line_that_mailseal_would_not_accept_is_found(line):
    assert len(faults_of_command(line)) == 1


@every_paper
def test_every_setting_named_exists(file):
    named = set(re.findall(rf"\b{PREFIX}([A-Z][A-Z_]*[A-Z])\b", text_of(file)))

    assert set() == {name.lower() for name in named - OTHERS} - Settings.model_fields.keys()


def test_the_settings_page_lists_every_setting_and_no_other():
    assert {name.upper() for name in Settings.model_fields} == SETTINGS.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_settings_page_shows_the_default_that_holds(name):
    assert default_of(name) == SETTINGS[name.upper()]


@every_paper
def test_every_smtp_reply_named_exists(file):
    assert set() == set(re.findall(r"\b([245]\d\d [245]\.\d+\.\d+)", text_of(file))) - KNOWN_REPLIES


def test_the_operations_page_lists_every_smtp_reply_that_refuses_or_defers():
    table = section(DOCS / "operations.md", "SMTP replies")

    assert {each for each in KNOWN_REPLIES if each[0] in "45"} == set(re.findall(r"([45]\d\d [45]\.\d+\.\d+)", table))


@every_describing_paper
def test_every_event_type_named_exists(file):
    assert set() == set(re.findall(r"`(email\.[a-z_]+)`", text_of(file))) - set(EVENT_NAMES)


def test_the_events_page_has_every_type():
    named = re.findall(r"^### `([a-z_.]+)`", text_of(DOCS / "events.md"), re.MULTILINE)

    assert list(EVENT_NAMES) == named


def test_the_sending_page_explains_every_status_and_every_reason_for_a_hold():
    table = section(DOCS / "sending.md", "Statuses")
    first = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("|"))

    assert set(get_args(OutboundStatus)) == set(re.findall(r"`([a-z_]+)`", first))
    assert [] == [reason for reason in get_args(HoldReason) if reason not in table]


def test_the_errors_page_has_one_entry_per_code_with_its_status():
    page = text_of(DOCS / "errors.md")
    entries = re.findall(r"^### `([a-z_]+)`\n\n(Status (\d+)|Any status)\. ", page, re.MULTILINE)

    assert sorted(CODES) == sorted(re.findall(r"^### `?([^`\n]+)`?$", page, re.MULTILINE))
    assert {code: kind.status for code, kind in catalogue().items()} == {
        code: int(status) for code, _, status in entries if status
    }


def test_the_receiving_page_shows_the_retry_table():
    assert "5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h, 12 h, 24 h, 24 h" in text_of(DOCS / "receiving.md")
    assert (5, 30, 120, 600, 1800, 7200, 21600, 43200, 86400, 86400) == tuple(RETRY_SECONDS)


def test_the_operations_page_lists_every_metric_with_its_labels_and_values():
    rows = [row for row in section(DOCS / "operations.md", "Metrics").splitlines() if row.startswith("| `mailseal_")]
    shown = {re.findall(r"`([a-z_]+)`", row)[0]: row for row in rows}
    text = Metrics().render().decode()
    found = re.findall(r"^(mailseal_\w+_total)\{(\w+)=\"(\w+)\"\}", text, re.MULTILINE)

    assert set(re.findall(r"^# TYPE (mailseal_\w+) ", text, re.MULTILINE)) == shown.keys()
    outcomes = [(name, value) for name, label, value in found if label == "outcome"]
    assert [] == [(name, value) for name, value in outcomes if f"`{value}`" not in shown[name]]


@every_paper
def test_every_metric_named_exists(file):
    known = set(re.findall(r"^# TYPE (mailseal_\w+) ", Metrics().render().decode(), re.MULTILINE))
    named = set(re.findall(r"\b(mailseal_[a-z_]+_(?:total|seconds|bytes))\b", text_of(file)))

    assert set() == named - known


@every_describing_paper
def test_every_path_of_the_api_named_exists_with_its_method(file):
    known = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }
    named = {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for each in snippets(file)
        for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/v1/[\w/{}-]*)(?=\s|\?|$)", each)
    }

    assert set() == named - known


@every_paper
def test_every_file_named_exists(file):
    text = text_of(file).partition("\n## Old path, new path")[0]
    named = {place for each in re.findall(r"`([^`\n]+)`(?! \(new\))", text) for place in PLACES.findall(each)}

    assert [] == [place for place in named if not (ROOT / place).exists()]


@every_paper
def test_every_make_target_and_every_module_that_is_run_exists(file):
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    lines = [line for block in blocks(file) if block.language in {"", "sh"} for line in block.text.splitlines()]
    calls = [*lines, *snippets(file)]

    assert set() == {found[1] for each in calls if (found := re.match(r"make ([a-z-]+)", each))} - targets
    for module in {found[1] for each in calls if (found := re.search(r"python -m (tests[\w.]*)", each))}:
        assert find_spec(module), module


def test_help_is_there_for_every_command():
    runner = CliRunner()
    for name in main.list_commands(CONTEXT):
        command = main.get_command(CONTEXT, name)
        assert isinstance(command, click.Command)
        for nested in [[], *[[sub] for sub in getattr(command, "commands", {})]]:
            result = runner.invoke(main, [name, *nested, "--help"])
            assert result.exit_code == 0, (name, nested)
