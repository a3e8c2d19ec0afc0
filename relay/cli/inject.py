"""Command ``inject``: receive a message from a file, as if it came by SMTP."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.arguments import ip_type, recipient_type, sender_type
from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from relay.mail.address import Address
    from relay.mail.envelope import Envelope


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to", "recipients", type=recipient_type, multiple=True, required=True, help="An agent's address; may be repeated."
)
@click.option("--mail-from", type=sender_type, default="", help="The envelope sender; empty for a bounce.")
@click.option("--ip", type=ip_type, default="127.0.0.1", show_default=True, help="The client's address.")
@click.option("--helo", default="localhost", show_default=True)
@json_option
@pass_program
def inject(
    program: Program,
    file: Path,
    recipients: "tuple[Address, ...]",
    mail_from: "Address | None",
    ip: "IPv4Address | IPv6Address",
    helo: str,
    *,
    as_json: bool,
) -> None:
    """Receive the message in FILE as if it came by SMTP."""
    import asyncio

    from relay import log
    from relay.eml_file import envelope_for

    log.configure(form=program.settings.log_format, level=program.settings.log_level)
    envelope = envelope_for(recipients, mail_from=mail_from, ip=ip, helo=helo)
    show({"message_ids": asyncio.run(_receive(program, envelope, file.read_bytes()))}, as_json=as_json)


async def _receive(program: Program, envelope: "Envelope", content: bytes) -> list[str]:
    """The ids of the stored message, one for each recipient. Raises as admit and receive do."""
    from relay.eml_file import spool_of
    from relay.inbound.admit import admit
    from relay.inbound.receive import receive
    from relay.wiring import make_receive_context, make_resolver

    store, resolver = program.store, make_resolver(program.settings)
    ctx = make_receive_context(
        program.settings,
        store=store,
        resolver=resolver,
        clock=program.clock,
        master=program.master,
        knows_copies=False,
    )
    store.start()
    try:
        agents = [await admit(rcpt, store=store, routes=ctx.routes) for rcpt in envelope.rcpt_to]
        with spool_of(content) as spool:
            return list(await receive(envelope, spool, agents, ctx=ctx))
    finally:
        await store.stop()
