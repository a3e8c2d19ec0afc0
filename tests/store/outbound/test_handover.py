# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import asyncio

import pytest
from sqlalchemy import text

from store.errors import InvalidValue, MessageNotFound, NotPendingApproval, SendUnconfirmed, Unavailable
from store.outbound.edit import PendingApprovalEdit
from store.outbound.handover import Handover, approve_and_send, expire_approve_and_send
from store.outbound.holds import reject_pending
from store.outbound.outbound import create_pending_outbound_message, get_outbound_message
from store.outbound.sending import LEASE, list_send_attempts, settle_failed
from store.outbound.unconfirmed import sweep_unconfirmed
from tests.places import new_outbound
from tests.store.gate import Gate

PROVIDER_ID = "0100abc-1"


class Provider:
    """A send that remembers what it was handed, and does what the test says."""

    def __init__(self, then=PROVIDER_ID):
        self.then = then
        self.sent = []
        self.began = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, outgoing):
        self.sent.append(outgoing)
        self.began.set()
        await self.may_answer.wait()
        if isinstance(self.then, BaseException):
            raise self.then
        return self.then


@pytest.fixture
async def agent(live_store, places):
    return await live_store.write(places.poll_agent)


@pytest.fixture
def hold(live_store, agent, clock):
    async def keep(ttl=60):
        new = new_outbound(agent.address, at=clock.now())
        return await live_store.write(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl))

    return keep


@pytest.fixture
def approve(live_store, agent, clock):
    def run(message, send, **more):
        return approve_and_send(live_store, agent.user_id, message.id, send, clock=clock.now, **more)

    return run


@pytest.fixture
def expire(live_store, clock):
    return lambda message, send: expire_approve_and_send(live_store, message.id, send, clock=clock.now)


@pytest.fixture
def look(live_store):
    async def ask(message):
        return await live_store.read(lambda tx: get_outbound_message(tx, message.id))

    return ask


async def test_an_approved_mail_is_sent_once_and_is_sent(hold, approve, look):
    held, provider = await hold(), Provider()

    sent = await approve(held, provider)

    assert ("sent", PROVIDER_ID, None) == (sent.status, sent.provider_message_id, sent.text)
    assert [held.text] == [outgoing.draft.text for outgoing in provider.sent]
    assert sent == await look(held)


async def test_an_edit_is_what_is_sent(hold, approve):
    held, provider = await hold(), Provider()

    sent = await approve(held, provider, edit=PendingApprovalEdit(subject="new", html=None))

    (outgoing,) = provider.sent
    assert ("new", None, held.text) == (outgoing.draft.subject, outgoing.draft.html, outgoing.draft.text)
    assert ("new", 2) == (sent.subject, sent.revision)


async def test_of_many_who_decide_at_once_one_does(live_store, hold, approve, expire, agent, clock):
    held, provider = await hold(), Provider()
    clock.advance(seconds=60)
    reject = [
        live_store.write(lambda tx: reject_pending(tx, agent.user_id, held.id, now=clock.now())) for _ in range(3)
    ]

    ends = await asyncio.gather(
        *[approve(held, provider) for _ in range(5)],
        *reject,
        *[expire(held, provider) for _ in range(3)],
        return_exceptions=True,
    )

    assert 10 == sum(isinstance(end, NotPendingApproval) for end in ends)
    (winner,) = [end for end in ends if not isinstance(end, NotPendingApproval)]
    assert len(provider.sent) == (0 if winner.status == "rejected" else 1)


async def test_nobody_waits_for_a_send(live_store, hold, approve, look):
    held, provider = await hold(), Provider()
    provider.may_answer.clear()
    sending = asyncio.ensure_future(approve(held, provider))
    await provider.began.wait()

    # Whoever writes the very row would wait here, if the send held a lock.
    await live_store.write(
        lambda tx: tx.execute(text("UPDATE messages SET subject = 'meanwhile' WHERE id = :id"), {"id": held.id})
    )
    assert "sending" == (await look(held)).status
    with pytest.raises(NotPendingApproval):
        await approve(held, Provider())

    provider.may_answer.set()
    assert ("sent", "meanwhile") == ((await sending).status, (await look(held)).subject)


async def test_a_send_that_fails_leaves_the_mail_pending_with_the_error(hold, approve, look):
    held = await hold()

    with pytest.raises(LookupError):
        await approve(held, Provider(LookupError("no quota left")))

    failed = await look(held)
    assert ("pending_approval", "no quota left", held.text) == (failed.status, failed.error, failed.text)
    assert "sent" == (await approve(held, Provider())).status


async def test_a_failure_without_words_is_told_by_its_kind(hold, approve, look):
    held = await hold()

    with pytest.raises(ValueError):
        await approve(held, Provider(ValueError()))

    assert "ValueError" == (await look(held)).error


