"""The program's face: its commands, and how an error ends it."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from relay.cli.program import Program
from relay.errors import Misconfigured, RelayError
from store.errors import StoreError

_MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: systemd shows it by name


# Where each command is. Only the one that is asked for is loaded: the daemon's libraries are half of
# a second, which a script that makes ten agents would wait for ten times.
_COMMANDS: Final = {
    "serve": "running:serve",
    "demo": "running:demo",
    "init": "running:init",
    "migrate": "running:migrate",
    "doctor": "checkup:doctor",
    "user": "directory:user",
    "key": "directory:key",
    "domain": "domains:domain",
    "agent": "agents:agent",
    "message": "mails:message",
    "inject": "mails:inject",
    "review": "reviews:review",
    "pause": "switching:pause",
    "resume": "switching:resume",
    "login-link": "signing_in:login_link",
    "delivery": "deliveries:delivery",
    "suppression": "suppressions:suppression",
    "listen": "listening:listen",
    "check": "judging:check",
    "verify-seal": "judging:verify_seal",
    "backup": "moving:backup",
    "restore": "moving:restore",
    "migrate-to": "moving:migrate_to",
}


class _Group(click.Group):
    """Loads its commands when they are asked for, and ends with one clear line for every error of ours."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every command, in the order of a first day."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"relay.cli.{module}"), name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what it raises of ours becomes a line and an exit status."""
        try:
            return super().invoke(ctx)
        except Misconfigured as error:
            click.echo(f"mailseal: {error}", err=True)
            sys.exit(_MISCONFIGURED)
        except (RelayError, StoreError) as error:
            click.echo(f"mailseal: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), help="TOML file; MAILSEAL_… variables win over it.")
@click.version_option(package_name="mailseal")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """The mail exchanger for AI agents."""
    ctx.obj = Program(config)
