"""Commands ``check`` and ``verify-seal``: authenticate a message, verify a webhook request's signatures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relay.cli.arguments import ip_type, sender_type
from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from relay.auth.verdict import Verdict
    from relay.mail.address import Address

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--ip", type=ip_type, required=True, help="The client's address.")
@click.option("--mail-from", type=sender_type, required=True, help="The envelope sender; empty for a bounce.")
@click.option("--helo", required=True)
@json_option
@pass_program
def check(
    program: Program,
    file: Path,
    ip: "IPv4Address | IPv6Address",
    mail_from: "Address | None",
    helo: str,
    *,
    as_json: bool,
) -> None:
    """Authenticate the message in FILE by DNS as it is now; store nothing."""
    import asyncio

    from relay.eml_file import envelope_for, spool_of
    from relay.mail.headers import split_headers
    from relay.wiring import SenderAuthenticator, make_resolver

    envelope = envelope_for((), mail_from=mail_from, ip=ip, helo=helo)

    content = file.read_bytes()

    async def judge() -> "Verdict":
        judging = SenderAuthenticator(make_resolver(program.settings))
        with spool_of(content) as spool:
            return await judging(envelope, split_headers(spool.head()), spool, now=program.now())

    show(asyncio.run(judge()).to_dict(), as_json=as_json)


@click.command("verify-seal")
@click.argument("file", type=_FILE)
@click.option("--secret", required=True, help="The agent's signing secret, whsec_…")
@json_option
@pass_program
def verify_seal(program: Program, file: Path, secret: str, *, as_json: bool) -> None:
    """Verify both signatures of a recorded webhook request.

    FILE is JSON: {"headers": {…}, "body": "…"}, the body as the text that was posted.
    """
    from relay.signing.check import check_request
    from relay.signing.secrets import parse_whsec

    found = check_request(_document(file), [parse_whsec(secret)], now=program.now())
    show(found.to_dict(), as_json=as_json)
    sys.exit(0 if found.holds else 1)


def _document(file: Path) -> Any:
    import json

    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise click.BadParameter(f"{file} is not JSON: {error}") from error
