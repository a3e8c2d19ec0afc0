"""Commands ``agent``: create, list, show, update, hitl (approvals), secret, delete."""

from typing import TYPE_CHECKING, Any, Final, get_args

import click

from relay.cli.arguments import user_option
from relay.cli.destroy import confirm, yes_option
from relay.cli.output import json_option, renamed, show, show_all
from relay.cli.program import Program, pass_program
from store.records.mail import ExpirationAction, Mode, OnUnverified

if TYPE_CHECKING:
    from store.records.mail import Agent
    from store.transaction import Tx

_COLUMNS: Final = ("address", "mode", "webhook_url", "webhook_off_at", "on_unverified", "domain_verified")
_SECRET_COLUMNS: Final = ("key_id", "secret", "created_at", "expires_at")
_MAX_TTL_SECONDS: Final = 604_800  # store.directory.hitl's, which imports the database

events_option = click.option(
    "--events",
    multiple=True,
    metavar="TYPE[,TYPE…]",
    help="Events that its webhook gets; may be repeated. Default: email.received.",
)
unverified = click.Choice(get_args(OnUnverified))


@click.group()
def agent() -> None:
    """Agents: the addresses that receive and send."""


@agent.command("create")
@click.argument("address", required=False)
@click.option("--slug", help="Instead of ADDRESS: the part before the @ on the relay's shared domain.")
@user_option
@click.option("--webhook", "url", help="Post its events to this URL.")
@click.option("--poll", is_flag=True, help="Keep its messages until it asks for them.")
@click.option("--name", default="", help="Shown to people.")
@events_option
@click.option("--on-unverified", type=unverified, default="deliver", show_default=True)
@click.option("--answer-lists", is_flag=True, help="Let it answer people who write through a mailing list.")
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
    answer_lists: bool,
    poll: bool,
    as_json: bool,
) -> None:
    """Create an agent; *@DOMAIN receives what no other agent of the domain does."""
    if poll == (url is not None):
        raise click.UsageError("give either --webhook URL or --poll")
    owner = program.user(email)
    values: dict[str, Any] = {"webhook_url": url, "name": name, "on_unverified": on_unverified}
    values["answer_lists"] = answer_lists
    if events:
        values["events"] = _split(events)
    chosen = _address(program, address, slug)
    made = program.store.run(lambda tx: _create(tx, program, owner.id, chosen, values))
    show(_document(made, program), as_json=as_json)


@agent.command("list")
@user_option
@json_option
@pass_program
def list_agents(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's agents."""
    from store.directory.agents import list_agents_by_user

    owner = program.user(email)
    found = program.store.run(lambda tx: list_agents_by_user(tx, owner.id))
    show_all([_document(each, program) for each in found], _COLUMNS, as_json=as_json)


@agent.command("show")
@click.argument("address")
@click.option("--secret", "with_secret", is_flag=True, help="Print its signing secrets too.")
@json_option
@pass_program
def show_agent(program: Program, address: str, *, with_secret: bool, as_json: bool) -> None:
    """Show one agent."""
    found = program.agent(address)
    document = _document(found, program)
    if with_secret:
        from relay.directory.agents import read_secrets

        document["secrets"] = program.store.run(
            lambda tx: read_secrets(tx, found.address, master=program.master, now=program.now())
        )
    show(document, as_json=as_json)


@agent.command("update")
@click.argument("address")
@click.option("--webhook", "url", help="Post its events to this URL from now on; ends the pause after a 410.")
@click.option("--poll", is_flag=True, help="Keep its messages until it asks for them, from now on.")
@click.option("--mode", type=click.Choice(get_args(Mode)), help="webhook needs a URL, given now or earlier.")
@click.option("--name")
@events_option
@click.option("--on-unverified", type=unverified)
@click.option("--answer-lists/--no-answer-lists", default=None, help="Whether it may answer mail of mailing lists.")
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
    answer_lists: bool | None,
    poll: bool,
    as_json: bool,
) -> None:
    """Change an agent; options that are not given stay as they are."""
    from relay.directory.agents import change_agent

    if poll and (url is not None or mode == "webhook"):
        raise click.UsageError("give either --webhook URL or --poll")
    found = program.agent(address)
    changed = program.store.run(
        lambda tx: change_agent(
            tx,
            program.owner_of(found),
            found.address,
            mode="poll" if poll else mode,
            webhook_url=url,
            allow=program.settings.webhook_allow_cidrs,
            name=name,
            events=_split(events) if events else None,
            on_unverified=on_unverified,
            answer_lists=answer_lists,
            now=program.now(),
        )
    )
    show(_document(changed, program), as_json=as_json)


