"""Commands ``backup``, ``restore`` and ``migrate-to``: the store as a whole."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relay.cli.output import json_option, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
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
    from relay.errors import Refused
    from store.upkeep.backup import back_up, dump_command

    settings = program.settings
    database = _database(settings)
    if database is None:
        raise Refused(f"PostgreSQL has its own program for this: {dump_command(settings.database, file)}")
    with shared_lock(settings.data_dir):
        made = back_up(database, file, overwrite=force)
    show(
        {"file": str(made.file.absolute()), "bytes": made.size, "revision": made.revision, **made.rows}, as_json=as_json
    )
    click.echo(f"{_KEY} ({settings.secret_place})", err=True)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_program
def restore(program: Program, file: Path, *, as_json: bool) -> None:
    """Replace the store by the one in FILE; the old one is kept.

    The daemon must be stopped.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.errors import Refused
    from store.upkeep.backup import restore_command
    from store.upkeep.restore import restore as put_back

    settings = program.settings
    database = _database(settings)
    if database is None:
        raise Refused(f"PostgreSQL has its own program for this: {restore_command(settings.database, file)}")
    with exclusive_lock(settings.data_dir):
        done = put_back(file, database, now=program.now())
    document = {"restored": str(database.absolute()), "before": done.aside and str(done.aside.absolute())}
    show(document | {"revision": done.revision, **done.rows}, as_json=as_json)
    click.echo(f"The restored store needs the master key it was made with, in {settings.secret_place}.", err=True)


@click.command("migrate-to")
@click.argument("url")
@json_option
@pass_program
def migrate_to(program: Program, url: str, *, as_json: bool) -> None:
    """Copy the store to the empty database at URL, and compare both.

    The daemon must be stopped. After an interruption, run it again: it continues.
    """
    from relay.data_dir_lock import exclusive_lock
    from relay.errors import Misconfigured
    from store.database.connect import open_engine
    from store.upkeep.copy.copy import copy_store

    settings = program.settings
    database = _database(settings)
    with exclusive_lock(settings.data_dir):
        if database is not None and not database.exists():
            raise Misconfigured(f"there is no store at {database}")
        source, target = open_engine(settings.database), open_engine(url)
        for engine in (source, target):
            click.get_current_context().call_on_close(engine.dispose)
        copied = copy_store(source, target, on_progress=_tell)
    _end_line()
    show_all(copied, ("table", "rows", "digest"), as_json=as_json)
    shown = target.url.set(drivername=target.dialect.name).render_as_string(hide_password=True)
    click.echo(
        f"Now set MAILSEAL_DATABASE_URL={shown} and keep the same master key ({settings.secret_place}).", err=True
    )
    click.echo("The old store is unchanged.", err=True)


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
