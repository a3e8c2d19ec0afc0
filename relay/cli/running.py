"""Commands that run the relay, or make it ready to run."""

import asyncio
import sys
from typing import Final

import click
import uvloop

from relay import daemon, log
from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program
from relay.demo.run import run_demo
from relay.errors import Misconfigured
from relay.wiring import make_master
from store.database import migrate as chain

# How long one thread may keep the interpreter while another wants it. The default of 5 ms makes
# the store's threads wait on the loop at every statement; much less costs more switches than it saves.
_SWITCH_SECONDS: Final = 0.0005


@click.command()
@click.option("--migrate", "may_migrate", is_flag=True, help="Bring a PostgreSQL database up to date first.")
@pass_program
def serve(program: Program, *, may_migrate: bool) -> None:
    """Receive, authenticate, keep and deliver mail until SIGTERM."""
    settings = program.settings
    log.configure(form=settings.log_format, level=settings.log_level)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(daemon.serve(settings, may_migrate=may_migrate or None))
    except OSError as error:
        raise Misconfigured(f"cannot listen: {error}") from error


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running, to play with.")
def demo(*, keep: bool) -> None:
    """Show the whole way of three mails, in a few seconds, on this machine alone."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(run_demo(keep=keep)) else 1)


@click.command()
@json_option
@pass_program
def init(program: Program, *, as_json: bool) -> None:
    """Make the data directory, the secret key and the database."""
    settings = program.settings
    make_master(settings)
    store = program.open_store(may_migrate=True)
    document = {
        "data_dir": str(settings.data_dir.resolve()),
        "database": store.engine.url.render_as_string(hide_password=True),
        "hostname": settings.hostname,
        "revision": chain.state(store.engine).found,
    }
    show(document, as_json=as_json)


@click.command()
@json_option
@pass_program
def migrate(program: Program, *, as_json: bool) -> None:
    """Bring the database to the newest revision."""
    store = program.open_store(may_migrate=True)
    show({"revision": chain.state(store.engine).found}, as_json=as_json)
