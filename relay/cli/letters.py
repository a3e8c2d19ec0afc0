"""Command ``letters``: letters of the relay to people that came back by mail."""

from typing import Final

import click

from relay.cli.output import json_option, renamed, show_all
from relay.cli.program import Program, pass_program

_COLUMNS: Final = ("letter_id", "bounced_at", "kind", "email", "message_id", "bounce")


@click.command()
@click.option("--days", default=30, type=click.IntRange(1, 400), help="How far back; default: 30.")
@json_option
@pass_program
def letters(program: Program, days: int, *, as_json: bool) -> None:
    """List review and sign-in letters that bounced, newest first."""
    from datetime import timedelta

    from store.outbound.returned_letters import list_bounced_letters

    since = program.now() - timedelta(days=days)
    found = program.store.run(lambda tx: list_bounced_letters(tx, since=since))
    show_all([renamed(each, id="letter_id") for each in found], _COLUMNS, as_json=as_json)
