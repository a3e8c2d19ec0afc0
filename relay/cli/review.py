"""Commands ``review``: list, show, approve, reject messages, as their owner may."""

from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from relay.cli.output import harmless, json_option, outbound_rows, show, show_all
from relay.cli.program import Program, pass_program

if TYPE_CHECKING:
    from store.records.mail import Page
    from store.records.outbound import OutboundMessage, OutboundSummary
    from store.transaction import Tx

_COLUMNS: Final = ("message_id", "hold_expires_at", "agent", "to", "subject", "hold_reason", "revision")
_HEAD: Final = (
    *("message_id", "status", "agent", "subject", "hold_reason", "hold_expires_at"),
    *("revision", "raw_sha256", "approval_sha256"),
)
_PAGE: Final = 200
_GRACE_SECONDS: Final = 20.0  # for a hand-over that has begun when the command is interrupted


@click.group()
def review() -> None:
    """Messages that wait for a reviewer's approval."""


@review.command("list")
@click.option("--user", "email", help="Of this user's agents only, by email.")
@json_option
@pass_program
def list_reviews(program: Program, email: str | None, *, as_json: bool) -> None:
    """List the messages that wait, the soonest to expire first."""
    from store.directory.users import list_users

    users = [program.user(email)] if email else program.store.run(list_users)
    waiting = [message for user in users for message in _pending(program, user.id)]
    waiting.sort(key=lambda message: (message.hold_expires_at or message.created_at, message.id))
    show_all(outbound_rows(waiting, as_json=as_json), _COLUMNS, as_json=as_json)


@review.command("show")
@click.argument("message_id")
@json_option
@pass_program
def show_review(program: Program, message_id: str, *, as_json: bool) -> None:
    """Show all of one message, and the link to its approval page while it waits."""
    document = program.store.run(lambda tx: _document(tx, program, message_id))
    if as_json:
        show(document, as_json=True)
        return
    _tell(document)


@review.command("approve")
@click.argument("message_id")
@click.option("--reason", metavar="TEXT", help="Stored with the message.")
@json_option
@pass_program
def approve(program: Program, message_id: str, reason: str | None, *, as_json: bool) -> None:
    """Send a message that waits, unchanged."""
    from functools import partial

    from relay.outbound import review as deciding

    _decide(program, message_id, partial(deciding.approve, reason=reason), as_json=as_json)


@review.command("reject")
@click.argument("message_id")
@click.option("--reason", metavar="TEXT", help="Stored with the message.")
@json_option
@pass_program
def reject(program: Program, message_id: str, reason: str | None, *, as_json: bool) -> None:
    """Reject a message that waits; its content is deleted."""
    from functools import partial

    from relay.outbound import review as deciding

    _decide(program, message_id, partial(deciding.reject, reason=reason), as_json=as_json)


def _decide(
    program: Program, message_id: str, decision: "Callable[..., Awaitable[OutboundMessage]]", *, as_json: bool
) -> None:
    """Make *decision* as the owner, print its result, and close the store and the courier."""
    import asyncio

    from relay import log
    from relay.wiring import make_send_context
    from store.outbound.outbound import resolve_outbound_owner

    settings = program.settings
    log.configure(form=settings.log_format, level=settings.log_level)
    owner = program.store.run(lambda tx: resolve_outbound_owner(tx, message_id))
    send_context = make_send_context(settings, store=program.store, clock=program.clock, master=program.master)

    async def run() -> "OutboundMessage":
        program.store.start()
        try:
            return await decision(owner, message_id, ctx=send_context)
        finally:
            await send_context.stop_sending(_GRACE_SECONDS)
            if send_context.courier is not None:
                await send_context.courier.close()
            await program.store.stop()

    message = asyncio.run(run())
    document = {"message_id": message.id, "status": message.status, "error": message.error}
    show(document | {"reviewed_at": message.reviewed_at, "reason": message.reason}, as_json=as_json)


def _pending(program: Program, user_id: str) -> "Iterator[OutboundSummary]":
    from store.outbound.holds import list_pending_outbound_for_user

    now = program.now()

    def ask(cursor: str | None, tx: "Tx") -> "Page[OutboundSummary]":
        return list_pending_outbound_for_user(tx, user_id, limit=_PAGE, cursor=cursor, now=now)

    return program.all_pages(ask)


def _document(tx: "Tx", program: Program, message_id: str) -> dict[str, Any]:
    """The message, remarks on its recipients, and the link to its approval page."""
    from relay.outbound.letters.review_letter import marks_of
    from relay.outbound.letters.review_link import review_link
    from relay.outbound.views import find_outbound_view
    from store.outbound.known_recipients import known_recipients_of
    from store.outbound.outbound import resolve_outbound_owner

    owner = resolve_outbound_owner(tx, message_id)
    written, base_url = find_outbound_view(tx, message_id), program.settings.base_url
    message, document = written.message, written.document(base_url=base_url)
    document |= {"review_url": None, "marks": {}}
    if message.status == "pending_approval":
        known = known_recipients_of(tx, message)
        marks = {address: marks_of(address, known) for address in message.all_recipients}
        document["marks"] = {address: found for address, found in marks.items() if found}
        document["review_url"] = review_link(message, owner, base_url=base_url, key=program.master.links)
    return document


def _tell(document: dict[str, Any]) -> None:
    """Print the message, recipients first; each line that the agent wrote begins with a bar."""
    from relay.outbound.letters.review_letter import called

    for name in ("to", "cc", "bcc"):
        for each in document[name]:
            marks = document["marks"].get(each["address"])
            who = f"{each['address']}{called(each['name'])}"
            click.echo(harmless(f"{name}: {who}{'   [' + ', '.join(marks) + ']' if marks else ''}"))
    show({name: document[name] for name in _HEAD}, as_json=False)
    for file in document["attachments"]:
        click.echo(harmless(f"file: {file['filename']} ({file['content_type']}, {file['size']} bytes)"))
    for name in ("text", "html"):
        if document[name]:
            click.echo(f"\n{name}:")
            for line in document[name].splitlines():
                click.echo(f"| {harmless(line.expandtabs(4))}")
    if document["review_url"]:
        click.echo(f"\n{document['review_url']}")
