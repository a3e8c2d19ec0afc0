"""All sending stopped and started again, for every process on the database."""

import click

from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program
from store.directory.sending_pause import MAX_REASON, pause_sending, resume_sending
from store.errors import InvalidValue
from store.names import is_text


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Shown by `mailseal doctor`.")
@json_option
@pass_program
def pause(program: Program, reason: str, *, as_json: bool) -> None:
    """Stop all sending at once, letters to people included. Mail that agents write is kept meanwhile."""
    if not is_text(reason, most=MAX_REASON):
        raise InvalidValue(f"reason: at most {MAX_REASON} printable characters")
    made = program.store.run(lambda tx: pause_sending(tx, reason=reason, now=program.now()))
    show({"paused": True, "at": made.at, "reason": made.reason or None}, as_json=as_json)


@click.command()
@json_option
@pass_program
def resume(program: Program, *, as_json: bool) -> None:
    """Let mail go out again, first what has waited longest."""
    was_paused = program.store.run(resume_sending)
    show({"paused": False, "was_paused": was_paused}, as_json=as_json)
