"""Commands ``serve``, ``demo``, ``init`` and ``migrate``: run the relay, or prepare it to run."""

import sys
from typing import TYPE_CHECKING, Final

import click

from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from relay.settings import Settings
    from relay.workers.role import WorkerRole

# How long a thread may run while another one waits for the interpreter. With the default of 5 ms the
# store's threads wait for the event loop at each statement; a much shorter time costs more than it saves.
_SWITCH_SECONDS: Final = 0.0005


@click.command()
@click.option(
    "--migrate", "may_migrate", is_flag=True, help="Bring a PostgreSQL database to the newest revision first."
)
@pass_program
def serve(program: Program, *, may_migrate: bool) -> None:
    """Receive, authenticate, store and deliver mail until SIGTERM."""
    import asyncio

    import uvloop

    from relay import log
    from relay import serve as service
    from relay.heap import keep_heap_small

    settings, role = program.settings, None
    log.configure(form=settings.log_format, level=settings.log_level)
    sys.setswitchinterval(_SWITCH_SECONDS)
    keep_heap_small()
    count = _count_workers(settings)
    if count > 1:
        role = _supervise(program, count)
        settings = role.settings
        log.configure(form=settings.log_format, level=settings.log_level, worker=role.part.number)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(service.serve(settings, may_migrate=may_migrate or None, load=program.load_settings, role=role))


def _count_workers(settings: "Settings") -> int:
    """How many processes are to serve."""
    from relay.workers.cores import usable_cores

    return settings.workers or usable_cores()


def _supervise(program: Program, count: int) -> "WorkerRole":
    """Run the workers, and end this process after them; returns in each worker."""
    from relay.systemd import inherited_sockets
    from relay.workers.supervisor import Supervisor

    supervisor = Supervisor(program.settings, count=count, load=program.load_settings, sockets=inherited_sockets())
    found = supervisor.run()
    if isinstance(found, int):
        sys.exit(found)
    return found


@click.command()
@click.option("--keep", is_flag=True, help="Keep the relay running after the demonstration.")
def demo(*, keep: bool) -> None:
    """Send three messages through a relay on this machine, and show what arrives."""
    import asyncio

    import uvloop

    from relay.demo.run import run_demo

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(run_demo(keep=keep)) else 1)


@click.command()
@click.option("--new", "is_new", is_flag=True, help="Make an empty store although the one of this master key is gone.")
@json_option
@pass_program
def init(program: Program, *, is_new: bool, as_json: bool) -> None:
    """Create the data directory, the secret key and the database."""
    from store.database import migrate as chain

    settings = program.settings
    store = program.make_store(is_new=is_new)
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
    from store.database import migrate as chain

    store = program.open_store(may_migrate=True)
    show({"revision": chain.state(store.engine).found}, as_json=as_json)
