"""``mailseal listen``: mail for an agent, handed to a program that runs here."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import click
import orjson

from relay.bridge.forward import Forwarded, forward
from relay.bridge.listen import listen as follow
from relay.bridge.resume_point import ResumePoint, load_place
from relay.bridge.source import Source
from relay.bridge.sse import SseEvent
from relay.cli.output import harmless, json_option, plain
from relay.cli.program import Program, pass_program
from relay.delivery.post import Poster
from relay.egress import check_url
from relay.errors import ForbiddenTarget
from relay.signing.keys import is_key

_FORWARD_SECONDS: Final = 30.0
# The rule against asking the inside of a network is about URLs that strangers name. Whoever types this one sits there.
_ANYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_NO_KEY: Final = (
    "an API key is needed, as --key or in MAILSEAL_API_KEY: on the relay's machine "
    "`mailseal key create --user EMAIL` makes one"
)


@click.command()
@click.option("--agent", "address", required=True, help="Whose mail.")
@click.option(
    "--forward", "target", required=True, metavar="URL", help="The program's URL: http://localhost:3000/hook."
)
@click.option("--url", metavar="URL", help="The relay's URL; without it, the one of the settings here.")
@click.option("--key", envvar="MAILSEAL_API_KEY", metavar="mk_…", help="An API key with the scope read.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest unread mail, not with the next that comes.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that keeps the place, so that mail which came while nobody listened is forwarded next time.",
)
@json_option
@pass_program
def listen(
    program: Program,
    address: str,
    target: str,
    url: str | None,
    key: str | None,
    state: Path | None,
    *,
    from_start: bool,
    as_json: bool,
) -> None:
    """Forward an agent's mail, as it comes, to a program on this machine.

    The program gets the very requests that a webhook would, signatures included. Goes on until Ctrl-C.
    """
    if not key:
        raise click.UsageError(_NO_KEY)
    if not is_key(key):
        raise click.BadParameter("not an API key, or a letter of it is wrong", param_hint="--key")
    _require_url(target)
    source = Source(base_url=(url or program.settings.base_url).rstrip("/"), agent=address, key=key)
    place = load_place(address, state)
    click.echo(f"listening for {address} at {source.base_url}, forwarding to {target}; Ctrl-C ends it", err=True)
    work = _listen(program, source, place, target, from_start=from_start, as_json=as_json)
    asyncio.run(_until_told(work))
    click.echo("stopped", err=True)


async def _listen(
    program: Program, source: Source, place: ResumePoint, target: str, *, from_start: bool, as_json: bool
) -> None:
    async with Poster(clock=program.clock, allow=_ANYWHERE, total_seconds=_FORWARD_SECONDS) as poster:

        async def hand_on(message: SseEvent) -> Forwarded:
            return await forward(message, to=target, poster=poster, now=program.now)

        await follow(
            source,
            place,
            hand_on=hand_on,
            say=lambda said: click.echo(orjson.dumps(plain(said)) if as_json else _line(said)),
            warn=lambda text: click.echo(f"mailseal: {text}", err=True),
            from_start=from_start,
        )


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Do *work* until it ends, or SIGINT or SIGTERM ends it."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _require_url(target: str) -> None:
    try:
        check_url(target, _ANYWHERE)
    except ForbiddenTarget as error:
        raise click.BadParameter(str(error), param_hint="--forward") from error


def _line(said: Forwarded) -> str:
    """One event on one line: when, what, who, proved or not, about what, and what the program said."""
    proved = {True: "verified", False: "unverified", None: "-"}[said.verified]
    words = f"{said.at:%H:%M:%S}  {said.type}  {said.sender or '-'}  {proved}  {said.subject or '-'}"
    return harmless(f"{words}  →  {_outcome(said)}")


def _outcome(said: Forwarded) -> str:
    answer = f"status {said.status}" if said.status is not None else said.error or "no answer"
    if said.taken:
        return f"{said.status} in {said.duration_ms} ms"
    times = f" after {said.tries} tries" if said.tries > 1 else ""
    return f"NOT TAKEN: {answer}{times}, going on ({said.id})"
