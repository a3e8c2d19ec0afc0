"""The program's face: its commands, and how an error ends it."""

import sys
from pathlib import Path

import click

from relay.cli import deliveries, directory, judging, mails, running
from relay.cli.program import Program
from relay.errors import Misconfigured, RelayError
from store.errors import StoreError

_MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: systemd shows it by name


class _Group(click.Group):
    """Ends with one clear line for every error of ours."""

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


for command in (
    running.serve,
    running.demo,
    running.init,
    running.migrate,
    directory.user,
    directory.key,
    directory.domain,
    directory.agent,
    mails.message,
    mails.inject,
    deliveries.delivery,
    judging.check,
    judging.verify_seal,
):
    main.add_command(command)
