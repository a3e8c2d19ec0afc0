"""Commands ``delivery``: list, show, replay webhook deliveries."""

from typing import TYPE_CHECKING, Any, Final, get_args

import click

from relay.cli.output import json_option, plain, renamed, show, show_all
from relay.cli.program import Program, pass_program
from store.records.mail import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.records.mail import Delivery
    from store.transaction import Tx

_COLUMNS: Final = (
    "delivery_id", "created_at", "agent", "message_id", "status", "attempts", "last_status", "last_error",
)  # fmt: skip


@click.group()
def delivery() -> None:
    """Webhook deliveries of events."""


@delivery.command("list")
@click.option("--agent", "address", help="Of this agent only.")
@click.option("--status", type=click.Choice(get_args(DeliveryStatus)))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200))
@json_option
@pass_program
def list_deliveries(
    program: Program, address: str | None, status: DeliveryStatus | None, limit: int, *, as_json: bool
) -> None:
    """List deliveries, the newest first."""
    from store.mail import deliveries

    agent = program.agent(address).address if address else None
    page = program.store.run(lambda tx: deliveries.list_deliveries(tx, agent=agent, status=status, limit=limit))
    _show_table(page.items, as_json=as_json)


@delivery.command("show")
@click.argument("delivery_id")
@json_option
@pass_program
def show_delivery(program: Program, delivery_id: str, *, as_json: bool) -> None:
    """Show one delivery with all its attempts."""
    from store.mail import deliveries

    def unit(tx: "Tx") -> dict[str, Any]:
        found = renamed(deliveries.get_delivery(tx, delivery_id), id="delivery_id")
        return found | {"tried": plain(deliveries.list_attempts(tx, delivery_id))}

    show(program.store.run(unit), as_json=as_json)


@delivery.command("replay")
@click.argument("delivery_id", required=False)
@click.option("--dead", "address", metavar="AGENT", help="Instead: all dead deliveries of this agent.")
@json_option
@pass_program
def replay(program: Program, delivery_id: str | None, address: str | None, *, as_json: bool) -> None:
    """Deliver a delivered or dead event again, under the same webhook-id."""
    from store.mail import deliveries

    if (delivery_id is None) == (address is None):
        raise click.UsageError("give either DELIVERY_ID or --dead AGENT")
    if address is not None:
        _show_table(_replay_all_dead(program, program.agent(address).address), as_json=as_json)
        return
    replayed = program.store.run(lambda tx: deliveries.replay(tx, delivery_id or "", now=program.now()))
    _show_table([replayed], as_json=as_json)


def _replay_all_dead(program: Program, agent: str) -> "list[Delivery]":
    """Replay each dead delivery of an agent once, some hundred in a transaction."""
    from store.mail.deliveries import replay_dead

    replayed: dict[str, Delivery] = {}
    while True:
        some = program.store.run(lambda tx: replay_dead(tx, agent, now=program.now()))
        # A replayed delivery may be dead again already, by a running daemon: it is not replayed twice.
        fresh = {delivery.id: delivery for delivery in some if delivery.id not in replayed}
        if not fresh:
            return list(replayed.values())
        replayed |= fresh


def _show_table(rows: "Sequence[Delivery]", *, as_json: bool) -> None:
    show_all([renamed(each, id="delivery_id") for each in rows], _COLUMNS, as_json=as_json)
