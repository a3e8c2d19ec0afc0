"""Commands ``pause`` and ``resume``: stop and start all sending, in each process on the database."""

import click

from relay.cli.output import json_option, show
from relay.cli.program import Program, pass_program


@click.command()
@click.option("--reason", default="", metavar="TEXT", help="Shown by `mailseal doctor`.")
@json_option
@pass_program
def pause(program: Program, reason: str, *, as_json: bool) -> None:
    """Stop all sending now; messages that agents write are kept.

    Letters to people (review requests, sign-in links) are not sent either.
    """
    from store.directory.sending_pause import MAX_REASON, pause_sending
    from store.errors import InvalidValue
    from store.names import is_text

    if not is_text(reason, most=MAX_REASON):
        raise InvalidValue(f"reason: at most {MAX_REASON} printable characters")
    made = program.store.run(lambda tx: pause_sending(tx, reason=reason, now=program.now()))
    show({"paused": True, "at": made.at, "reason": made.reason or None}, as_json=as_json)


@click.command()
@json_option
@pass_program
def resume(program: Program, *, as_json: bool) -> None:
    """Start sending again, the oldest messages first."""
    from store.directory.sending_pause import resume_sending

    was_paused = program.store.run(resume_sending)
    show({"paused": False, "was_paused": was_paused}, as_json=as_json)
