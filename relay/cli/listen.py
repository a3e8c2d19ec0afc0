"""Command ``listen``: forward an agent's events to a program on this machine."""

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from relay.cli.output import harmless, json_option, renamed
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from relay.bridge.forward import Forwarded
    from relay.bridge.resume_point import ResumePoint
    from relay.bridge.source import Source
    from relay.bridge.sse import SseEvent

_FORWARD_SECONDS: Final = 30.0
_NO_KEY: Final = (
    "an API key is needed, in --key or MAILSEAL_API_KEY: create one on the relay's machine by "
    "`mailseal key create --user EMAIL`"
)


@click.command()
@click.option("--agent", "address", required=True, help="The agent's address.")
@click.option(
    "--forward", "target", required=True, metavar="URL", help="The program's URL: http://localhost:3000/hook."
)
@click.option("--url", metavar="URL", help="The relay's URL; default: the one of the settings.")
@click.option("--key", envvar="MAILSEAL_API_KEY", metavar="mk_…", help="An API key with the scope read.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest unread message instead of the next one.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file for the last event's id: the next call continues there.",
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
    """Forward an agent's events to a program on this machine.

    The program gets the same requests as a webhook, with both signatures, until Ctrl-C.
    """
    import asyncio

    from relay.bridge.resume_point import load_resume_point
    from relay.bridge.source import Source
    from relay.signing.keys import is_key

    if not key:
        raise click.UsageError(_NO_KEY)
    if not is_key(key):
        raise click.BadParameter("not an API key, or mistyped: its checksum is wrong", param_hint="--key")
    _require_url(target)
    source = Source(base_url=(url or program.settings.base_url).rstrip("/"), agent=address, key=key)
    place = load_resume_point(address, state)
    click.echo(f"listening for {address} at {source.base_url}, forwarding to {target}; Ctrl-C ends it", err=True)
    work = _listen(program, source, place, target, from_start=from_start, as_json=as_json)
    asyncio.run(_until_told(work))
    click.echo("stopped", err=True)


async def _listen(
    program: Program, source: "Source", place: "ResumePoint", target: str, *, from_start: bool, as_json: bool
) -> None:
    import orjson

    from relay.bridge.forward import forward
    from relay.bridge.listen import listen as follow
    from relay.delivery.post import Poster

    async with Poster(clock=program.clock, allow=_all_networks(), total_seconds=_FORWARD_SECONDS) as poster:

        async def forward_event(message: "SseEvent") -> "Forwarded":
            return await forward(message, to=target, poster=poster, now=program.now)

        await follow(
            source,
            place,
            forward_event=forward_event,
            report=lambda said: click.echo(orjson.dumps(renamed(said, id="event_id")) if as_json else _line(said)),
            warn=lambda text: click.echo(f"mailseal: {text}", err=True),
            from_start=from_start,
        )


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run *work* until it ends, or until SIGINT or SIGTERM."""
    import asyncio
    import signal
    from contextlib import suppress

    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _all_networks() -> "tuple[IPv4Network | IPv6Network, ...]":
    """Private networks too: the rule against them is about URLs from the API, and this one is the operator's."""
    from ipaddress import ip_network

    return ip_network("0.0.0.0/0"), ip_network("::/0")


def _require_url(target: str) -> None:
    from relay.egress import check_url
    from relay.errors import ForbiddenTarget

    try:
        check_url(target, _all_networks())
    except ForbiddenTarget as error:
        raise click.BadParameter(str(error), param_hint="--forward") from error


def _line(said: "Forwarded") -> str:
    """One event on one line: time, type, sender, verified or not, subject, and the program's answer."""
    proved = {True: "verified", False: "unverified", None: "-"}[said.verified]
    words = f"{said.at:%H:%M:%S}  {said.type}  {said.sender or '-'}  {proved}  {said.subject or '-'}"
    return harmless(f"{words}  →  {_outcome(said)}")


def _outcome(said: "Forwarded") -> str:
    answer = f"status {said.status}" if said.status is not None else said.error or "no answer"
    if said.taken:
        return f"{said.status} in {said.duration_ms} ms"
    times = f" after {said.tries} tries" if said.tries > 1 else ""
    return f"NOT TAKEN: {answer}{times}, going on ({said.id})"
