"""Send one letter of the relay to a user: read its subject, compose it, hand it over, settle it.

At least once: a process that dies between the provider's answer and the settling leaves the letter to be sent again,
with the same Message-ID. A letter whose answer is lost counts as sent: a second one is worse than none, as the console
and the commands show everything that the letter says.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from relay.backoff import wait
from relay.errors import BadAddress, BadDraft, CourierBusy, CourierRefused
from relay.outbound.compose.compose import Author, compose
from relay.outbound.context import SendContext
from relay.outbound.couriers.lease_guard import make_lease_check
from relay.outbound.letters.letter import Link, Paragraph, letter_draft
from relay.outbound.letters.review_letter import ReviewRequest, review_letter
from relay.outbound.letters.review_link import review_link
from relay.outbound.local_delivery import is_local
from relay.signing.link import letter_nonce, nonce_hash, read_link
from store.directory.agents import get_agent_by_email, page_agents_by_user
from store.directory.used_links import sign_in_epoch
from store.directory.users import get_user_by_id
from store.errors import NotFound, SendUnconfirmed
from store.outbound.known_recipients import known_recipients_of
from store.outbound.letters_queue import (
    mark_handed_over,
    settle_letter_deferred,
    settle_letter_failed,
    settle_letter_sent,
)
from store.outbound.outbound import get_outbound_message_for_user
from store.records.outbound import Draft
from store.records.people import Letter
from store.transaction import Tx

# About a day in all; by then the hold is over, or the user has used the console.
RETRY_SECONDS: Final = (30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 28800.0)
NO_COURIER: Final = "this relay sends no mail out (MAILSEAL_OUTBOUND=none): use the console or `mailseal review`"
_HEADERS: Final = (("X-Auto-Response-Suppress", "All"),)
_NAME: Final = "Mailseal"
log = structlog.get_logger("relay.outbound")

SignInLink = Callable[[str, int, datetime], str]
"""Makes the URL of the page on which the user with this id signs in, in the user's epoch (used_links.py)."""


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """The result of one attempt to send a letter."""

    status: Literal["sent", "later", "failed", "dropped"]  # dropped: not needed any more, or there is no courier
    why: str | None = None  # it was not sent; of a sent one, what is uncertain
    due_at: datetime | None = None  # of a deferred one: the next attempt
    refused: bool = False  # by the courier


@dataclass(frozen=True, slots=True)
class _Ready:
    """A composed letter, the link in it, and the agent whose domain it is sent from."""

    draft: Draft
    url: str  # of its link
    agent: str  # or an address without local part


async def notify(letter: Letter, *, ctx: SendContext, sign_in: SignInLink, jitter: float = 0.0) -> LetterOutcome:
    """Send *letter* unless it is no longer needed, and settle it. *jitter* in [0, 1). Raises Unavailable."""
    ready = await ctx.store.read(lambda tx: _ready(tx, letter, ctx=ctx, sign_in=sign_in))
    outcome = ready if isinstance(ready, LetterOutcome) else await _hand_over(letter, ready, ctx=ctx, jitter=jitter)
    await ctx.store.write(lambda tx: _settle(tx, letter, outcome, now=ctx.clock.now()))
    if outcome.why != NO_COURIER:  # the worker logs that once
        _log(letter, outcome)
    return outcome


def _log(letter: Letter, outcome: LetterOutcome) -> None:
    facts = {"letter_id": letter.id, "kind": letter.kind, "message_id": letter.message_id, "reason": outcome.why}
    match outcome.status:
        case "sent":
            log.info("letter_sent", **facts)
        case "dropped":
            log.info("letter_dropped", **facts)
        case "later":
            log.warning("letter_deferred", **facts)
        case "failed":
            log.warning("letter_failed", **facts)


def _ready(tx: Tx, letter: Letter, *, ctx: SendContext, sign_in: SignInLink) -> _Ready | LetterOutcome:
    """The composed letter, or the reason to drop it."""
    if ctx.courier is None:
        return LetterOutcome("dropped", NO_COURIER)
    try:
        recipient = get_user_by_id(tx, letter.user_id).email
        if _is_an_agent(tx, recipient, ctx):
            return LetterOutcome("dropped", "the user's address is an agent of this relay")
        ask = _review if letter.kind == "review" else _sign_in
        return ask(tx, letter, recipient, ctx, sign_in)
    except NotFound as error:
        return LetterOutcome("dropped", str(error))


def _review(tx: Tx, letter: Letter, recipient: str, ctx: SendContext, _sign_in: SignInLink) -> _Ready | LetterOutcome:
    now = ctx.clock.now()
    message = get_outbound_message_for_user(tx, letter.user_id, letter.message_id or "", now=now)
    if message.status != "pending_approval" or message.hold_expires_at is None:
        return LetterOutcome("dropped", f"the message is decided: it is {message.status}")
    if message.revision != letter.revision:
        return LetterOutcome("dropped", "the draft was changed")
    if message.hold_expires_at <= now:
        return LetterOutcome("dropped", "the hold has ended")
    request = ReviewRequest(
        message=message,
        agent=get_agent_by_email(tx, message.agent),
        known=known_recipients_of(tx, message),
    )
    link = review_link(message, letter.user_id, base_url=ctx.base_url, key=ctx.master.links)
    draft = review_letter(request, recipient=recipient, link=link)
    return _Ready(draft, link, message.agent)


