"""Commands ``backup``, ``restore``, ``migrate-to``, ``reopen`` and ``rotate-master-key``: the store as a whole."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.destroy import confirm, yes_option
from relay.cli.output import json_option, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from relay.settings import Settings

_KEY = "The backup does not contain the master key: keep a copy of it too, or the signing secrets are lost."


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
@pass_program
def backup(program: Program, file: Path, *, force: bool, as_json: bool) -> None:
    """Copy the whole store into FILE; the daemon may run."""
    from relay.data_dir_lock import shared_lock
    from relay.database import require_store
    from relay.errors import Refused
    from store.upkeep.backup import back_up, dump_command, remember_backup

    settings = program.settings
    database = _database(settings)
    if database is None:
        raise Refused(f"PostgreSQL has its own program for this: {dump_command(settings.database, file)}")
    require_store(settings)
    with shared_lock(settings.data_dir):
        made = back_up(database, file, overwrite=force)
        remember_backup(database, now=program.now())
    show(
        {"file": str(made.file.absolute()), "bytes": made.size, "revision": made.revision, **made.rows}, as_json=as_json
    )
    click.echo(f"{_KEY} ({settings.secret_place})", err=True)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--send-queued", is_flag=True, help="Send what was queued in FILE; it may have been sent since.")
@json_option
@pass_program
def restore(program: Program, file: Path, *, send_queued: bool, as_json: bool) -> None:
    """Replace the store by the one in FILE; the old one is kept.

    The daemon must be stopped. Messages that were queued in FILE may have been sent since: they become unconfirmed,
    and their owners decide. Letters that were pending are not sent.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.database import require_own_key
    from relay.errors import Refused
    from store.upkeep.backup import restore_command
    from store.upkeep.restore import restore as put_back

    settings = program.settings
    database = _database(settings)
    if database is None:
        raise Refused(f"PostgreSQL has its own program for this: {restore_command(settings.database, file)}")
    with exclusive_lock(settings.data_dir):
        done = put_back(
            file,
            database,
            now=program.now(),
            require_own=lambda store: require_own_key(store, settings, now=program.now()),
            hold_queued=not send_queued,
        )
    document = {"restored": str(database.absolute()), "before": done.aside and str(done.aside.absolute())}
    held = {"unconfirmed": done.unconfirmed, "letters_withheld": done.letters_withheld}
    show(document | {"revision": done.revision, **done.rows, **held}, as_json=as_json)
    if done.unconfirmed:
        click.echo(
            f"{done.unconfirmed} messages that were queued or being sent are unconfirmed now: "
            "resolve each with `mailseal message resolve`.",
            err=True,
        )
    if done.letters_withheld:
        click.echo(
            f"{done.letters_withheld} letters that were pending are not sent: `mailseal review list` shows what waits.",
            err=True,
        )


@click.command("migrate-to")
@click.argument("url")
@json_option
@pass_program
def migrate_to(program: Program, url: str, *, as_json: bool) -> None:
    """Copy the store to an empty database, and mark the old one as moved.

    Both are compared first. The daemon must be stopped. After an interruption, run it again: it continues.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.database import require_own_key, require_store
    from store.database.connect import open_engine, open_store, place_of
    from store.database.moved import mark_moved
    from store.upkeep.copy.copy import copy_store

    settings = program.settings
    require_store(settings)
    with exclusive_lock(settings.data_dir):
        store, target = open_store(settings.database, answer_seconds=None), open_engine(url, answer_seconds=None)
        for engine in (store.engine, target):
            click.get_current_context().call_on_close(engine.dispose)
        _require_revision(store.engine)
        require_own_key(store, settings, now=program.now())
        shown = place_of(target.url)
        copied = copy_store(
            store.engine,
            target,
            on_progress=_tell,
            on_equal=lambda: mark_moved(store.engine, to=shown, now=program.now()),
        )
    _end_line()
    show_all(copied, ("table", "rows", "digest"), as_json=as_json)
    click.echo(
        f"Now set MAILSEAL_DATABASE_URL={shown} and keep the same master key ({settings.secret_place}).", err=True
    )
    click.echo("The old store is marked as moved, and not used any more; `mailseal reopen` undoes that.", err=True)


@click.command()
@json_option
@pass_program
def reopen(program: Program, *, as_json: bool) -> None:
    """Use a store again that was moved to another database.

    No daemon may use the other one: messages that are queued in both would be sent twice.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.database import require_store
    from store.database.connect import open_engine, place_of
    from store.database.moved import forget_moved

    settings = program.settings
    require_store(settings)
    with exclusive_lock(settings.data_dir):
        engine = open_engine(settings.database)
        click.get_current_context().call_on_close(engine.dispose)
        was_moved = forget_moved(engine)
    show({"store": place_of(engine.url), "was_moved": was_moved}, as_json=as_json)


@click.command("rotate-master-key")
@click.option(
    "--new-key-file",
    "new_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the new key, where the settings name the place of the old one; default: the relay makes one.",
)
@yes_option
@json_option
@pass_program
def rotate_master_key(program: Program, new_file: Path | None, *, yes: bool, as_json: bool) -> None:
    """Encrypt all secrets under a new master key.

    Every daemon on the store must be stopped. Agents' secrets stay the same; sign-in links, review links and the URL
    for provider events are made from the key, and those that were given out end.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.database import open_database, require_store
    from relay.errors import DaemonRuns
    from relay.rotation import rotate_master
    from store.database.diagnosis import count_other_connections

    settings = program.settings
    require_store(settings)
    with exclusive_lock(settings.data_dir):
        store = open_database(settings, now=program.now())
        click.get_current_context().call_on_close(store.engine.dispose)
        if others := count_other_connections(store.engine):
            raise DaemonRuns(f"{others} connections of other daemons are open on the database: stop them first")
        confirm("replace the master key; links that were sent to people end", yes=yes)
        count, kept = rotate_master(store, settings, now=program.now(), new_file=new_file)
    show({"secrets": count, "key": str(new_file or settings.secret_place), "old_key": kept}, as_json=as_json)
    if new_file is not None:
        click.echo(f"Now put this key in place of the one in {settings.secret_place}.", err=True)


def _require_revision(engine: "Engine") -> None:
    """Raise InvalidValue: the store is not at this program's revision, so it cannot be read as this program does."""
    from store.database.migrate import state
    from store.errors import InvalidValue

    if not state(engine, may_be_moved=True).is_current:
        raise InvalidValue("the store is not at this program's revision: run `mailseal migrate` first")


def _database(settings: "Settings") -> Path | None:
    from relay.errors import Misconfigured
    from store.database.connect import database_file
    from store.errors import InvalidValue

    try:
        return database_file(settings.database)
    except InvalidValue as error:
        raise Misconfigured(f"MAILSEAL_DATABASE_URL: {error}") from error


def _tell(table: str, rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{table}: {rows}", nl=False, err=True)


def _end_line() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
