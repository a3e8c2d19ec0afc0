"""A look at everything the relay needs."""

import asyncio
import sys

import click

from relay.checkup.examine import examine
from relay.checkup.finding import Finding, failing
from relay.cli.output import harmless, json_option, show
from relay.cli.program import Program, pass_program
from relay.errors import Misconfigured


@click.command()
@click.option("--reach", metavar="DOMAIN", help="Connect to this domain's mail server too: is port 25 open outwards?")
@json_option
@pass_program
def doctor(program: Program, reach: str | None, *, as_json: bool) -> None:
    """Look at DNS, doors, certificate, database, disk, clock and webhooks, and say what to do about each.

    Ends with 1 when something is failing. The daemon may run or not.
    """
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


def _tell(finding: Finding) -> None:
    click.echo(f"{finding.state:8} {finding.name}: {harmless(finding.seen)}")
    if finding.remedy:
        click.echo(f"{'':8} {harmless(finding.remedy)}")
