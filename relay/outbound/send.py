"""Handing over what was claimed: to the provider for everybody outside, and inside to agents of this relay."""

import random
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from relay.backoff import wait
from relay.errors import Deferred, OutboundOff
from relay.metrics import SendOutcome
from relay.outbound.context import SendContext
from relay.outbound.couriers.lease_guard import make_lease_check
from relay.outbound.local_delivery import deliver_locally, outside
from relay.outbound.sender_checks import require_not_suppressed, require_verified_domain
from relay.outbound.wire import with_bytes
from store.errors import SendUnconfirmed, Unavailable
from store.outbound.handover import carry_out
from store.outbound.sending import settle_deferred, settle_failed
from store.records.outbound import OutboundMessage, Outgoing
from store.transaction import Tx

# Waits between tries of a mail that the provider does not take now, in seconds: it has failed after ten hours.
AGAIN_SECONDS: Final = (2, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21600)
log = structlog.get_logger("relay.outbound")


async def hand_over(outgoing: Outgoing, *, ctx: SendContext) -> str:
    """Have the provider take *outgoing* for all recipients outside; answers its id, or ours where there are none.

    Raises what Courier does, OutboundOff where there is no provider to ask, DomainUnproven, and Suppressed for a
    recipient who has bounced or complained since the mail was written.
    """
    try:
        provider_message_id = await _carried(outgoing, ctx=ctx)
    except Exception as error:
        ctx.count(_outcome(error))
        raise
    ctx.count("sent")
    return provider_message_id


async def _carried(outgoing: Outgoing, *, ctx: SendContext) -> str:
    message = outgoing.message
    elsewhere = await ctx.store.read(lambda tx: _allowed(tx, message, ctx=ctx))
    message, raw = await with_bytes(outgoing, ctx=ctx)
    if not elsewhere:
        return outgoing.attempt
    if ctx.courier is None:
        raise OutboundOff
    return await ctx.courier.carry(
        raw,
        mail_from=message.mail_from,
        recipients=elsewhere,
        attempt_id=outgoing.attempt,
        check_lease=make_lease_check(outgoing.until, clock=ctx.clock),
    )


def _allowed(tx: Tx, message: OutboundMessage, *, ctx: SendContext) -> list[str]:
    """Who of *message* a provider has to be asked for. Raises what forbids by now that it goes, as submit does."""
    agent = require_verified_domain(tx, message.agent)
    assert agent.user_id is not None, "the operator's own agent writes nothing"
    require_not_suppressed(tx, agent.user_id, message.all_recipients)
    return outside(tx, message.all_recipients, ctx=ctx)


async def send_queued(outgoing: Outgoing, *, ctx: SendContext) -> None:
    """Send a mail from the queue, and write down what became of it. Raises the store's Unavailable."""
    try:
        await carry_out(
            outgoing,
            partial(hand_over, ctx=ctx),
            store=ctx.store,
            clock=ctx.clock.now,
            on_sent=partial(deliver_locally, ctx=ctx),
            failed=lambda tx, error: _failed(tx, outgoing, error, ctx=ctx),
        )
    except SendUnconfirmed as error:
        log.warning("send_unconfirmed", **_facts(outgoing, error))
    except Exception as error:
        if _seconds_to_retry(outgoing, error) is None:
            log.warning("send_failed", **_facts(outgoing, error))
        else:
            log.warning("send_deferred", **_facts(outgoing, error))
        if isinstance(error, Unavailable):
            raise
    else:
        message = outgoing.message
        log.info("send_succeeded", message_id=message.id, agent=message.agent, attempt=outgoing.attempt)


def _outcome(error: Exception) -> SendOutcome:
    if isinstance(error, SendUnconfirmed):
        return "unconfirmed"
    return "busy" if isinstance(error, Deferred | Unavailable) else "refused"


def _failed(tx: Tx, outgoing: Outgoing, error: Exception, *, ctx: SendContext) -> OutboundMessage:
    """Try again what a later time can mend, as often as there are waits."""
    now, told = ctx.clock.now(), str(error) or type(error).__name__
    seconds = _seconds_to_retry(outgoing, error)
    if seconds is None:
        return settle_failed(tx, outgoing, told, now=now)
    return settle_deferred(tx, outgoing, told, until=now + timedelta(seconds=seconds), now=now)


def _seconds_to_retry(outgoing: Outgoing, error: Exception) -> float | None:
    """Seconds until the next attempt; None where *error* is final or the retries are used up."""
    if not isinstance(error, Deferred | Unavailable):
        return None
    # A user who retries a failed message starts the list of waits again.
    made = (outgoing.tries - 1) % (len(AGAIN_SECONDS) + 1) + 1
    seconds = wait(made, AGAIN_SECONDS, jitter=random.random())  # noqa: S311 (spreads load, keeps no secret)
    return None if seconds is None else max(seconds, getattr(error, "seconds", 0))


def _facts(outgoing: Outgoing, error: Exception) -> dict[str, Any]:
    return {
        "message_id": outgoing.message.id,
        "agent": outgoing.message.agent,
        "attempt": outgoing.attempt,
        "tries": outgoing.tries,
        "error": str(error) or type(error).__name__,
    }
