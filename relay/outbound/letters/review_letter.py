"""The letter that asks for a decision: the whole draft, recipients first, and one link. Pure.

The draft's HTML is not shown: a letter has no frame to keep it in. The page of the link has one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from relay.outbound.letters.letter import Block, Link, Paragraph, Quoted, letter_draft
from store.outbound.known_recipients import KnownRecipients, Mark
from store.records.mail import Agent
from store.records.outbound import Draft, HoldReason, OutboundMessage

_WHY: Final[dict[HoldReason, str]] = {
    "owner": "You have asked to see the mail of this agent before it goes.",
    "sends": "The agent, or all your agents, sent as many mails in an hour as need no review; it may be a loop.",
    "replies": "The agent has answered as often in this conversation in an hour as it may by itself; it may be a loop.",
    "recipients": "The agent, or all your agents, wrote to as many new recipients in a day as need no review.",
}
_MARKS: Final[dict[Mark, str]] = {
    "new_domain": "NEW DOMAIN",
    "new": "new address",
    "elsewhere": "NOT THE DOMAIN THAT IS ANSWERED",
}
_LEGEND: Final[dict[str, str]] = {
    _MARKS["new_domain"]: "this agent has never written to anybody there",
    _MARKS["new"]: "this agent has not written to it before",
    _MARKS["elsewhere"]: "the mail that this answers came from another domain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What the letter tells of."""

    message: OutboundMessage  # held
    agent: Agent  # that wrote it
    known: KnownRecipients


def review_letter(asked: ReviewRequest, *, recipient: str, link: str) -> Draft:
    """The letter to *recipient* with the address of the page, *link*."""
    message = asked.message
    people = [
        (f"{field.capitalize()}: {address}{called(message.name_of(address))}", marks_of(address, asked.known))
        for field, addresses in message.by_field
        for address in addresses
    ]
    used = [mark for mark in _LEGEND if any(mark in marks for _, marks in people)]
    blocks: list[Block] = [
        Paragraph("A mail waits for your decision. It would go to:"),
        Quoted("\n".join(f"[{', '.join(marks)}] {line}" if marks else line for line, marks in people)),
        *([Paragraph("; ".join(f"{mark}: {_LEGEND[mark]}" for mark in used) + ".")] if used else []),
        Paragraph("It was written by the agent, with the subject:"),
        Quoted(f"{_who(asked.agent)}\n{message.subject or '(no subject)'}"),
        Paragraph(f"{_WHY[message.hold_reason or 'owner']} {_end(asked)}"),
        Paragraph("Approve it or reject it here; to change it first, sign in:"),
        Link(link),
        Paragraph("Opening the page decides nothing. Whoever has the link can decide in your name: do not pass it on."),
        Paragraph(f"approval_sha256, over all recipients and the bytes: {message.approval_digest or 'none'}"),
        *_content(message),
    ]
    return letter_draft(recipient, f"Approve? {asked.agent.address}: {message.subject}", blocks)


def called(name: str) -> str:
    """A recipient's name behind the address: it is the address that is judged, and the name may be anything."""
    return f" ({name})" if name else ""


def marks_of(address: str, known: KnownRecipients) -> list[str]:
    """What is to be noticed about a recipient."""
    return [_MARKS[mark] for mark in known.marks(address)]


def _who(agent: Agent) -> str:
    return f"{agent.name} <{agent.address}>" if agent.name else agent.address


def _end(asked: ReviewRequest) -> str:
    """Until when it waits, and what happens then; a hold that a cap made never ends in a mail."""
    until = asked.message.hold_expires_at
    assert until is not None, "it waits"
    end = asked.message.expiration_action(asked.agent.hitl_expiration_action)
    then = "it is sent as it is here" if end == "approve" else "it is not sent"
    return f"It waits until {_time(until)}; if nobody has decided by then, {then}."


def _content(message: OutboundMessage) -> list[Block]:
    blocks: list[Block] = []
    if message.attachments:
        told = [f"{file.filename} ({file.content_type}, {_size(file.size)})" for file in message.attachments]
        blocks += [Paragraph("Files that go with it:"), Quoted("\n".join(told))]
    if message.text:
        blocks += [Paragraph("Its text:"), Quoted(message.text)]
    if message.html:
        other = " It need not say what the text does." if message.text else ""
        blocks.append(Paragraph(f"It has HTML, which is shown on the page alone.{other}"))
    return blocks or [Paragraph("It has no text and no files.")]


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
