"""Commands that destroy ask first, with counts, and do nothing where there is no terminal to ask on."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.conftest import BOT, DOMAIN, OWNER


@pytest.fixture
def key_id(cli):
    return cli.json("key", "create", "--user", OWNER)["key_id"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["agent", "delete", BOT], f"Delete the agent {BOT}: this removes 1 messages, "),
        (["domain", "remove", DOMAIN, "--user", OWNER], f"Remove the domain {DOMAIN} of {OWNER}"),
        (["user", "delete", OWNER], f"Delete the user {OWNER}: this removes 1 domains, 1 keys, 3 agents, 1 messages, "),
        (["rotate-master-key"], "Replace the master key"),
    ],
)
def test_without_a_terminal_nothing_is_destroyed_unless_it_is_said(cli, mail, command, told):
    cli.inject(mail, "--to", BOT)

    result = cli.run(*command)

    assert (2, True) == (result.exit_code, told in result.stderr)
    assert "pass --yes" in result.stderr
    assert BOT == cli.json("agent", "show", BOT)["address"]


def test_a_key_is_not_revoked_unless_it_is_said(cli, key_id):
    assert 2 == cli.run("key", "revoke", key_id, "--user", OWNER).exit_code
    assert key_id in cli.ok("key", "list", "--user", OWNER)


@pytest.mark.parametrize(("answer", "status"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_it_asks(cli, answer, status):
    controller, terminal = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in cli.env} | cli.settings
    command = [sys.executable, "-m", "relay.cli", "agent", "delete", BOT]
    os.write(controller, answer)

    done = subprocess.run(command, env=env, stdin=terminal, capture_output=True, timeout=100, check=False)

    os.close(controller)
    os.close(terminal)
    assert (status, True) == (done.returncode, b"Go on? [y/N]" in done.stderr)


def test_an_export_is_a_new_file_for_its_owner_alone(cli, tmp_path):
    file = tmp_path / "ana.zip"

    cli.ok("user", "export", OWNER, "--output", str(file))

    assert 0o600 == file.stat().st_mode & 0o777
    again = cli.run("user", "export", OWNER, "--output", str(file))
    assert (1, True) == (again.exit_code, "exists already" in again.stderr)
