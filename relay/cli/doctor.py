"""Command ``doctor``: check what the relay needs, and tell how to repair what fails."""

import sys
from typing import TYPE_CHECKING

import click

from relay.cli.output import harmless, json_option, show
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from relay.finding import Finding


@click.command()
@click.option("--reach", metavar="DOMAIN", help="Connect to this domain's mail server too, to test outgoing port 25.")
@json_option
@pass_program
def doctor(program: Program, reach: str | None, *, as_json: bool) -> None:
    """Check settings, DNS, listeners, database and webhooks; suggest repairs.

    Exits 1 if a check fails. Also checks certificate, disk and clock. The daemon may run or not.
    """
    import asyncio

    from relay.checkup.examine import examine
    from relay.errors import Misconfigured
    from relay.finding import failing

    try:
        settings = program.settings
    except Misconfigured as error:
        found = [failing("settings", str(error), "Change or remove it.")]
    else:
        found = asyncio.run(examine(settings, clock=program.clock, reach=reach))
    if as_json:
        show({"findings": found}, as_json=True)
    else:
        for finding in found:
            _tell(finding)
    sys.exit(1 if any(finding.state == "failing" for finding in found) else 0)


def _tell(finding: "Finding") -> None:
    click.echo(f"{finding.state:8} {finding.name}: {harmless(finding.seen)}")
    if finding.remedy:
        click.echo(f"{'':8} {harmless(finding.remedy)}")
