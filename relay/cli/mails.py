"""Mail by hand, of both directions: looked at, traced, and put in without SMTP."""

import asyncio
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import click

from relay import log
from relay.cli.arguments import ip_type
from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from relay.cli.resolving import resolve_message
from relay.eml_file import envelope_for, spool_of
from relay.errors import ContentGone
from relay.events.inbound import message_data
from relay.events.outbound import outbound_item
from relay.inbound.admit import admit
from relay.inbound.receive import ReceiveContext, receive
from relay.outbound.views import find_outbound_view
from relay.wiring import make_receive_context, make_resolver
from store.directory.agents import POSTMASTER
from store.engine import Store
from store.errors import MessageNotFound
from store.mail import messages
from store.mail.bodies import read_body, read_chunk
from store.mail.deliveries import list_attempts, list_deliveries_of_message
from store.outbound.outbound import get_outbound_message
from store.outbound.written import list_newest_outbound
from store.transaction import Tx

_WRITTEN_COLUMNS = ("id", "created_at", "agent", "to", "subject", "status", "error")
_ATTEMPT_COLUMNS = ("began_at", "origin", "outcome", "settled_at", "provider_message_id", "error")
_FEEDBACK_COLUMNS = ("at", "kind", "recipient", "detail")
_COLUMNS = ("id", "received_at", "agent", "from_address", "subject", "verified_domain", "status")


@click.group()
def message() -> None:
    """Mail that was received, and mail that agents wrote."""


message.add_command(resolve_message)


@message.command("list")
@click.option("--agent", "address", help="Of this agent only.")
@click.option("--postmaster", is_flag=True, help="Mail to the operator.")
@click.option("--written", is_flag=True, help="What agents wrote, instead of what they received.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@pass_program
def list_messages(
    program: Program, address: str | None, limit: int, *, postmaster: bool, written: bool, as_json: bool
) -> None:
    """List messages, the newest first."""
    agent = POSTMASTER if postmaster else address and program.agent(address).address
    if written:
        sent = program.store.run(lambda tx: list_newest_outbound(tx, agent, limit=limit))
        show_all([outbound_item(each) for each in sent] if as_json else sent, _WRITTEN_COLUMNS, as_json=as_json)
        return
    rows = program.store.run(lambda tx: messages.list_newest(tx, agent, limit=limit))
    show_all(rows, _COLUMNS, as_json=as_json)


@message.command("show")
@click.argument("message_id")
@json_option
@pass_program
def show_message(program: Program, message_id: str, *, as_json: bool) -> None:
    """Show one message whole."""

    def unit(tx: Tx) -> dict[str, Any]:
        try:
            found = messages.find_message(tx, message_id)
        except MessageNotFound:
            return find_outbound_view(tx, message_id).document(base_url=program.settings.base_url)
        raw = read_body(tx, found.raw_sha256)
        return message_data(found, raw, base_url=program.settings.base_url) | {"status": found.status}

    show(program.store.run(unit), as_json=as_json)


@message.command("raw")
@click.argument("message_id")
@pass_program
def raw_message(program: Program, message_id: str) -> None:
    """Write the mail's bytes to standard output."""
    sha256 = program.store.run(lambda tx: _sha256(tx, message_id))
    number = 0
    while (part := _part(program.store, sha256, number)) is not None:
        sys.stdout.buffer.write(part)
        number += 1


@message.command("trace")
@click.argument("message_id")
@json_option
@pass_program
def trace_message(program: Program, message_id: str, *, as_json: bool) -> None:
    """Tell what happened to a message: where from, how judged, and every attempt to deliver or to send it."""
    document = program.store.run(lambda tx: _trace(tx, message_id))
    if as_json:
        show(document, as_json=True)
        return
    show(document.get("received") or document["written"], as_json=False)
    if "attempts" in document:
        click.echo("\nsending:")
        show_all(document["attempts"], _ATTEMPT_COLUMNS, as_json=False)
    if document.get("feedback"):
        click.echo("\nwhat the provider told:")
        show_all(document["feedback"], _FEEDBACK_COLUMNS, as_json=False)
    for delivery in document["deliveries"]:
        click.echo(f"\n{delivery['id']}: {delivery['event_type']}, {delivery['status']}")
        show_all(delivery["tried"], ("at", "status", "error", "duration_ms"), as_json=False)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "recipients", multiple=True, required=True, help="An agent's address; may be given again.")
@click.option("--mail-from", default="", help="The envelope's sender; empty for a bounce.")
@click.option("--ip", type=ip_type, default="127.0.0.1", show_default=True, help="Where it is said to come from.")
@click.option("--helo", default="localhost", show_default=True)
@json_option
@pass_program
def inject(
    program: Program,
    file: Path,
    recipients: tuple[str, ...],
    mail_from: str,
    ip: IPv4Address | IPv6Address,
    helo: str,
    *,
    as_json: bool,
) -> None:
    """Receive the mail in FILE as if it had come by SMTP."""
    log.configure(form=program.settings.log_format, level=program.settings.log_level)
    envelope = envelope_for(recipients, mail_from=mail_from, ip=ip, helo=helo)

    content = file.read_bytes()

    async def run() -> list[str]:
        receive_context = _receive_context(program)
        program.store.start()
        try:
            agents = [
                await admit(rcpt, store=program.store, routes=receive_context.routes) for rcpt in envelope.rcpt_to
            ]
            with spool_of(content) as spool:
                return list(await receive(envelope, spool, agents, ctx=receive_context))
        finally:
            await program.store.stop()

    show({"message_ids": asyncio.run(run())}, as_json=as_json)


def _receive_context(program: Program) -> ReceiveContext:
    resolver = make_resolver(program.settings)
    return make_receive_context(
        program.settings, store=program.store, resolver=resolver, clock=program.clock, master=program.master
    )


def _trace(tx: Tx, message_id: str) -> dict[str, Any]:
    try:
        story = {"received": plain(messages.find_message(tx, message_id))}
    except MessageNotFound:
        written = find_outbound_view(tx, message_id)
        story = {"written": outbound_item(written.message), "attempts": plain(written.attempts)}
        story["feedback"] = plain(written.feedback)
    deliveries = [
        plain(delivery) | {"tried": plain(list_attempts(tx, delivery.id))}
        for delivery in list_deliveries_of_message(tx, message_id)
    ]
    return story | {"deliveries": deliveries}


def _sha256(tx: Tx, message_id: str) -> str:
    """Of the bytes of a mail of either direction. Raises MessageNotFound, ContentGone."""
    try:
        return messages.find_message(tx, message_id).raw_sha256
    except MessageNotFound:
        sha256 = get_outbound_message(tx, message_id).raw_sha256
    if sha256 is None:
        raise ContentGone
    return sha256


def _part(store: Store, sha256: str, number: int) -> bytes | None:
    return store.run(lambda tx: read_chunk(tx, sha256, number))
