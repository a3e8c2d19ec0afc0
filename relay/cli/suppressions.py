"""Addresses that a user's agents do not write to any more: looked at, and given another chance."""

import click

from relay.cli.arguments import whose
from relay.cli.output import harmless, json_option, show_all
from relay.cli.program import Program, pass_program
from store.outbound.suppression import MAX_PAGE, lift_suppression, list_suppressions


@click.group()
def suppression() -> None:
    """Addresses that bounced for good or complained."""


@suppression.command("list")
@whose
@json_option
@pass_program
def list_all(program: Program, email: str, *, as_json: bool) -> None:
    """List the addresses that a user's agents do not write to any more."""
    owner = program.user(email)
    rows = program.whole(lambda cursor, tx: list_suppressions(tx, owner.id, limit=MAX_PAGE, cursor=cursor))
    show_all(list(rows), ("address", "reason", "detail", "message_id", "created_at"), as_json=as_json)


@suppression.command("remove")
@click.argument("address")
@whose
@pass_program
def remove(program: Program, address: str, email: str) -> None:
    """Let a user's agents write to ADDRESS again."""
    owner = program.user(email)
    program.store.run(lambda tx: lift_suppression(tx, owner.id, address))
    click.echo(f"mail to {harmless(address)} is sent again")
