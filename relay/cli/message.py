"""Commands ``message``: list, show, raw, trace, resolve; of both directions."""

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from relay.cli.output import json_option, outbound_rows, plain, renamed, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.records.mail import Message
    from store.records.outbound import OutboundMessage
    from store.transaction import Tx

_COLUMNS: Final = ("message_id", "received_at", "agent", "from_address", "subject", "verified_domain", "status")
_WRITTEN_COLUMNS: Final = ("message_id", "created_at", "agent", "to", "subject", "status", "error")
_ATTEMPT_COLUMNS: Final = ("began_at", "origin", "outcome", "settled_at", "provider_message_id", "error")
_FEEDBACK_COLUMNS: Final = ("at", "kind", "recipient", "detail")


@click.group()
def message() -> None:
    """Messages that agents received or wrote."""


@message.command("list")
@click.option("--agent", "address", help="Of this agent only.")
@click.option("--postmaster", is_flag=True, help="Mail to the operator's postmaster.")
@click.option("--written", is_flag=True, help="Messages that agents wrote, instead of those that they received.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@pass_program
def list_messages(
    program: Program, address: str | None, limit: int, *, postmaster: bool, written: bool, as_json: bool
) -> None:
    """List messages, the newest first."""
    from store.directory.agents import POSTMASTER

    agent = POSTMASTER if postmaster else address and program.agent(address).address
    (_show_written if written else _show_received)(program, agent, limit, as_json=as_json)


def _show_received(program: Program, agent: str | None, limit: int, *, as_json: bool) -> None:
    from store.mail.messages import list_newest

    rows = program.store.run(lambda tx: list_newest(tx, agent, limit=limit))
    show_all(_inbound_rows(rows, as_json=as_json), _COLUMNS, as_json=as_json)


def _inbound_rows(messages: "Sequence[Message]", *, as_json: bool) -> list[dict[str, Any]]:
    """Messages as the API lists them, or their fields for a table, which needs no parser."""
    if not as_json:
        return [renamed(each, id="message_id") for each in messages]
    from relay.events.inbound import message_item

    return [message_item(each) for each in messages]


def _show_written(program: Program, agent: str | None, limit: int, *, as_json: bool) -> None:
    from store.outbound.outbound import list_newest_outbound

    rows = program.store.run(lambda tx: list_newest_outbound(tx, agent, limit=limit))
    show_all(outbound_rows(rows, as_json=as_json), _WRITTEN_COLUMNS, as_json=as_json)


@message.command("show")
@click.argument("message_id")
@json_option
@pass_program
def show_message(program: Program, message_id: str, *, as_json: bool) -> None:
    """Show all of one message."""
    from relay.events.inbound import message_data
    from relay.outbound.views import find_outbound_view
    from store.errors import MessageNotFound
    from store.mail.bodies import read_body
    from store.mail.messages import find_message

    def unit(tx: "Tx") -> dict[str, Any]:
        try:
            found = find_message(tx, message_id)
        except MessageNotFound:
            return find_outbound_view(tx, message_id).document(base_url=program.settings.base_url)
        raw = read_body(tx, found.raw_sha256)
        return message_data(found, raw, base_url=program.settings.base_url) | {"status": found.status}

    show(program.store.run(unit), as_json=as_json)


@message.command("raw")
@click.argument("message_id")
@pass_program
def raw_message(program: Program, message_id: str) -> None:
    """Write the bytes of a message to standard output."""
    from store.mail.bodies import read_chunk

    sha256 = program.store.run(lambda tx: _sha256(tx, message_id))
    number = 0
    while (part := program.store.run(lambda tx: read_chunk(tx, sha256, number))) is not None:  # noqa: B023
        sys.stdout.buffer.write(part)
        number += 1


@message.command("trace")
@click.argument("message_id")
@json_option
@pass_program
def trace_message(program: Program, message_id: str, *, as_json: bool) -> None:
    """Tell what happened to a message: origin, verdict, and each attempt to deliver or send it."""
    document = program.store.run(lambda tx: _trace(tx, message_id))
    if as_json:
        show(document, as_json=True)
        return
    received = document.get("received")
    show({**received, **received.pop("envelope")} if received else document["written"], as_json=False)
    if "attempts" in document:
        click.echo("\nsending:")
        show_all(document["attempts"], _ATTEMPT_COLUMNS, as_json=False)
    if document.get("feedback"):
        click.echo("\nprovider events:")
        show_all(document["feedback"], _FEEDBACK_COLUMNS, as_json=False)
    for delivery in document["deliveries"]:
        click.echo(f"\n{delivery['delivery_id']}: {delivery['event_type']}, {delivery['status']}")
        show_all(delivery["tried"], ("at", "status", "error", "duration_ms"), as_json=False)


@message.command("resolve")
@click.argument("message_id")
@click.option("--sent", "is_sent", is_flag=True, help="It was sent; for an unconfirmed message.")
@click.option("--send-again", is_flag=True, help="It was not sent: send it again; also for a failed message.")
@json_option
@pass_program
def resolve_message(program: Program, message_id: str, *, is_sent: bool, send_again: bool, as_json: bool) -> None:
    """Say whether an unconfirmed message was sent, or send a failed one again."""
    from relay.outbound.unconfirmed import apply_resolution
    from relay.wiring import make_send_context
    from store.outbound.outbound import resolve_outbound_owner

    if is_sent == send_again:
        raise click.UsageError("give either --sent or --send-again")
    ctx = make_send_context(program.settings, store=program.store, clock=program.clock, master=program.master)

    def unit(tx: "Tx") -> "OutboundMessage":
        owner = resolve_outbound_owner(tx, message_id)
        return apply_resolution(tx, owner, message_id, "sent" if is_sent else "send_again", ctx=ctx, now=program.now())

    found = program.store.run(unit)
    show({"message_id": found.id, "status": found.status}, as_json=as_json)


def _trace(tx: "Tx", message_id: str) -> dict[str, Any]:
    from relay.events.inbound import message_item
    from store.errors import MessageNotFound
    from store.mail.deliveries import list_attempts, list_deliveries_of_message
    from store.mail.messages import find_message

    try:
        story = {"received": message_item(find_message(tx, message_id))}
    except MessageNotFound:
        story = _trace_of_written(tx, message_id)
    deliveries = [
        renamed(delivery, id="delivery_id") | {"tried": plain(list_attempts(tx, delivery.id))}
        for delivery in list_deliveries_of_message(tx, message_id)
    ]
    return story | {"deliveries": deliveries}


def _trace_of_written(tx: "Tx", message_id: str) -> dict[str, Any]:
    from relay.events.outbound import outbound_item
    from relay.outbound.views import find_outbound_view

    written = find_outbound_view(tx, message_id)
    return {
        "written": outbound_item(written.message),
        "attempts": [renamed(each, id="attempt_id") for each in written.attempts],
        "feedback": plain(written.feedback),
    }


def _sha256(tx: "Tx", message_id: str) -> str:
    """The digest of the bytes of a message of either direction. Raises MessageNotFound, ContentGone."""
    from relay.errors import ContentGone
    from store.errors import MessageNotFound
    from store.mail.messages import find_message
    from store.outbound.outbound import get_outbound_message

    try:
        return find_message(tx, message_id).raw_sha256
    except MessageNotFound:
        sha256 = get_outbound_message(tx, message_id).raw_sha256
    if sha256 is None:
        raise ContentGone
    return sha256