@pytest.mark.parametrize("doubt", [SendUnconfirmed("cut"), TimeoutError(), ConnectionResetError(), BrokenPipeError()])
async def test_a_send_whose_answer_was_lost_is_never_repeated(hold, approve, look, doubt):
    held, provider = await hold(), Provider()

    with pytest.raises(type(doubt)):
        await approve(held, Provider(doubt))

    assert "unconfirmed" == (await look(held)).status
    with pytest.raises(NotPendingApproval):
        await approve(held, provider)
    assert [] == provider.sent


async def test_a_worker_that_goes_away_while_it_sends_leaves_it_to_the_sweep(live_store, hold, approve, look, clock):
    held, provider = await hold(), Provider()
    provider.may_answer.clear()
    sending = asyncio.ensure_future(approve(held, provider))
    await provider.began.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert "sending" == (await look(held)).status

    clock.advance(seconds=LEASE.total_seconds())
    swept = await live_store.write(lambda tx: sweep_unconfirmed(tx, limit=10, now=clock.now()))

    assert ([held.id], "unconfirmed") == (swept, (await look(held)).status)


async def test_who_stops_waiting_after_the_answer_does_not_undo_it(live_store, hold, approve, look):
    held, provider, gate = await hold(), Provider(), Gate()
    provider.may_answer.clear()
    sending = asyncio.ensure_future(approve(held, provider))
    await provider.began.wait()
    busy = asyncio.ensure_future(live_store.write(gate.unit))
    await gate.is_reached()
    provider.may_answer.set()
    await asyncio.sleep(0)  # the answer is there,
    await asyncio.sleep(0)  # and the settling is in line
    sending.cancel()
    gate.open()
    await busy
    with pytest.raises(asyncio.CancelledError):
        await sending

    await live_store.write(lambda _tx: None)
    assert "sent" == (await look(held)).status


async def test_a_database_that_is_away_for_a_moment_does_not_lose_the_answer(live_store, hold, agent, look, clock):
    held, provider = await hold(), Provider()
    failures = iter([Unavailable(), Unavailable()])
    write = live_store.write

    class Faltering:
        """The store, whose next writes after the claim fail."""

        async def write(self, unit):
            if provider.sent and (failure := next(failures, None)):
                raise failure
            return await write(unit)

    sent = await approve_and_send(Faltering(), agent.user_id, held.id, provider, clock=clock.now)

    assert ("sent", sent) == ((await look(held)).status, await look(held))


async def test_an_expired_hold_is_sent_at_its_end(hold, expire, clock):
    held, provider = await hold(), Provider()
    with pytest.raises(NotPendingApproval):
        await expire(held, provider)
    clock.advance(seconds=60)

    assert ("expired_approved", 1) == ((await expire(held, provider)).status, len(provider.sent))


async def test_an_expired_hold_whose_send_fails_is_tried_again_later(live_store, hold, expire, look, clock):
    held = await hold()
    clock.advance(seconds=60)

    with pytest.raises(LookupError):
        await expire(held, Provider(LookupError("down")))

    failed = await look(held)
    assert ("pending_approval", "down", held.text) == (failed.status, failed.error, failed.text)
    with pytest.raises(NotPendingApproval):
        await expire(held, Provider())
    clock.advance(minutes=1)
    assert "expired_approved" == (await expire(held, Provider())).status
    attempts = await live_store.read(lambda tx: list_send_attempts(tx, held.id))
    assert [("expiry", "failed"), ("expiry", "sent")] == [(each.origin, each.outcome) for each in attempts]


async def test_an_edit_that_no_mail_could_be_sends_nothing(hold, approve, look):
    held, provider = await hold(), Provider()

    with pytest.raises(InvalidValue):
        await approve(held, provider, edit=PendingApprovalEdit(to=(), cc=(), bcc=()))

    assert ([], held) == (provider.sent, await look(held))


async def test_what_is_not_there_is_not_sent(approve, expire, hold):
    provider = Provider()
    missing = type("Missing", (), {"id": "msg_404"})

    for run in (approve, expire):
        with pytest.raises(MessageNotFound):
            await run(missing, provider)
    assert [] == provider.sent


async def test_what_belongs_to_a_sent_mail_is_in_its_transaction(hold, approve, look):
    held, seen = await hold(), []

    def on_sent(tx, message):
        seen.append((message.status, message.text))
        raise LookupError

    with pytest.raises(LookupError):
        await approve(held, Handover(hand_over=Provider(), on_sent=on_sent))
    assert ("sending", [("sent", held.text)]) == ((await look(held)).status, seen)


async def test_a_handover_settles_its_failure_in_its_own_way(hold, approve, look, clock):
    held = await hold()

    def on_failed(tx, outgoing, error):
        return settle_failed(tx, outgoing, f"its own words: {error}", now=clock.now())

    with pytest.raises(ValueError):
        await approve(held, Handover(hand_over=Provider(ValueError("no")), on_failed=on_failed))
    assert ("pending_approval", "its own words: no") == ((await look(held)).status, (await look(held)).error)
