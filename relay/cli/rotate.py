"""Command ``rotate-master-key``: encrypt all secrets under a new master key."""

from pathlib import Path

import click

from relay.cli.destroy import confirm, yes_option
from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program


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
