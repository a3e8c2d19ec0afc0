"""Who exists: users, keys, domains and agents."""

import asyncio

import click

from relay.assembly import make_resolver
from relay.cli.arguments import whose
from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from relay.directory import agents as making
from relay.directory import domains as proving
from relay.directory.keys import create_key
from relay.directory.zone import records_for
from store import agents, domains, keys, users
from store.records import Domain
from store.transaction import Tx

_AGENT_COLUMNS = ("address", "mode", "webhook_url", "on_unverified", "domain_verified")


@click.group()
def user() -> None:
    """The people who own domains, agents and keys."""


@user.command("create")
@click.argument("email")
@click.option("--name", help="For people to read.")
@json_option
@pass_program
def create_user(program: Program, email: str, name: str | None, *, as_json: bool) -> None:
    """Make a user, or find the one there is, and give them an API key."""

    def unit(tx: Tx) -> dict[str, str]:
        found = users.bootstrap_user(tx, email, name=name, now=program.now())
        _, plaintext = create_key(tx, found.id, name="cli", now=program.now())
        return {"user_id": found.id, "email": found.email, "api_key": plaintext}

    show(program.store.run(unit), as_json=as_json)


@user.command("list")
@json_option
@pass_program
def list_users(program: Program, *, as_json: bool) -> None:
    """List all users."""
    show_all(program.store.run(users.list_users), ("id", "email", "name", "created_at"), as_json=as_json)


@click.group()
def key() -> None:
    """API keys."""


@key.command("create")
@whose
@click.option("--name", default="", help="To tell it apart.")
@json_option
@pass_program
def create_api_key(program: Program, email: str, name: str, *, as_json: bool) -> None:
    """Make a key and show it this once."""
    owner = program.user(email)
    kept, plaintext = program.store.run(lambda tx: create_key(tx, owner.id, name=name, now=program.now()))
    show({**plain(kept), "api_key": plaintext}, as_json=as_json)


