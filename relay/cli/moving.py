"""The store as a whole: backed up, restored, moved to another database."""

import sys
from pathlib import Path

import click

from relay.cli.output import json_option, show, show_all
from relay.cli.program import Program, pass_program
from relay.instance import alone
from store import backup as copies
from store.connect import database_file, open_engine
from store.copy import copy_store

_KEY = "The master key is not in it: keep that too, without it the signing secrets inside are lost."

_NOW = "Set MAILSEAL_DATABASE_URL to that database, and keep the same secret key. The old store is as it was."


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@pass_program
def backup(program: Program, file: Path, *, force: bool, as_json: bool) -> None:
    """Copy the whole store into FILE, whether or not the daemon runs."""
    url = program.settings.database
    database = database_file(url)
    if database is None:
        raise click.ClickException(f"on PostgreSQL its own program does that better: {copies.dump_command(url, file)}")
    made = copies.back_up(database, file, overwrite=force)
    document = {"file": str(made.file.resolve()), "bytes": made.size, "revision": made.revision, **made.rows}
    show(document, as_json=as_json)
    click.echo(f"{_KEY} ({program.settings.secret_place})", err=True)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_program
def restore(program: Program, file: Path, *, as_json: bool) -> None:
    """Put the store of FILE in the place of the one there is, which is kept beside it. The daemon must be stopped."""
    settings = program.settings
    database = database_file(settings.database)
    if database is None:
        raise click.ClickException(
            f"on PostgreSQL its own program does that better: {copies.restore_command(settings.database, file)}"
        )
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(settings.data_dir):
        aside = copies.restore(file, database, now=program.now())
        program.open_store(may_migrate=True)
    show({"restored": str(database.resolve()), "before": aside and str(aside.resolve())}, as_json=as_json)


@click.command("migrate-to")
@click.argument("url")
@json_option
@pass_program
def migrate_to(program: Program, url: str, *, as_json: bool) -> None:
    """Copy the store to the empty database at URL, and compare both. The daemon must be stopped."""
    settings = program.settings
    with alone(settings.data_dir):
        target = open_engine(url)
        click.get_current_context().call_on_close(target.dispose)
        copied = copy_store(program.store.engine, target, tell=_tell)
    show_all(copied, ("table", "rows", "digest"), as_json=as_json)
    click.echo(_NOW, err=True)


def _tell(table: str, rows: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{table}: {rows}", nl=False, err=True)
