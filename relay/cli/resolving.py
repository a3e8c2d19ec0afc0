"""Mail that did not go out, or may not have: its owner's word on what becomes of it."""

import click

from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program
from relay.outbound.unconfirmed import apply_resolution
from relay.wiring import make_send_context
from store.outbound.outbound import resolve_outbound_owner
from store.records.outbound import OutboundMessage
from store.transaction import Tx


@click.command("resolve")
@click.argument("message_id")
@click.option("--sent", "is_sent", is_flag=True, help="It went out: of one that is unconfirmed.")
@click.option("--send-again", is_flag=True, help="It did not: send it again, also one that has failed.")
@json_option
@pass_program
def resolve_message(program: Program, message_id: str, *, is_sent: bool, send_again: bool, as_json: bool) -> None:
    """Say what happened to mail that is unconfirmed, or send again what has failed."""
    if is_sent == send_again:
        raise click.UsageError("either --sent or --send-again")
    by = make_send_context(program.settings, store=program.store, clock=program.clock, master=program.master)

    def unit(tx: Tx) -> OutboundMessage:
        owner = resolve_outbound_owner(tx, message_id)
        return apply_resolution(tx, owner, message_id, "sent" if is_sent else "send_again", ctx=by, now=program.now())

    found = program.store.run(unit)
    show({"message_id": found.id, "status": found.status}, as_json=as_json)