@key.command("list")
@whose
@json_option
@pass_program
def list_keys(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's keys."""
    owner = program.user(email)
    rows = program.store.run(lambda tx: keys.list_api_keys(tx, owner.id))
    show_all(rows, ("id", "prefix", "name", "created_at", "last_used_at"), as_json=as_json)


@key.command("revoke")
@click.argument("key_id")
@whose
@pass_program
def revoke_key(program: Program, key_id: str, email: str) -> None:
    """Make a key worthless, at once."""
    owner = program.user(email)
    program.store.run(lambda tx: keys.delete_api_key(tx, owner.id, key_id))
    click.echo(f"revoked {key_id}")


@click.group()
def domain() -> None:
    """Domains whose mail comes here."""


@domain.command("add")
@click.argument("name", metavar="DOMAIN")
@whose
@json_option
@pass_program
def add_domain(program: Program, name: str, email: str, *, as_json: bool) -> None:
    """Claim a domain and show the records to publish."""
    owner = program.user(email)
    claimed = program.store.run(lambda tx: proving.claim(tx, owner.id, name, now=program.now()))
    _show_domain(program, claimed, as_json=as_json)


@domain.command("list")
@whose
@json_option
@pass_program
def list_domains(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's domains."""
    owner = program.user(email)
    rows = program.store.run(lambda tx: domains.list_domains_by_user(tx, owner.id))
    show_all(rows, ("domain", "verified", "verified_at", "created_at"), as_json=as_json)


@domain.command("verify")
@click.argument("name", metavar="DOMAIN")
@whose
@click.option("--force", is_flag=True, help="Take your word for it instead of DNS's.")
@json_option
@pass_program
def verify_domain(program: Program, name: str, email: str, *, force: bool, as_json: bool) -> None:
    """Look for the proof in DNS now; from then on mail for the domain is taken."""
    owner = program.user(email)
    claimed = program.store.run(lambda tx: domains.lookup_domain(tx, owner.id, name))
    if not force:
        asyncio.run(proving.require_proof(claimed, resolver=make_resolver(program.settings)))
    proved = program.store.run(lambda tx: proving.accept(tx, owner.id, name, master=program.master, now=program.now()))
    _show_domain(program, proved, as_json=as_json)


@domain.command("remove")
@click.argument("name", metavar="DOMAIN")
@whose
@pass_program
def remove_domain(program: Program, name: str, email: str) -> None:
    """Give a domain up; its agents must be gone."""
    owner = program.user(email)
    program.store.run(lambda tx: domains.delete_domain(tx, owner.id, name))
    click.echo(f"removed {name}")


@click.group()
def agent() -> None:
    """Agents: the addresses that receive."""


@agent.command("create")
@click.argument("address")
@whose
@click.option("--webhook", "url", help="Hand its mail to this URL.")
@click.option("--poll", is_flag=True, help="Keep its mail until it asks.")
@click.option("--name", default="", help="For people to read.")
@click.option("--on-unverified", type=click.Choice(["deliver", "reject"]), default="deliver", show_default=True)
@json_option
@pass_program
def create_agent(
    program: Program,
    address: str,
    email: str,
    url: str | None,
    name: str,
    on_unverified: str,
    *,
    poll: bool,
    as_json: bool,
) -> None:
    """Make an agent; *@DOMAIN takes what no other agent does."""
    if poll == (url is not None):
        raise click.UsageError("either --webhook URL or --poll")
    owner = program.user(email)
    made = program.store.run(
        lambda tx: making.create_agent(
            tx,
            owner.id,
            address,
            mode="poll" if poll else "webhook",
            webhook_url=url,
            master=program.master,
            allow=program.settings.webhook_allow_cidrs,
            now=program.now(),
            name=name,
            on_unverified=on_unverified,
        )
    )
    show(made, as_json=as_json)


@agent.command("list")
@whose
@json_option
@pass_program
def list_agents(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's agents."""
    owner = program.user(email)
    show_all(program.store.run(lambda tx: agents.list_agents_by_user(tx, owner.id)), _AGENT_COLUMNS, as_json=as_json)


@agent.command("show")
@click.argument("address")
@click.option("--secret", "with_secret", is_flag=True, help="Show its signing secrets too.")
@json_option
@pass_program
def show_agent(program: Program, address: str, *, with_secret: bool, as_json: bool) -> None:
    """Show one agent."""
    document = plain(program.agent(address))
    if with_secret:
        document["secrets"] = program.store.run(
            lambda tx: making.read_secrets(tx, document["address"], master=program.master, now=program.now())
        )
    show(document, as_json=as_json)


@agent.command("update")
@click.argument("address")
@click.option("--webhook", "url", help="Hand its mail to this URL from now on.")
@click.option("--poll", is_flag=True, help="Keep its mail until it asks from now on.")
@click.option("--name")
@click.option("--on-unverified", type=click.Choice(["deliver", "reject"]))
@json_option
@pass_program
def update_agent(
    program: Program,
    address: str,
    url: str | None,
    name: str | None,
    on_unverified: str | None,
    *,
    poll: bool,
    as_json: bool,
) -> None:
    """Change an agent; what is not named stays."""
    if poll and url is not None:
        raise click.UsageError("either --webhook URL or --poll")
    found = program.agent(address)
    changed = program.store.run(
        lambda tx: making.change_agent(
            tx,
            program.owner_of(found),
            found.address,
            mode="poll" if poll else None,
            webhook_url=url,
            allow=program.settings.webhook_allow_cidrs,
            name=name,
            on_unverified=on_unverified,
            now=program.now(),
        )
    )
    show(changed, as_json=as_json)


@agent.command("delete")
@click.argument("address")
@pass_program
def delete_agent(program: Program, address: str) -> None:
    """Remove an agent with everything it has received."""
    found = program.agent(address)
    program.store.run(lambda tx: agents.delete_agent(tx, program.owner_of(found), found.address))
    click.echo(f"deleted {found.address}")


def _show_domain(program: Program, domain: Domain, *, as_json: bool) -> None:
    records = [record.to_dict() for record in records_for(domain, hostname=program.settings.hostname)]
    if as_json:
        show({**plain(domain), "records": records}, as_json=True)
        return
    show({"domain": domain.domain, "verified": domain.verified}, as_json=False)
    click.echo("\nPublish:")
    show_all(records, ("type", "name", "value", "purpose"), as_json=False)
