"""Hand claimed messages over: to the provider for outside recipients, and to agents of this relay."""

import random
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from relay.backoff import wait
from relay.errors import Deferred, OutboundOff
from relay.link_search import find_links
from relay.metrics import SendOutcome
from relay.outbound.context import SendContext
from relay.outbound.couriers.lease_guard import make_lease_check
from relay.outbound.local_delivery import deliver_locally, outside
from relay.outbound.return_path import return_path
from relay.outbound.sender_checks import require_not_suppressed, require_verified_domain
from relay.outbound.wire import compose_late, read_wire, require_intact
from store.directory.used_links import revoke_link
from store.errors import SendUnconfirmed, Unavailable
from store.outbound.handover import Handover, OnFailed, carry_out
from store.outbound.sending import settle_deferred, settle_failed
from store.records.outbound import OutboundMessage, Outgoing
from store.transaction import Tx

# Seconds between attempts while the provider is busy; after ten hours the message has failed.
AGAIN_SECONDS: Final = (2, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21600)
log = structlog.get_logger("relay.outbound")


def make_handover(ctx: SendContext, *, on_failed: OnFailed | None = None) -> Handover:
    """The hand-over of every message that leaves by *ctx*: courier first, local recipients with the commit."""
    return Handover(
        hand_over=partial(hand_over, ctx=ctx), on_sent=partial(deliver_locally, ctx=ctx), on_failed=on_failed
    )


async def hand_over(outgoing: Outgoing, *, ctx: SendContext) -> str:
    """Have the provider accept *outgoing* for all outside recipients; returns its id, or the attempt's without any.

    Raises as Courier.carry does, OutboundOff where no provider is configured, DomainUnproven, and Suppressed for a
    recipient that has bounced or complained since the message was written.
    """
    try:
        mail_from, raw, recipients = await _prepare(outgoing, ctx=ctx)
        provider_message_id = outgoing.attempt
        if recipients and ctx.courier is not None:
            provider_message_id = await ctx.courier.carry(
                raw,
                mail_from=mail_from,
                recipients=recipients,
                attempt_id=outgoing.attempt,
                check_lease=make_lease_check(outgoing.until, clock=ctx.clock),
            )
    except Exception as error:
        ctx.count(_outcome(error))
        raise
    ctx.count("sent")
    return provider_message_id


async def _prepare(outgoing: Outgoing, *, ctx: SendContext) -> tuple[str, bytes, list[str]]:
    """The envelope's sender, the bytes and its outside recipients. Raises what forbids it by now, as submit does."""
    message = outgoing.message

    def read(tx: Tx) -> tuple[str, list[str], bytes]:
        agent = require_verified_domain(tx, message.agent)
        assert agent.user_id is not None, "the operator's own agent writes nothing"
        require_not_suppressed(tx, agent.user_id, message.all_recipients)
        recipients = outside(tx, message.all_recipients, ctx=ctx)
        return return_path(tx, message, outgoing.attempt, ctx=ctx), recipients, read_wire(tx, message)

    mail_from, recipients, raw = await ctx.store.read(read)
    if message.digest is None:
        composed, raw = await compose_late(outgoing, raw, ctx=ctx)
        message = composed
        # What the archive of another relay says of the sender does not count.
        mail_from = await ctx.store.read(lambda tx: return_path(tx, composed, outgoing.attempt, ctx=ctx))
    require_intact(raw, message)
    if len(recipients) < len(message.all_recipients):
        await _revoke_links(raw, message, ctx=ctx)
    if recipients and ctx.courier is None:
        raise OutboundOff
    return mail_from, raw, recipients


async def _revoke_links(raw: bytes, message: OutboundMessage, *, ctx: SendContext) -> None:
    """Revoke the relay's links in a mail for agents here, as in each inbound mail, before it is stored for them."""
    now = ctx.clock.now()
    links = await find_links(len(raw), lambda: (raw,), key=ctx.master.links, now=now)
    if not links:
        return
    await ctx.store.write(lambda tx: [revoke_link(tx, each.hash, each.user_id, each.expires_at) for each in links])
    log.warning("links_revoked", message_id=message.id, agent=message.agent, links=len(links))


async def send_queued(outgoing: Outgoing, *, ctx: SendContext) -> None:
    """Send a claimed message of the queue and settle its attempt. Raises the store's Unavailable."""
    handover = make_handover(ctx, on_failed=partial(_settle_for_retry, ctx=ctx))
    try:
        await carry_out(outgoing, handover, store=ctx.store, clock=ctx.clock.now)
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


def _settle_for_retry(tx: Tx, outgoing: Outgoing, error: Exception, *, ctx: SendContext) -> OutboundMessage:
    """Queue the message again where a later attempt can succeed and retries are left; else it has ``failed``."""
    now, text = ctx.clock.now(), str(error) or type(error).__name__
    seconds = _seconds_to_retry(outgoing, error)
    if seconds is None:
        return settle_failed(tx, outgoing, text, now=now)
    return settle_deferred(tx, outgoing, text, until=now + timedelta(seconds=seconds), now=now)


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
