"""A domain set up for sending, at the provider."""

from typing import TYPE_CHECKING, Any

import click

from relay.cli.arguments import whose
from relay.cli.output import json_option, show, show_all
from relay.cli.program import Program, pass_program
from relay.directory.dns_records import ExpectedRecord, Record
from relay.errors import OutboundOff, Refused
from store.directory.domains import lookup_domain

if TYPE_CHECKING:
    from relay.outbound.couriers.ses.identity import SesIdentity

_NOTE = "Amazon SES signs mail of the domain with it (Easy DKIM)."


@click.command("sending")
@click.argument("name", metavar="DOMAIN")
@whose
@json_option
@pass_program
def sending(program: Program, name: str, email: str, *, as_json: bool) -> None:
    """Set a domain up for sending through Amazon SES, and show the DKIM records to publish."""
    owner = program.user(email)
    claimed = program.store.run(lambda tx: lookup_domain(tx, owner.id, name))
    settings = program.settings
    _require_ses(settings.outbound, claimed.domain)
    from relay.outbound.couriers.ses.identity import ensure_identity  # noqa: PLC0415 (boto3 is dear)

    made = ensure_identity(claimed.domain, region=settings.ses_region, endpoint_url=settings.ses_endpoint_url)
    document = _document(made)
    if as_json:
        show(document, as_json=True)
        return
    show({"domain": made.domain, "verified": made.is_proved}, as_json=False)
    if not document["records"]:
        click.echo("\nSES names no records: switch Easy DKIM on for this identity, and ask again.")
        return
    click.echo("\nPublish:")
    show_all(document["records"], ("type", "name", "value", "purpose", "status"), as_json=False)


def _require_ses(outbound: str, domain: str) -> None:
    """Return where SES is chosen. Raises OutboundOff, Refused with what to do instead."""
    if outbound == "none":
        raise OutboundOff("this relay sends no mail out: set MAILSEAL_OUTBOUND to ses or smtp first")
    if outbound == "smtp":
        raise Refused(
            f"mail goes by a smarthost, which signs it: ask its keeper to accept and sign mail of {domain}; "
            f"`mailseal domain show {domain} --sending` tells the other records"
        )


def _document(made: "SesIdentity") -> dict[str, Any]:
    return {
        "domain": made.domain,
        "verified": made.is_proved,
        "records": [_record(record, value, are_seen=made.are_seen).to_dict() for record, value in made.records],
    }


def _record(name: str, value: str, *, are_seen: bool) -> Record:
    """A record as `domain list` shows it; how it stands is what SES says, which looks by itself."""
    wanted = ExpectedRecord(type="CNAME", name=name, value=value, purpose="dkim", note=_NOTE)
    return Record(
        wanted=wanted,
        status="verified" if are_seen else "pending",
        found=(),
        checked_at=None,
        missing_since=None,
    )
