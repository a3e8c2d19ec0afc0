"""Command ``domain sending``: set a domain up at the provider (Amazon SES)."""

from typing import TYPE_CHECKING, Any

import click

from relay.cli.arguments import user_option
from relay.cli.output import json_option, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from relay.directory.dns_records import Record
    from relay.outbound.couriers.courier_kind import DomainSetup


@click.command("sending")
@click.argument("name", metavar="DOMAIN")
@user_option
@json_option
@pass_program
def sending(program: Program, name: str, email: str, *, as_json: bool) -> None:
    """Set a domain up for sending through Amazon SES, and print the DKIM records to publish."""
    from relay.outbound.couriers.registry import find_courier
    from store.directory.domains import lookup_domain

    owner = program.user(email)
    claimed = program.store.run(lambda tx: lookup_domain(tx, owner.id, name))
    setup = find_courier(program.settings).set_up_domain(program.settings, claimed.domain)
    document = _document(setup)
    if as_json:
        show(document, as_json=True)
        return
    show({"domain": setup.domain, "verified": setup.is_verified}, as_json=False)
    if not document["records"]:
        click.echo(f"\n{setup.hint}")
        return
    click.echo("\nPublish:")
    show_all(document["records"], ("type", "name", "value", "purpose", "status"), as_json=False)


def _document(setup: "DomainSetup") -> dict[str, Any]:
    return {
        "domain": setup.domain,
        "verified": setup.is_verified,
        "records": [_record(setup, name, value).to_dict() for name, value in setup.records],
    }


def _record(setup: "DomainSetup", name: str, value: str) -> "Record":
    """A record as `domain list` shows it, with the state that the provider reports."""
    from relay.directory.dns_records import ExpectedRecord, Record

    return Record(
        wanted=ExpectedRecord(type="CNAME", name=name, value=value, purpose="dkim", note=setup.note),
        status="verified" if setup.are_seen else "pending",
        found=(),
        checked_at=None,
        missing_since=None,
    )
