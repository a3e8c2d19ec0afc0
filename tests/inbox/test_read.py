"""Reading messages: in bounded parts, and only those of the agent itself."""

import pytest

from relay.inbox.lease import ack, lease
from relay.inbox.read import ON_LOOP_BYTES, read_attachment, read_message, read_raw
from relay.threads import OFF_LOOP_BYTES
from store.errors import MessageNotFound, Unavailable
from store.mail.bodies import CHUNK_BYTES, keep_body, keep_chunk
from store.mail.messages import create_inbound_message
from tests.broken_store import lose_table
from tests.places import Places, new_message

BOT = "bot@agents.example"
BASE = "https://relay.example"


@pytest.fixture
async def places(live_store, clock, master):
    made = Places(clock, master)
    await live_store.write(lambda tx: made.poll_agent(tx, BOT))
    return made


async def test_a_large_mail_is_read_in_parts_of_bounded_size(live_store, places, clock):
    raw = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * (CHUNK_BYTES // 8)
    parts = [raw[start : start + CHUNK_BYTES] for start in range(0, len(raw), CHUNK_BYTES)]
    new = new_message(BOT, raw, at=clock.now())

    def unit(tx):
        for number, part in enumerate(parts):
            keep_chunk(tx, new.raw_sha256, number, part, now=clock.now())
        keep_body(tx, new.raw_sha256, size=len(raw), content=None, now=clock.now())
        return create_inbound_message(tx, new)

    message = await live_store.write(unit)

    _, read = await read_raw(BOT, message.id, store=live_store, now=clock.now())

    assert parts == [part async for part in read]


@pytest.mark.parametrize("size", [10, OFF_LOOP_BYTES + 1])
async def test_a_message_is_told_the_same_on_and_off_the_loop(live_store, places, clock, size):
    raw = b"Subject: hi\r\n\r\n" + b"x" * size
    message = await live_store.write(lambda tx: places.message(tx, BOT, raw))

    told = await read_message(BOT, message.id, peek=True, base_url=BASE, store=live_store, now=clock.now())

    assert ("hi", "x" * size, "unread") == (told["subject"], told["text"], told["status"])


async def test_room_is_asked_for_before_the_bytes_of_a_large_message_are_read(live_store, places, clock):
    short = await live_store.write(lambda tx: places.message(tx, BOT, b"Subject: short\r\n\r\n"))
    large = await live_store.write(lambda tx: places.message(tx, BOT, b"Subject: large\r\n\r\n" + b"x" * ON_LOOP_BYTES))

    async def refuse(size):
        raise MemoryError(size)

    asked = {"peek": True, "base_url": BASE, "store": live_store, "now": clock.now(), "hold": refuse}
    assert "short" == (await read_message(BOT, short.id, **asked))["subject"]
    with pytest.raises(MemoryError, match=str(large.raw_size)):
        await read_message(BOT, large.id, **asked)


async def test_a_message_that_vanished_is_not_found(live_store, places, clock):
    with pytest.raises(MessageNotFound):
        await read_message(BOT, "msg_0", peek=False, base_url=BASE, store=live_store, now=clock.now())


async def test_a_mail_without_attachments_has_none(live_store, places, clock):
    message = await live_store.write(lambda tx: places.message(tx, BOT))

    with pytest.raises(MessageNotFound, match="no such attachment"):
        await read_attachment(BOT, message.id, 0, store=live_store, now=clock.now())


async def test_a_lease_that_cannot_be_kept_is_not_given(live_store, places, clock):
    await live_store.write(lambda tx: places.message(tx, BOT))
    lose_table(live_store, "messages")

    with pytest.raises(Unavailable):
        await lease(BOT, limit=1, lease_seconds=60, wait_seconds=0, base_url=BASE, store=live_store, clock=clock)


async def test_receipts_are_answered_one_by_one(live_store, places, clock):
    await live_store.write(lambda tx: places.message(tx, BOT))
    (item,) = await lease(BOT, limit=5, lease_seconds=60, wait_seconds=0, base_url=BASE, store=live_store, clock=clock)

    held = await ack(BOT, ["lost", item["receipt"]], store=live_store, now=clock.now())

    assert {"lost": False, item["receipt"]: True} == held
