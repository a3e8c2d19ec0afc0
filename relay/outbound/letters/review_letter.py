"""The letter that asks a reviewer to decide: the whole draft, recipients first, and one link. Pure.

The draft's HTML is not shown: a letter cannot isolate it. The review page shows it in a frame.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from relay.outbound.letters.letter import Block, Link, Paragraph, Quoted, letter_draft
from store.outbound.known_recipients import KnownRecipients, Mark
from store.records.mail import Agent
from store.records.outbound import Draft, HoldReason, OutboundMessage

_WHY: Final[dict[HoldReason, str]] = {
    "owner": "You review every message of this agent before it is sent.",
    "sends": "The agent, or all your agents, reached the limit of messages in an hour; it may be in a loop.",
    "replies": "The agent has reached its limit of replies in this conversation in an hour; it may be in a loop.",
    "recipients": "The agent, or all your agents, reached the limit of new recipients in a day.",
}
_MARKS: Final[dict[Mark, str]] = {
    "new_domain": "NEW DOMAIN",
    "new": "new address",
    "elsewhere": "NOT THE DOMAIN OF THE ANSWERED MESSAGE",
}
_LEGEND: Final[dict[str, str]] = {
    _MARKS["new_domain"]: "this agent has never written to an address of this domain",
    _MARKS["new"]: "this agent has never written to this address",
    _MARKS["elsewhere"]: "the answered message came from another domain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """The held message that the letter is about."""

    message: OutboundMessage
    agent: Agent  # that wrote it
    known: KnownRecipients


def review_letter(request: ReviewRequest, *, recipient: str, link: str) -> Draft:
    """The letter to *recipient*; *link* is the address of the review page."""
    message = request.message
    people = [
        (f"{field.capitalize()}: {address}{called(message.name_of(address))}", marks_of(address, request.known))
        for field, addresses in message.by_field
        for address in addresses
    ]
    used = [mark for mark in _LEGEND if any(mark in marks for _, marks in people)]
    blocks: list[Block] = [
        Paragraph("A message waits for your decision. It would be sent to:"),
        Quoted("\n".join(f"[{', '.join(marks)}] {line}" if marks else line for line, marks in people)),
        *([Paragraph("; ".join(f"{mark}: {_LEGEND[mark]}" for mark in used) + ".")] if used else []),
        Paragraph("The agent that wrote it, and its subject:"),
        Quoted(f"{_who(request.agent)}\n{message.subject or '(no subject)'}"),
        Paragraph(f"{_WHY[message.hold_reason or 'owner']} {_end(request)}"),
        Paragraph("Approve or reject it here; to edit it first, sign in:"),
        Link(link),
        Paragraph("Opening the page decides nothing. The link lets its holder decide in your name: do not pass it on."),
        Paragraph(f"approval_sha256, over all recipients and the bytes: {message.approval_digest or 'none'}"),
        *_content(message),
    ]
    return letter_draft(recipient, f"Approve? {request.agent.address}: {message.subject}", blocks)


def called(name: str) -> str:
    """A recipient's name, after the address: the address is what is reviewed, the name can be any text."""
    return f" ({name})" if name else ""


def marks_of(address: str, known: KnownRecipients) -> list[str]:
    """The warnings about one recipient."""
    return [_MARKS[mark] for mark in known.marks(address)]


def _who(agent: Agent) -> str:
    return f"{agent.name} <{agent.address}>" if agent.name else agent.address


def _end(request: ReviewRequest) -> str:
    """When the hold ends, and what happens then. A hold made by a limit never ends in sending."""
    until = request.message.hold_expires_at
    assert until is not None, "a held message has an end"
    end = request.message.expiration_action(request.agent.hitl_expiration_action)
    then = "it is sent as shown here" if end == "approve" else "it is not sent"
    return f"It waits until {_time(until)}; without a decision by then, {then}."


def _content(message: OutboundMessage) -> list[Block]:
    blocks: list[Block] = []
    if message.attachments:
        files = [f"{file.filename} ({file.content_type}, {_size(file.size)})" for file in message.attachments]
        blocks += [Paragraph("Attached files:"), Quoted("\n".join(files))]
    if message.text:
        blocks += [Paragraph("Its text:"), Quoted(message.text)]
    if message.html:
        other = " It can differ from the text." if message.text else ""
        blocks.append(Paragraph(f"It has HTML, which only the page shows.{other}"))
    return blocks or [Paragraph("It has no text and no files.")]


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
