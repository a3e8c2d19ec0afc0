"""Agents: made, looked at, changed, deleted; their holds and their signing secrets."""

from typing import Any, Final

import click

from relay.cli.arguments import whose
from relay.cli.output import json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from relay.directory import agents as making
from store.directory import agents
from store.directory.domains import ensure_shared_domain
from store.directory.hitl import ACTIONS, MAX_TTL_SECONDS, update_agent_hitl
from store.records.mail import Agent, ExpirationAction, Mode
from store.transaction import Tx

_COLUMNS: Final = ("address", "mode", "webhook_url", "webhook_off_at", "on_unverified", "domain_verified")
_SECRET_COLUMNS: Final = ("key_id", "secret", "created_at", "expires_at")

events_option = click.option(
    "--events",
    multiple=True,
    metavar="TYPE[,TYPE…]",
    help="Which events its webhook gets; may be given again. email.received unless given.",
)
unverified = click.Choice(["deliver", "reject"])


@click.group()
def agent() -> None:
    """Agents: the addresses that receive."""


@agent.command("create")
@click.argument("address", required=False)
@click.option("--slug", help="Instead of an address: the part before the @ on the relay's shared domain.")
@whose
@click.option("--webhook", "url", help="Hand its mail to this URL.")
@click.option("--poll", is_flag=True, help="Keep its mail until it asks.")
@click.option("--name", default="", help="For people to read.")
@events_option
@click.option("--on-unverified", type=unverified, default="deliver", show_default=True)
@json_option
@pass_program
def create_agent(
    program: Program,
    address: str | None,
    slug: str | None,
    email: str,
    url: str | None,
    name: str,
    events: tuple[str, ...],
    on_unverified: str,
    *,
    poll: bool,
    as_json: bool,
) -> None:
    """Make an agent; *@DOMAIN takes what no other agent does."""
    if poll == (url is not None):
        raise click.UsageError("either --webhook URL or --poll")
    owner = program.user(email)
    values: dict[str, Any] = {"webhook_url": url, "name": name, "on_unverified": on_unverified}
    if events:
        values["events"] = _named(events)
    place = _place(program, address, slug)
    made = program.store.run(lambda tx: _make(tx, program, owner.id, place, values))
    show(made, as_json=as_json)


@agent.command("list")
@whose
@json_option
@pass_program
def list_agents(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's agents."""
    owner = program.user(email)
    show_all(program.store.run(lambda tx: agents.list_agents_by_user(tx, owner.id)), _COLUMNS, as_json=as_json)


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
@click.option("--webhook", "url", help="Hand its mail to this URL from now on; one that said 410 is on again.")
@click.option("--poll", is_flag=True, help="Keep its mail until it asks from now on.")
@click.option("--mode", type=click.Choice(["webhook", "poll"]), help="webhook needs a URL, here or from before.")
@click.option("--name")
@events_option
@click.option("--on-unverified", type=unverified)
@json_option
@pass_program
def update_agent(
    program: Program,
    address: str,
    url: str | None,
    mode: Mode | None,
    name: str | None,
    events: tuple[str, ...],
    on_unverified: str | None,
    *,
    poll: bool,
    as_json: bool,
) -> None:
    """Change an agent; what is not named stays."""
    if poll and (url is not None or mode == "webhook"):
        raise click.UsageError("either --webhook URL or --poll")
    found = program.agent(address)
    changed = program.store.run(
        lambda tx: making.change_agent(
            tx,
            program.owner_of(found),
            found.address,
            mode="poll" if poll else mode,
            webhook_url=url,
            allow=program.settings.webhook_allow_cidrs,
            name=name,
            events=_named(events) if events else None,
            on_unverified=on_unverified,
            now=program.now(),
        )
    )
    show(changed, as_json=as_json)


@agent.command("hitl")
@click.argument("address")
@click.option("--on/--off", "enabled", default=None, help="Whether a person is asked first.")
@click.option("--ttl-seconds", type=click.IntRange(1, MAX_TTL_SECONDS), help="How long a mail waits.")
@click.option("--expiration-action", type=click.Choice(ACTIONS), help="What happens when nobody decides.")
@json_option
@pass_program
def change_hitl(
    program: Program,
    address: str,
    ttl_seconds: int | None,
    expiration_action: ExpirationAction | None,
    *,
    enabled: bool | None,
    as_json: bool,
) -> None:
    """Have a person asked before an agent's mail goes out, or not; what is not named stays."""
    if enabled is None:
        raise click.UsageError("either --on or --off")
    found = program.agent(address)
    changed = program.store.run(
        lambda tx: update_agent_hitl(
            tx,
            program.owner_of(found),
            found.address,
            enabled=enabled,
            ttl_seconds=ttl_seconds or found.hitl_ttl_seconds,
            expiration_action=expiration_action or found.hitl_expiration_action,
            now=program.now(),
        )
    )
    show(changed, as_json=as_json)


@agent.command("secret")
@click.argument("address")
@click.option("--rotate", is_flag=True, help="Make a new one first; the one before stays valid for 24 hours.")
@json_option
@pass_program
def show_secrets(program: Program, address: str, *, rotate: bool, as_json: bool) -> None:
    """Show the valid signing secrets of an agent, the current one first; three at most."""
    found = program.agent(address)
    now, master = program.now(), program.master

    def unit(tx: Tx) -> list[dict[str, str | None]]:
        if rotate:
            return making.rotate_secret(tx, program.owner_of(found), found.address, master=master, now=now)
        return making.read_secrets(tx, found.address, master=master, now=now)

    secrets = program.store.run(unit)
    if as_json:
        show({"secrets": secrets}, as_json=True)
    else:
        show_all(secrets, _SECRET_COLUMNS, as_json=False)


@agent.command("delete")
@click.argument("address")
@pass_program
def delete_agent(program: Program, address: str) -> None:
    """Remove an agent with everything it has received."""
    found = program.agent(address)
    program.store.run(lambda tx: agents.delete_agent(tx, program.owner_of(found), found.address))
    click.echo(f"deleted {found.address}")


def _place(program: Program, address: str | None, slug: str | None) -> str:
    """Where the agent is to be. Raises UsageError, NoSharedDomain, InvalidValue."""
    if (address is None) == (slug is None):
        raise click.UsageError("either ADDRESS or --slug SLUG")
    return str(address) if slug is None else making.slug_address(slug, shared_domain=program.settings.shared_domain)


def _make(tx: Tx, program: Program, user_id: str, address: str, values: dict[str, Any]) -> Agent:
    shared = program.settings.shared_domain
    if shared is not None:  # which a daemon makes at its start, and none may have run yet
        ensure_shared_domain(tx, shared, now=program.now())
    return making.create_agent(
        tx,
        user_id,
        address,
        mode=None,
        master=program.master,
        allow=program.settings.webhook_allow_cidrs,
        now=program.now(),
        **values,
    )


def _named(events: tuple[str, ...]) -> list[str]:
    return [name.strip() for each in events for name in each.split(",") if name.strip()]
