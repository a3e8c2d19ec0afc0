"""Commands ``user``: create, list, export, import, delete; and ``login-link``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.destroy import confirm, yes_option
from relay.cli.output import harmless, json_option, renamed, show, show_all
from relay.cli.program import Program, pass_program
from relay.private_file import private_file

if TYPE_CHECKING:
    from store.transaction import Tx

_COLUMNS = ("user_id", "email", "name", "created_at")


@click.group()
def user() -> None:
    """Users: owners of domains, agents and keys."""


@user.command("create")
@click.argument("email")
@click.option("--name", help="Shown to people.")
@json_option
@pass_program
def create_user(program: Program, email: str, name: str | None, *, as_json: bool) -> None:
    """Create a user, or find an existing one, and print a new API key."""
    from relay.directory.keys import create_key
    from store.directory.users import bootstrap_user

    def unit(tx: "Tx") -> dict[str, str]:
        found = bootstrap_user(tx, email, name=name, now=program.now())
        _, plaintext = create_key(tx, found.id, name="cli", now=program.now())
        return {"user_id": found.id, "email": found.email, "api_key": plaintext}

    show(program.store.run(unit), as_json=as_json)


@user.command("list")
@json_option
@pass_program
def list_users(program: Program, *, as_json: bool) -> None:
    """List all users."""
    from store.directory import users

    rows = [renamed(each, id="user_id") for each in program.store.run(users.list_users)]
    show_all(rows, _COLUMNS, as_json=as_json)


@user.command("export")
@click.argument("email")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A new file; default: standard output.")
@pass_program
def export_user(program: Program, email: str, output: Path | None) -> None:
    """Write a user's data into a zip: account.jsonl and the messages, without secrets."""
    from relay.account.export import export_account

    owner = program.user(email)
    with private_file(output) as file:
        for part in export_account(program.store, owner.id, now=program.now()):
            file.write(part)


@user.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--verified", is_flag=True, help="Keep verified domains verified without asking DNS.")
@json_option
@pass_program
def import_user(program: Program, file: Path, *, verified: bool, as_json: bool) -> None:
    """Import what `user export` wrote.

    After an interruption, run it again: objects that exist already are skipped.
    """
    from functools import partial

    from relay.account.archive import Archive
    from relay.account.take_in import Rules, import_account
    from relay.directory.agents import check_address

    letters_domain = program.settings.outbound_from_domain
    rules = Rules(verified=verified, check_address=partial(check_address, letters_domain=letters_domain))
    with Archive(file) as archive:
        owner, counts = import_account(
            archive, rules=rules, store=program.store, master=program.master, clock=program.clock
        )
    show_all(counts, ("kind", "kept", "there_already", "left_out"), as_json=as_json)
    click.echo(
        f"Imported for {harmless(owner.email)}, {owner.id}. An export contains no API keys and no signing secrets: "
        "create new ones.",
        err=True,
    )


@user.command("delete")
@click.argument("email")
@yes_option
@json_option
@pass_program
def delete_user(program: Program, email: str, *, yes: bool, as_json: bool) -> None:
    """Delete a user with all domains, agents and messages, permanently; asks first."""
    from store.directory.contents import count_user_rows
    from store.upkeep.erasure import delete_user_data

    owner = program.user(email)
    counts = program.store.run(lambda tx: count_user_rows(tx, owner.id))
    confirm(f"delete the user {owner.email}", counts, yes=yes)
    gone = program.store.run(lambda tx: delete_user_data(tx, owner.id))
    show(gone, as_json=as_json)


@user.command("sign-out")
@click.argument("email")
@json_option
@pass_program
def sign_out_user(program: Program, email: str, *, as_json: bool) -> None:
    """End all console sessions of a user, and void unused sign-in links."""
    from store.directory.sessions import delete_user_sessions

    found = program.user(email)
    ended = program.store.run(lambda tx: delete_user_sessions(tx, found.id))
    show({"email": found.email, "sessions_ended": ended}, as_json=as_json)


@click.command("login-link")
@click.argument("email")
@json_option
@pass_program
def login_link(program: Program, email: str, *, as_json: bool) -> None:
    """Print a link that signs a user in, valid once for 15 minutes."""
    import secrets

    from relay.directory.sign_in import LASTS, sign_in_link
    from store.directory.used_links import sign_in_epoch

    found, now = program.user(email), program.now()
    url = sign_in_link(
        found.id,
        epoch=program.store.run(lambda tx: sign_in_epoch(tx, found.id)),
        base_url=program.settings.base_url,
        key=program.master.links,
        nonce=secrets.token_urlsafe(16),
        now=now,
    )
    if as_json:
        show({"email": found.email, "url": url, "expires_at": now + LASTS}, as_json=True)
    else:
        click.echo(url)
