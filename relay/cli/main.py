"""The command line ``mailseal``: its commands, and how an error ends one of them.

A command's module is imported when the command runs, and a module imports libraries when it needs them:
``mailseal --help`` and shell completion import click alone.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from relay.cli.program import Program
from relay.errors import Deferred, Misconfigured, RelayError
from store.errors import StoreError, Unavailable, Unusable, words_of

_MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h: a person must change a setting, a file or a key
_TEMPORARY: Final = 75  # EX_TEMPFAIL: the same command may succeed later


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a command is defined, and its line in the list of commands."""

    place: str  # module of relay.cli and name in it
    help: str  # tests/cli/test_main.py compares it with the command's own


COMMANDS: Final[Mapping[str, _Entry]] = {
    "serve": _Entry("serve:serve", "Receive, authenticate, store and deliver mail until SIGTERM."),
    "demo": _Entry("serve:demo", "Send three messages through a relay on this machine, and show what arrives."),
    "init": _Entry("serve:init", "Create the data directory, the secret key and the database."),
    "migrate": _Entry("serve:migrate", "Bring the database to the newest revision."),
    "doctor": _Entry("doctor:doctor", "Check settings, DNS, listeners, database and webhooks; suggest repairs."),
    "user": _Entry("user:user", "Users: owners of domains, agents and keys."),
    "key": _Entry("key:key", "API keys of users."),
    "domain": _Entry("domain:domain", "Domains that receive mail here."),
    "agent": _Entry("agent:agent", "Agents: the addresses that receive and send."),
    "message": _Entry("message:message", "Messages that agents received or wrote."),
    "inject": _Entry("inject:inject", "Receive the message in FILE as if it came by SMTP."),
    "review": _Entry("review:review", "Messages that wait for a reviewer's approval."),
    "letters": _Entry("letters:letters", "List review and sign-in letters that bounced, newest first."),
    "pause": _Entry("pause:pause", "Stop all sending now; messages that agents write are kept."),
    "resume": _Entry("pause:resume", "Start sending again, the oldest messages first."),
    "login-link": _Entry("user:login_link", "Print a link that signs a user in, valid once for 15 minutes."),
    "delivery": _Entry("delivery:delivery", "Webhook deliveries of events."),
    "suppression": _Entry("suppression:suppression", "Addresses that bounced permanently or complained."),
    "listen": _Entry("listen:listen", "Forward an agent's events to a program on this machine."),
    "check": _Entry("check:check", "Authenticate the message in FILE by DNS as it is now; store nothing."),
    "verify-seal": _Entry("check:verify_seal", "Verify both signatures of a recorded webhook request."),
    "backup": _Entry("backup:backup", "Copy the whole store into FILE; the daemon may run."),
    "restore": _Entry("backup:restore", "Replace the store by the one in FILE; the old one is kept."),
    "reopen": _Entry("backup:reopen", "Use a store again that was moved to another database."),
    "rotate-master-key": _Entry("backup:rotate_master_key", "Encrypt all secrets under a new master key."),
    "migrate-to": _Entry("backup:migrate_to", "Copy the store to an empty database, and mark the old one as moved."),
}


def exit_status(error: Exception) -> int:
    """The exit status of a command that ended with *error*: 78 a person must act, 75 time may help, else 1."""
    if isinstance(error, Misconfigured | Unusable):
        return _MISCONFIGURED
    return _TEMPORARY if isinstance(error, Deferred | Unavailable) else 1


class _Group(click.Group):
    """Imports a command when it is run, and prints one line for each error of the relay or the store."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All commands, in the order in which a new operator needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(import_module(f"relay.cli.{module}"), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in ``--help``, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands and options that begin with *incomplete*, without importing any command."""
        found = [CompletionItem(name, help=at.help) for name, at in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an error of the relay or the store becomes a line and an exit status."""
        try:
            return super().invoke(ctx)
        except (RelayError, StoreError) as error:
            with suppress(OSError):  # standard error may be closed: the exit status tells all the same
                click.echo(f"mailseal: {error if isinstance(error, RelayError) else words_of(error)}", err=True)
            sys.exit(exit_status(error))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file; default: /etc/mailseal/mailseal.toml, if it is there. MAILSEAL_… variables override it.",
)
@click.version_option(package_name="mailseal")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """The mail exchanger for AI agents."""
    os.umask(0o077)  # mail and keys are for their owner alone
    ctx.obj = Program(config)
