"""Read an agent's messages: list them, fetch one, its bytes, its attachments."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from relay.clock import Clock
from relay.errors import ContentGone
from relay.events.inbound import message_data, message_item
from relay.inbox.wait import never_left, wait_for
from relay.mail.parse import attachment
from relay.mail.parsed_mail import Part
from relay.threads import apart, read_whole
from store.engine import Store
from store.errors import MessageNotFound
from store.mail.bodies import read_body, read_chunk
from store.mail.messages import (
    find_bytes,
    get_inbound_message,
    get_message_with_content,
    get_messages_by_agent,
    mark_read,
)
from store.mail.search import MessageFilter, search_messages
from store.records.mail import Message, Page
from store.transaction import Tx

ON_LOOP_BYTES: Final = 65_536  # of a message: with more, another thread reads them


async def list_messages(
    agent: str,
    wanted: MessageFilter,
    *,
    limit: int,
    cursor: str | None,
    wait_seconds: float,
    store: Store,
    clock: Clock,
    has_left: Callable[[], Awaitable[bool]] = never_left,
) -> Page[dict[str, Any]]:
    """A page of messages without their content; waits for the first.

    Raises InvalidValue.
    """

    async def look() -> Page[Message]:
        now = clock.now()
        return await store.read(lambda tx: _page(tx, agent, wanted, limit=limit, cursor=cursor, now=now))

    page = await wait_for(
        look,
        lambda page: bool(page.items or page.next_cursor),
        agent=agent,
        wait_seconds=wait_seconds,
        notifier=store.notifier,
        has_left=has_left,
    )
    return Page([message_item(message) for message in page.items], page.next_cursor)


async def message_size(agent: str, message_id: str, *, store: Store, now: datetime) -> int:
    """The size of the bytes of a message of either direction, before they are read.

    Raises MessageNotFound.
    """
    size, _ = await store.read(lambda tx: find_bytes(tx, agent, message_id, now=now))
    return size


async def read_message(
    agent: str,
    message_id: str,
    *,
    peek: bool,
    base_url: str,
    store: Store,
    now: datetime,
    hold: Callable[[int], Awaitable[None]] | None = None,
) -> dict[str, Any]:
    """A message with its content; marks it read unless *peek* is set.

    *hold* is called with the size of a large one before its bytes are read. Raises MessageNotFound.
    """
    message, raw = await store.read_on_loop(lambda tx: _with_short_bytes(tx, agent, message_id, now=now))
    if raw is None:
        if hold is not None:
            await hold(message.raw_size)
        raw = await store.read(lambda tx: read_body(tx, message.raw_sha256))
    if not peek and message.status == "unread":
        await store.write(lambda tx: mark_read(tx, message.id))
    status = message.status if peek else "read"
    data = await read_whole(raw, lambda: message_data(message, raw, base_url=base_url))
    return {**data, "status": status}


async def read_attachment(agent: str, message_id: str, index: int, *, store: Store, now: datetime) -> Part:
    """One attachment with its bytes.

    Raises MessageNotFound, also when there is no attachment *index*.
    """
    _, raw = await _with_bytes(agent, message_id, store=store, now=now)
    part = await apart(lambda: attachment(raw, index))
    if part is None:
        raise MessageNotFound("no such attachment")
    return part


async def read_raw(agent: str, message_id: str, *, store: Store, now: datetime) -> tuple[int, AsyncIterator[bytes]]:
    """The size and the raw bytes of a message of either direction, in chunks.

    Raises MessageNotFound; ContentGone when the bytes are deleted.
    """
    size, sha256 = await store.read(lambda tx: find_bytes(tx, agent, message_id, now=now))
    if sha256 is None:
        raise ContentGone
    return size, _parts(sha256, store=store)


def _page(tx: Tx, agent: str, wanted: MessageFilter, *, limit: int, cursor: str | None, now: datetime) -> Page[Message]:
    if wanted.is_plain:
        return get_messages_by_agent(tx, agent, status=wanted.status, limit=limit, cursor=cursor, now=now)
    return search_messages(tx, agent, wanted, limit=limit, cursor=cursor, now=now)


async def _parts(sha256: str, *, store: Store) -> AsyncIterator[bytes]:
    number = 0
    while (part := await _part(sha256, number, store=store)) is not None:
        yield part
        number += 1


async def _part(sha256: str, number: int, *, store: Store) -> bytes | None:
    return await store.read(lambda tx: read_chunk(tx, sha256, number))


def _with_short_bytes(tx: Tx, agent: str, message_id: str, *, now: datetime) -> tuple[Message, bytes | None]:
    """A message with its bytes; None instead of bytes that are too many to be read on the loop."""
    message = get_inbound_message(tx, agent, message_id, now=now)
    return message, read_body(tx, message.raw_sha256) if message.raw_size <= ON_LOOP_BYTES else None


async def _with_bytes(agent: str, message_id: str, *, store: Store, now: datetime) -> tuple[Message, bytes]:
    return await store.read(lambda tx: get_message_with_content(tx, agent, message_id, now=now, peek=True))