def _sign_in(tx: Tx, letter: Letter, recipient: str, ctx: SendContext, link: SignInLink) -> _Ready:
    agents = page_agents_by_user(tx, letter.user_id, limit=1, cursor=None).items
    url = link(letter.user_id, sign_in_epoch(tx, letter.user_id), ctx.clock.now())
    blocks = (
        Paragraph("Sign in to Mailseal here:"),
        Link(url),
        Paragraph("The link works once, within 15 minutes. If you did not ask for it, ignore this letter."),
    )
    draft = letter_draft(recipient, "Sign in to Mailseal", blocks)
    return _Ready(draft, url, agents[0].address if agents else f"@{ctx.hostname}")


async def _hand_over(letter: Letter, ready: _Ready, *, ctx: SendContext, jitter: float) -> LetterOutcome:
    """Send the letter from an address by which it is found when it comes back.

    A courier that takes the null reverse-path gets that, as no MTA bounces such mail (RFC 5321 §4.5.5). A smarthost
    that refuses it gets the letter again, from the address with the nonce.
    """
    nonce = letter_nonce(letter.id, key=ctx.master.links)
    link = read_link(ready.url.rpartition("/")[2], key=ctx.master.links)
    await ctx.store.write(lambda tx: mark_handed_over(tx, letter, nonce_hash=nonce_hash(nonce), link_hash=link.hash))
    sender = ctx.senders.letters_from(ready.agent, nonce=nonce)
    if not ctx.senders.letters_take_null_path:
        return await _send(letter, ready.draft, author=sender, mail_from=sender, ctx=ctx, jitter=jitter)
    author = ctx.senders.letters_from(ready.agent)
    outcome = await _send(letter, ready.draft, author=author, mail_from="", ctx=ctx, jitter=jitter)
    if outcome.status != "failed" or not outcome.refused:
        return outcome
    return await _send(letter, ready.draft, author=author, mail_from=sender, ctx=ctx, jitter=jitter)


async def _send(
    letter: Letter, draft: Draft, *, author: str, mail_from: str, ctx: SendContext, jitter: float
) -> LetterOutcome:
    """Hand the letter over once; *author* is the address of From, *mail_from* the reverse-path."""
    assert ctx.courier is not None, "a letter without a courier is never ready"
    try:
        # A reply goes back to the user who got the letter: any other address would receive the link.
        raw = compose(
            draft,
            Author(address=draft.to[0], name=_NAME, shared_from=author),
            message_id=letter.id,
            at=ctx.clock.now(),
            boundary=secrets.token_hex(16),
            headers=_HEADERS,
        ).raw
        await ctx.courier.carry(
            raw,
            mail_from=mail_from,
            recipients=draft.to,
            attempt_id=letter.id,
            check_lease=make_lease_check(ctx.clock.now() + ctx.lease, clock=ctx.clock),  # claimed just now
        )
    except SendUnconfirmed as error:
        return LetterOutcome("sent", str(error))
    except (BadDraft, CourierRefused) as error:
        return LetterOutcome("failed", str(error), refused=isinstance(error, CourierRefused))
    except CourierBusy as error:
        return _deferred(letter, error, now=ctx.clock.now(), jitter=jitter)
    return LetterOutcome("sent")


def _deferred(letter: Letter, error: CourierBusy, *, now: datetime, jitter: float) -> LetterOutcome:
    seconds = wait(letter.attempts, RETRY_SECONDS, jitter=jitter)
    if seconds is None:
        return LetterOutcome("failed", f"failed after {letter.attempts} attempts: {error}")
    return LetterOutcome("later", str(error), now + timedelta(seconds=max(seconds, error.seconds)))


def _settle(tx: Tx, letter: Letter, outcome: LetterOutcome, *, now: datetime) -> None:
    if outcome.status == "sent":
        settle_letter_sent(tx, letter, note=outcome.why, now=now)
    elif outcome.due_at is not None:
        settle_letter_deferred(tx, letter, outcome.why or "", due_at=outcome.due_at)
    else:
        dropped = "dropped: " if outcome.status == "dropped" else ""
        settle_letter_failed(tx, letter, f"{dropped}{outcome.why}", now=now)


def _is_an_agent(tx: Tx, email: str, ctx: SendContext) -> bool:
    """Whether *email* is an agent of this relay: an agent must not get the link that approves its own mail."""
    try:
        return is_local(tx, email, ctx=ctx)
    except BadAddress:  # composing the letter will refuse the address
        return False