@agent.command("hitl")
@click.argument("address")
@click.option("--on/--off", "enabled", default=None, help="Whether a reviewer approves each message first.")
@click.option("--ttl-seconds", type=click.IntRange(1, _MAX_TTL_SECONDS), help="How long a message waits.")
@click.option(
    "--expiration-action", type=click.Choice(get_args(ExpirationAction)), help="What happens without a decision."
)
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
    """Require a reviewer's approval before an agent's messages are sent, or stop requiring it."""
    from store.directory.hitl import update_agent_hitl

    if enabled is None:
        raise click.UsageError("give either --on or --off")
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
    show(_document(changed, program), as_json=as_json)


@agent.command("secret")
@click.argument("address")
@click.option("--rotate", is_flag=True, help="Create a new one first; the previous one stays valid for 24 hours.")
@json_option
@pass_program
def show_secrets(program: Program, address: str, *, rotate: bool, as_json: bool) -> None:
    """Print an agent's valid signing secrets, the current one first; three at most."""
    from relay.directory.agents import read_secrets, rotate_secret

    found = program.agent(address)
    now, master = program.now(), program.master

    def unit(tx: "Tx") -> list[dict[str, str | None]]:
        if rotate:
            return rotate_secret(tx, program.owner_of(found), found.address, master=master, now=now)
        return read_secrets(tx, found.address, master=master, now=now)

    secrets = program.store.run(unit)
    if as_json:
        show({"secrets": secrets}, as_json=True)
    else:
        show_all(secrets, _SECRET_COLUMNS, as_json=False)


@agent.command("delete")
@click.argument("address")
@yes_option
@pass_program
def delete_agent(program: Program, address: str, *, yes: bool) -> None:
    """Delete an agent with all its messages; asks first."""
    from store.directory import agents
    from store.directory.contents import count_agent_rows

    found = program.agent(address)
    counts = program.store.run(lambda tx: count_agent_rows(tx, found.address))
    confirm(f"delete the agent {found.address}", counts, yes=yes)
    program.store.run(lambda tx: agents.delete_agent(tx, program.owner_of(found), found.address))
    click.echo(f"deleted {found.address}")


def _address(program: Program, address: str | None, slug: str | None) -> str:
    """The new agent's address. Raises UsageError, NoSharedDomain, InvalidValue."""
    from relay.directory.agents import slug_address

    if (address is None) == (slug is None):
        raise click.UsageError("give either ADDRESS or --slug SLUG")
    return str(address) if slug is None else slug_address(slug, shared_domain=program.settings.shared_domain)


def _create(tx: "Tx", program: Program, user_id: str, address: str, values: dict[str, Any]) -> "Agent":
    from relay.directory.agents import create_agent
    from store.directory.domains import ensure_shared_domain

    shared = program.settings.shared_domain
    if shared is not None:  # a daemon creates it at its start, and may not have run yet
        ensure_shared_domain(tx, shared, now=program.now())
    return create_agent(
        tx,
        user_id,
        address,
        mode=None,
        master=program.master,
        allow=program.settings.webhook_allow_cidrs,
        now=program.now(),
        letters_domain=program.settings.outbound_from_domain,
        **values,
    )


def _document(found: "Agent", program: Program) -> dict[str, Any]:
    """The agent under the API's names, and its owner's id."""
    document = renamed(found)
    document["hitl"] = {name: document.pop(f"hitl_{name}") for name in ("enabled", "ttl_seconds", "expiration_action")}
    document["email_address"] = found.email_address
    document["actual_domain"] = found.actual_domain
    document["is_shared"] = found.is_shared_domain(program.settings.shared_domain)
    return document


def _split(events: tuple[str, ...]) -> list[str]:
    return [name.strip() for each in events for name in each.split(",") if name.strip()]
