"""Who exists: users and their keys."""

from pathlib import Path

import click

from relay.account.archive import Archive
from relay.account.export import export_account
from relay.account.take_in import Rules, import_account
from relay.cli.arguments import whose
from relay.cli.output import harmless, json_option, plain, show, show_all
from relay.cli.program import Program, pass_program
from relay.directory.agents import check_slug
from relay.directory.keys import create_key
from store.directory import keys, users
from store.transaction import Tx
from store.upkeep.erasure import delete_user_data


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


@user.command("export")
@click.argument("email")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to; else standard output.")
@pass_program
def export_user(program: Program, email: str, output: Path | None) -> None:
    """Write everything a user owns into a zip: account.jsonl and the mails. No secrets."""
    owner = program.user(email)
    with click.open_file(str(output or "-"), "wb") as file:
        for part in export_account(program.store, owner.id, now=program.now()):
            file.write(part)


@user.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--verified", is_flag=True, help="Take your word for domains that were verified, instead of DNS's.")
@json_option
@pass_program
def import_user(program: Program, file: Path, *, verified: bool, as_json: bool) -> None:
    """Take in what `user export` wrote. After an interruption, run it again: what is there already is passed over."""
    rules = Rules(verified=verified, check_slug=check_slug)
    with Archive(file) as archive:
        owner, counts = import_account(
            archive, rules=rules, store=program.store, master=program.master, clock=program.clock
        )
    show_all(counts, ("kind", "kept", "there_already", "left_out"), as_json=as_json)
    click.echo(
        f"These are {harmless(owner.email)}'s, {owner.id}. Keys and agents' secrets are not in an export.", err=True
    )


@user.command("delete")
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_program
def delete_user(program: Program, email: str, *, yes: bool, as_json: bool) -> None:
    """Take a user away with everything that is theirs, for good."""
    owner = program.user(email)
    if not yes:
        click.confirm(f"Delete {owner.email}, with all domains, agents and mail?", abort=True, err=True)
    counts = program.store.run(lambda tx: delete_user_data(tx, owner.id))
    show(counts, as_json=as_json)


@click.group()
def key() -> None:
    """API keys."""


@key.command("create")
@whose
@click.option("--name", default="", help="To tell it apart.")
@click.option("--agent", help="For this agent alone.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(keys.ALL_SCOPES), help="What it may do; all unless given."
)
@json_option
@pass_program
def create_api_key(
    program: Program, email: str, name: str, agent: str | None, scopes: tuple[str, ...], *, as_json: bool
) -> None:
    """Make a key and show it this once."""
    owner = program.user(email)
    kept, plaintext = program.store.run(
        lambda tx: create_key(tx, owner.id, name=name, agent=agent, scopes=scopes or keys.ALL_SCOPES, now=program.now())
    )
    show({**plain(kept), "api_key": plaintext}, as_json=as_json)


@key.command("list")
@whose
@json_option
@pass_program
def list_keys(program: Program, email: str, *, as_json: bool) -> None:
    """List a user's keys."""
    owner = program.user(email)
    rows = program.store.run(lambda tx: keys.list_api_keys(tx, owner.id))
    show_all(rows, ("id", "prefix", "name", "agent", "scopes", "created_at", "last_used_at"), as_json=as_json)


@key.command("revoke")
@click.argument("key_id")
@whose
@pass_program
def revoke_key(program: Program, key_id: str, email: str) -> None:
    """Make a key worthless, at once."""
    owner = program.user(email)
    program.store.run(lambda tx: keys.delete_api_key(tx, owner.id, key_id))
    click.echo(f"revoked {key_id}")
