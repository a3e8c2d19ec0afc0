"""Commands ``key``: create, list, revoke API keys."""

from typing import Final, get_args

import click

from relay.cli.arguments import user_option
from relay.cli.destroy import confirm, yes_option
from relay.cli.output import json_option, renamed, show, show_all
from relay.cli.program import Program, pass_program
from store.records.mail import Scope

_COLUMNS: Final = ("key_id", "prefix", "name", "agent", "scopes", "created_at", "last_used_at")


@click.group()
def key() -> None:
    """API keys of users."""


@key.command("create")
@user_option
@click.option("--name", default="", help="To tell keys apart.")
@click.option("--agent", help="For this agent only.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(get_args(Scope)), help="What the key permits; default: all."
)
@json_option
@pass_program
def create_api_key(
    program: Program, email: str, name: str, agent: str | None, scopes: tuple[Scope, ...], *, as_json: bool
) -> None:
    """Create a key and print it, only this once."""
    from relay.directory.keys import create_key
    from store.directory import keys

    owner = program.user(email)
    kept, plaintext = program.store.run(
        lambda tx: create_key(tx, owner.id, name=name, agent=agent, scopes=scopes or keys.ALL_SCOPES, now=program.now())
    )
    show({**renamed(kept, id="key_id"), "api_key": plaintext}, as_json=as_json)


@key.command("list")
@user_option
@json_option
@pass_program
def list_keys(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's keys."""
    from store.directory import keys

    owner = program.user(email)
    rows = program.store.run(lambda tx: keys.list_api_keys(tx, owner.id))
    show_all([renamed(each, id="key_id") for each in rows], _COLUMNS, as_json=as_json)


@key.command("revoke")
@click.argument("key_id")
@user_option
@yes_option
@pass_program
def revoke_key(program: Program, key_id: str, email: str, *, yes: bool) -> None:
    """Revoke a key: the next request with it is refused; asks first."""
    from store.directory import keys

    owner = program.user(email)
    confirm(f"revoke the key {key_id} of {owner.email}", yes=yes)
    program.store.run(lambda tx: keys.delete_api_key(tx, owner.id, key_id))
    click.echo(f"revoked {key_id}")
