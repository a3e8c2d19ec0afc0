import re
from pathlib import Path

import click
from click.testing import CliRunner

from relay.backoff import RETRY_SECONDS
from relay.cli.main import main
from relay.settings import PREFIX, Settings
from relay.smtp import replies

NO_CONTEXT = click.Context(main)
ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_lists_every_setting_and_no_other():
    told = set(re.findall(rf"`{PREFIX}([A-Z_]+)`", README.partition("## Settings")[2].partition("## Running")[0]))

    assert {name.upper() for name in Settings.model_fields} == told


def test_the_readme_shows_the_defaults_that_hold():
    table = README.partition("## Settings")[2].partition("## Running")[0]
    rows = dict(re.findall(rf"\| `{PREFIX}([A-Z_]+)` \| (?:`([^`]+)`|[^|]*) \|", table))

    settings = Settings(hostname="mx.example")
    for name in (
        "max_message_bytes",
        "max_recipients",
        "max_connections",
        "webhook_max_in_flight",
        "api_rate_per_key",
        "api_rate_per_user",
        "api_failed_keys_per_peer",
        "api_max_body_bytes",
        "api_request_seconds",
        "api_max_connections",
        "smtp_idle_seconds",
    ):
        row = re.search(rf"\| `{PREFIX}{name.upper()}` \| ([0-9]+) \|", table)
        assert row is not None, name
        assert int(getattr(settings, name)) == int(row[1])
    assert rows["SMTP_LISTEN"] == "127.0.0.1:2525"


def test_every_reply_code_of_the_readme_exists():
    known = {(str(reply.code), reply.enhanced) for reply in vars(replies).values() if isinstance(reply, replies.Reply)}
    table = README.partition("## What each SMTP reply means")[2].partition("No reply ever")[0]
    told = set(re.findall(r"`([245]\d\d) ([245]\.\d+\.\d+)", table)) - {("250", "2.0.0")}

    assert told <= known
    assert len(told) > 10


def test_the_readme_shows_the_retry_table():
    assert "5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h, 12 h, 24 h, 24 h" in README
    assert (5, 30, 120, 600, 1800, 7200, 21600, 43200, 86400, 86400) == tuple(RETRY_SECONDS)


def test_every_command_of_the_readme_exists():
    told = set(re.findall(r"^mailseal ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", README, re.MULTILINE))
    assert len(told) > 8

    for line in told:
        words = [word for word in line.split() if "." not in word]
        group = main.get_command(NO_CONTEXT, words[0])
        assert group is not None, line
        nested = getattr(group, "commands", None)
        assert nested is None or words[1] in nested, line


def test_every_file_the_readme_names_exists():
    named = set(re.findall(r"`((?:relay|store|systemd|tests)/[\w/.-]+\.\w+)`", README))

    assert named
    assert [] == [name for name in named if not (ROOT / name).exists()]


def test_help_is_there_for_every_command():
    runner = CliRunner()
    for name in main.list_commands(NO_CONTEXT):
        command = main.get_command(NO_CONTEXT, name)
        for nested in [[], *[[sub] for sub in getattr(command, "commands", {})]]:
            result = runner.invoke(main, [name, *nested, "--help"])
            assert result.exit_code == 0, (name, nested)
