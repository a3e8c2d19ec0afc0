"""Domains: claimed, proved by DNS, looked at, given up."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from relay.cli.arguments import whose
from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from relay.cli.sending_domain import sending
from relay.directory import domains as proving
from relay.directory.check_domain import look_up_records
from relay.directory.dns_records import Record, records_for
from relay.directory.domains import DomainWithRecords
from relay.wiring import make_dns_identity, make_resolver
from store.directory import domains
from store.records.mail import Domain

Command = TypeVar("Command", bound=Callable[..., Any])

_COLUMNS: Final = ("domain", "verified", "records", "next_check_at", "created_at")
_PAGE: Final = 200


def sending_option(command: Command) -> Command:
    """Give a command the option ``--sending``: with the records for sending; by default where this relay sends."""
    option = click.option(
        "--sending/--no-sending",
        "sending",
        default=None,
        help="With SPF, DKIM and DMARC, or without; by default if MAILSEAL_OUTBOUND names a provider.",
    )
    return option(command)


@click.group()
def domain() -> None:
    """Domains whose mail comes here."""


domain.add_command(sending)


@domain.command("add")
@click.argument("name", metavar="DOMAIN")
@whose
@sending_option
@json_option
@pass_program
def add_domain(program: Program, name: str, email: str, *, sending: bool | None, as_json: bool) -> None:
    """Claim a domain and show the records to publish."""
    owner = program.user(email)
    claimed, _ = program.store.run(lambda tx: proving.claim_anew(tx, owner.id, name, now=program.now()))
    _show_domain(program, claimed, sending=sending, as_json=as_json)


@domain.command("list")
@whose
@sending_option
@json_option
@pass_program
def list_domains(program: Program, email: str, *, sending: bool | None, as_json: bool) -> None:
    """List a user's domains, and how their records were last seen."""
    owner = program.user(email)
    listings = program.whole(lambda cursor, tx: proving.list_some(tx, owner.id, limit=_PAGE, cursor=cursor))
    rows = [_document(program, listing, sending=sending) for listing in listings]
    if not as_json:
        for row in rows:
            row["records"] = ", ".join(f"{record['purpose']} {record['status']}" for record in row["records"])
    show_all(rows, _COLUMNS, as_json=as_json)


@domain.command("show")
@click.argument("name", metavar="DOMAIN")
@whose
@sending_option
@json_option
@pass_program
def show_domain(program: Program, name: str, email: str, *, sending: bool | None, as_json: bool) -> None:
    """Show one domain and how each of its records was last seen; `verify` looks now."""
    owner = program.user(email)
    found = program.store.run(lambda tx: proving.look_up(tx, owner.id, name))
    _show_domain(program, found, sending=sending, as_json=as_json)


@domain.command("verify")
@click.argument("name", metavar="DOMAIN")
@whose
@click.option("--force", is_flag=True, help="Take your word for it instead of DNS's.")
@sending_option
@json_option
@pass_program
def verify_domain(program: Program, name: str, email: str, *, force: bool, sending: bool | None, as_json: bool) -> None:
    """Look for the proof in DNS now; from then on mail for the domain is taken."""
    owner = program.user(email)
    claimed = program.store.run(lambda tx: domains.lookup_domain(tx, owner.id, name))
    if force:
        program.store.run(lambda tx: proving.accept(tx, owner.id, name, master=program.master, now=program.now()))
        found = program.store.run(lambda tx: proving.look_up(tx, owner.id, name))
    else:
        found = _look(program, claimed, sending=sending)
    _show_domain(program, found, sending=sending, as_json=as_json)


@domain.command("remove")
@click.argument("name", metavar="DOMAIN")
@whose
@pass_program
def remove_domain(program: Program, name: str, email: str) -> None:
    """Give a domain up; its agents must be gone."""
    owner = program.user(email)
    program.store.run(lambda tx: domains.delete_domain(tx, owner.id, name))
    click.echo(f"removed {name}")


def _look(program: Program, claimed: Domain, *, sending: bool | None) -> DomainWithRecords:
    """What DNS says now, kept. Raises DnsUnavailable, DomainUnproven, DomainNotAvailable."""
    resolver, place = make_resolver(program.settings), make_dns_identity(program.settings)
    seen = asyncio.run(look_up_records(claimed, resolver=resolver, place=place, sending=sending))
    proving.require_answer(claimed, seen)
    now = program.now()
    found = program.store.run(lambda tx: proving.settle(tx, claimed, seen, master=program.master, now=now))
    proving.require_proof(found)
    return found


def _document(program: Program, listing: DomainWithRecords, *, sending: bool | None) -> dict[str, Any]:
    records = [record.to_dict() for record in _records(program, listing, sending=sending)]
    return {**plain(listing.domain), "records": records}


def _records(program: Program, listing: DomainWithRecords, *, sending: bool | None) -> tuple[Record, ...]:
    return records_for(listing.domain, listing.states, place=make_dns_identity(program.settings), sending=sending)


def _show_domain(program: Program, listing: DomainWithRecords, *, sending: bool | None, as_json: bool) -> None:
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
    """What a table has no room for: what else is there, and since when something is gone."""
    for record in records:
        if record["status"] == "mismatch":
            click.echo(f"\n{record['type']} {record['name']} has something else: {', '.join(record['found'])}")
        if record["missing_since"] is not None:
            click.echo(f"\n{record['type']} {record['name']} is gone since {record['missing_since']}")
