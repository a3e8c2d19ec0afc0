"""Commands ``domain``: add, list, show, verify, remove; ``domain sending`` is in domain_sending.py."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from relay.cli.arguments import user_option
from relay.cli.destroy import confirm, yes_option
from relay.cli.domain_sending import sending
from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from relay.directory.domains import DomainWithRecords
    from store.records.mail import Domain

Command = TypeVar("Command", bound=Callable[..., Any])

_COLUMNS: Final = ("domain", "verified", "records", "next_check_at", "created_at")
_PAGE: Final = 200


def sending_option(command: Command) -> Command:
    """Give a command the option ``--sending``: list the DNS records for sending, too."""
    option = click.option(
        "--sending/--no-sending",
        "sending",
        default=None,
        help="With or without SPF, DKIM and DMARC; default: with, if MAILSEAL_OUTBOUND names a provider.",
    )
    return option(command)


@click.group()
def domain() -> None:
    """Domains that receive mail here."""


domain.add_command(sending)


@domain.command("add")
@click.argument("name", metavar="DOMAIN")
@user_option
@sending_option
@json_option
@pass_program
def add_domain(program: Program, name: str, email: str, *, sending: bool | None, as_json: bool) -> None:
    """Claim a domain and print the DNS records to publish."""
    from relay.directory.domains import claim_with_records

    owner = program.user(email)
    claimed, _ = program.store.run(lambda tx: claim_with_records(tx, owner.id, name, now=program.now()))
    _show_domain(program, claimed, sending=sending, as_json=as_json)


@domain.command("list")
@user_option
@sending_option
@json_option
@pass_program
def list_domains(program: Program, email: str, *, sending: bool | None, as_json: bool) -> None:
    """List a user's domains with the last seen state of their DNS records."""
    from relay.directory.domains import list_some

    owner = program.user(email)
    listings = program.all_pages(lambda cursor, tx: list_some(tx, owner.id, limit=_PAGE, cursor=cursor))
    rows = [_document(program, listing, sending=sending) for listing in listings]
    if not as_json:
        for row in rows:
            row["records"] = ", ".join(f"{record['purpose']} {record['status']}" for record in row["records"])
    show_all(rows, _COLUMNS, as_json=as_json)


@domain.command("show")
@click.argument("name", metavar="DOMAIN")
@user_option
@sending_option
@json_option
@pass_program
def show_domain(program: Program, name: str, email: str, *, sending: bool | None, as_json: bool) -> None:
    """Show a domain with the last seen state of its DNS records; `verify` asks DNS now."""
    from relay.directory.domains import look_up

    owner = program.user(email)
    found = program.store.run(lambda tx: look_up(tx, owner.id, name))
    _show_domain(program, found, sending=sending, as_json=as_json)


@domain.command("verify")
@click.argument("name", metavar="DOMAIN")
@user_option
@click.option("--force", is_flag=True, help="Accept the domain without asking DNS.")
@sending_option
@json_option
@pass_program
def verify_domain(program: Program, name: str, email: str, *, force: bool, sending: bool | None, as_json: bool) -> None:
    """Look for the ownership record in DNS now; a verified domain receives mail."""
    from relay.directory.domains import accept, look_up
    from store.directory.domains import lookup_domain

    owner = program.user(email)
    claimed = program.store.run(lambda tx: lookup_domain(tx, owner.id, name))
    if force:
        program.store.run(lambda tx: accept(tx, owner.id, name, master=program.master, now=program.now()))
        found = program.store.run(lambda tx: look_up(tx, owner.id, name))
    else:
        found = _look(program, claimed, sending=sending)
    _show_domain(program, found, sending=sending, as_json=as_json)


@domain.command("remove")
@click.argument("name", metavar="DOMAIN")
@user_option
@yes_option
@pass_program
def remove_domain(program: Program, name: str, email: str, *, yes: bool) -> None:
    """Remove a domain that has no agents any more; asks first."""
    from store.directory.domains import delete_domain, lookup_domain

    owner = program.user(email)
    found = program.store.run(lambda tx: lookup_domain(tx, owner.id, name))
    is_verified = "verified; its mail is then refused" if found.verified else "not verified"
    confirm(f"remove the domain {found.domain} of {owner.email} ({is_verified})", yes=yes)
    program.store.run(lambda tx: delete_domain(tx, owner.id, name))
    click.echo(f"removed {name}")


def _look(program: Program, claimed: "Domain", *, sending: bool | None) -> "DomainWithRecords":
    """Ask DNS and store its answer. Raises DnsUnavailable, DomainUnproven, DomainNotAvailable."""
    import asyncio

    from relay.directory.check_domain import look_up_records
    from relay.directory.domains import require_answer, require_proof, settle
    from relay.wiring import make_dns_identity, make_resolver

    resolver, place = make_resolver(program.settings), make_dns_identity(program.settings)
    seen = asyncio.run(look_up_records(claimed, resolver=resolver, place=place, sending=sending))
    require_answer(claimed, seen)
    now = program.now()
    found = program.store.run(lambda tx: settle(tx, claimed, seen, master=program.master, now=now))
    require_proof(found)
    return found


def _document(program: Program, listing: "DomainWithRecords", *, sending: bool | None) -> dict[str, Any]:
    from relay.directory.dns_records import DnsIdentity, records_for
    from relay.outbound.couriers.registry import find_courier

    settings = program.settings
    place = DnsIdentity(hostname=settings.hostname, sending=find_courier(settings).records)
    records = records_for(listing.domain, listing.states, place=place, sending=sending)
    return {**plain(listing.domain), "records": [record.to_dict() for record in records]}


def _show_domain(program: Program, listing: "DomainWithRecords", *, sending: bool | None, as_json: bool) -> None:
    document = _document(program, listing, sending=sending)
    if as_json:
        show(document, as_json=True)
        return
    records = document.pop("records")
    show({name: document[name] for name in ("domain", "verified", "next_check_at")}, as_json=False)
    click.echo("\nPublish:")
    show_all(records, ("type", "name", "value", "purpose", "status", "checked_at"), as_json=False)
    _explain(records)


def _explain(records: list[dict[str, Any]]) -> None:
    """Print what the table omits: other values found, and since when a record is missing."""
    for record in records:
        if record["status"] == "mismatch":
            click.echo(f"\n{record['type']} {record['name']} has another value: {', '.join(record['found'])}")
        if record["missing_since"] is not None:
            click.echo(f"\n{record['type']} {record['name']} is missing since {record['missing_since']}")
