"""Commands ``suppression``: list and remove addresses that a user's agents do not mail any more."""

import click

from relay.cli.arguments import user_option
from relay.cli.output import harmless, json_option, show_all
from relay.cli.program import Program, pass_program


@click.group()
def suppression() -> None:
    """Addresses that bounced permanently or complained."""


@suppression.command("list")
@user_option
@json_option
@pass_program
def list_all(program: Program, email: str, *, as_json: bool) -> None:
    """List the addresses that a user's agents do not mail any more."""
    from store.outbound.suppression import MAX_PAGE, list_suppressions

    owner = program.user(email)
    rows = program.all_pages(lambda cursor, tx: list_suppressions(tx, owner.id, limit=MAX_PAGE, cursor=cursor))
    show_all(list(rows), ("address", "reason", "detail", "message_id", "created_at"), as_json=as_json)


@suppression.command("remove")
@click.argument("address")
@user_option
@pass_program
def remove(program: Program, address: str, email: str) -> None:
    """Let a user's agents mail ADDRESS again."""
    from store.outbound.suppression import lift_suppression

    owner = program.user(email)
    program.store.run(lambda tx: lift_suppression(tx, owner.id, address))
    click.echo(f"mail to {harmless(address)} is sent again")
