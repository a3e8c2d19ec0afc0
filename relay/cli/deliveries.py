"""Webhook deliveries: looked at, and sent again."""

from typing import Any

import click

from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from store.mail import deliveries
from store.records.mail import Delivery, DeliveryStatus
from store.transaction import Tx

_COLUMNS = ("id", "created_at", "agent", "message_id", "status", "attempts", "last_status", "last_error")


@click.group()
def delivery() -> None:
    """Events on their way to webhooks."""


@delivery.command("list")
@click.option("--agent", "address", help="Of this agent only.")
@click.option("--status", type=click.Choice(["pending", "delivered", "dead"]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@json_option
@pass_program
def list_deliveries(
    program: Program, address: str | None, status: DeliveryStatus | None, limit: int, *, as_json: bool
) -> None:
    """List deliveries, the newest first."""
    agent = program.agent(address).address if address else None
    page = program.store.run(lambda tx: deliveries.list_deliveries(tx, agent=agent, status=status, limit=limit))
    show_all(page.items, _COLUMNS, as_json=as_json)


@delivery.command("show")
@click.argument("delivery_id")
@json_option
@pass_program
def show_delivery(program: Program, delivery_id: str, *, as_json: bool) -> None:
    """Show one delivery with every attempt."""

    def unit(tx: Tx) -> dict[str, Any]:
        found: dict[str, Any] = plain(deliveries.get_delivery(tx, delivery_id))
        return found | {"tried": plain(deliveries.list_attempts(tx, delivery_id))}

    show(program.store.run(unit), as_json=as_json)


@delivery.command("replay")
@click.argument("delivery_id", required=False)
@click.option("--dead", "address", metavar="AGENT", help="Every dead delivery of this agent instead.")
@json_option
@pass_program
def replay(program: Program, delivery_id: str | None, address: str | None, *, as_json: bool) -> None:
    """Deliver again what was delivered or given up, under the same webhook-id."""
    if (delivery_id is None) == (address is None):
        raise click.UsageError("either a delivery's id, or --dead AGENT")
    agent = program.agent(address).address if address else None

    if agent is not None:
        show_all(_replay_all_dead(program, agent), _COLUMNS, as_json=as_json)
        return
    replayed = program.store.run(lambda tx: deliveries.replay(tx, delivery_id or "", now=program.now()))
    show_all([replayed], _COLUMNS, as_json=as_json)


def _replay_all_dead(program: Program, agent: str) -> list[Delivery]:
    """Every dead delivery of an agent, replayed once, some hundred a transaction."""
    replayed: dict[str, Delivery] = {}
    while True:
        some = program.store.run(lambda tx: deliveries.replay_dead(tx, agent, now=program.now()))
        # One that a running daemon has already found dead again is the endpoint's last word for now.
        fresh = {delivery.id: delivery for delivery in some if delivery.id not in replayed}
        if not fresh:
            return list(replayed.values())
        replayed |= fresh
