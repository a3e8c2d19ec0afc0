"""The list of commands: true to the commands themselves, and printed without importing what they need."""

import json
import os
import subprocess
import sys

import click
import pytest

from relay.cli.main import COMMANDS, main
from tests.cli.conftest import OWNER

HEAVY = {
    "aiohttp",
    "aiosmtpd",
    "alembic",
    "asyncio",
    "boto3",
    "cryptography",
    "dns",
    "fastapi",
    "jinja2",
    "orjson",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
}
# What reads and prints the rows of a store; structlog imports rich.
OF_A_LIST = {"asyncio", "cryptography", "orjson", "pydantic", "rich", "sqlalchemy", "structlog"}
LOADED = "import atexit, json, sys\natexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
LISTS = [
    ["agent", "list", "--user", OWNER],
    ["delivery", "list"],
    ["domain", "list", "--user", OWNER],
    ["key", "list", "--user", OWNER],
    ["message", "list"],
    ["message", "list", "--written"],
    ["review", "list"],
    ["suppression", "list", "--user", OWNER],
    ["user", "list"],
]


def loaded(*arguments, env=None):
    """The heavy libraries that a call of the program has imported, and what it printed."""
    program = f"{LOADED}from relay.cli.main import main\nmain(prog_name='mailseal')"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=os.environ | (env or {}), capture_output=True, timeout=60, check=False)
    return HEAVY & set(json.loads(done.stderr.splitlines()[-1])), done.stdout.decode()


def walk(command, *path):
    """Each command with the words that call it."""
    yield list(path)
    if isinstance(command, click.Group):
        context = click.Context(command, **main.context_settings)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), *path, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_in_the_list_is_its_own(name):
    command = main.get_command(click.Context(main, **main.context_settings), name)

    assert (name, COMMANDS[name].help) == (command.name, command.help.partition("\n")[0])


def test_the_list_shows_each_command_in_order():
    shown = main.get_help(click.Context(main, info_name="mailseal", **main.context_settings)).partition("Commands:\n")[
        2
    ]

    assert list(COMMANDS) == [line.split()[0] for line in shown.splitlines() if line[2:3] != " "]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["nothing"]], ids="".join)
def test_the_version_and_the_list_of_commands_import_no_library(arguments):
    found, printed = loaded(*arguments)

    assert set() == found
    assert bool(printed) == arguments[0].startswith("--")


def test_the_help_of_each_command_imports_no_library():
    calls = [call for call in walk(main) if call]
    program = (
        f"{LOADED}import sys\nfrom click.testing import CliRunner\nfrom relay.cli.main import main\n"
        f"for call in {calls!r}:\n"
        "    assert CliRunner().invoke(main, [*call, '--help']).exit_code == 0, call\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)

    assert len(calls) > 50
    assert (0, set()) == (done.returncode, HEAVY & set(json.loads(done.stderr.splitlines()[-1])))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("mailseal mig", ["migrate", "migrate-to"]),
        ("mailseal user ex", ["export"]),
        ("mailseal key revoke --u", ["--user"]),
    ],
)
def test_completion_imports_no_library(words, found):
    env = {"_MAILSEAL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}

    libraries, printed = loaded(env=env)

    assert (set(), found) == (libraries, [line.partition(",")[2] for line in printed.splitlines()])


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_a_list_imports_only_what_reads_and_prints_rows(cli, arguments):
    found, printed = loaded(*arguments, env=cli.settings)

    assert found <= OF_A_LIST
    assert printed
