"""Stream an agent's events as Server-Sent Events (WHATWG HTML §9.2).

The data of an event is one line of JSON: the headers a webhook request would have now, and its body
as a string. It is a string because the signatures cover the exact bytes of the body: parsing and
serialising JSON may change these bytes, but not the content of a string. ``mailseal verify-seal``
reads the same form.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final, Literal

import orjson
import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Send

from relay.errors import RelayError
from relay.inbox.pulses import Pulses
from relay.inbox.stream import Event, StreamContext, begin, follow
from relay.web.access.context import WebContext
from relay.web.access.dependencies import AgentReader, AnyPrincipal
from relay.web.access.held_shares import Waits
from relay.web.access.paths import AGENT
from store.errors import StoreError, words_of
from store.mail.events_feed import Follower

router = APIRouter(prefix=AGENT, tags=["events"])

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MS: Final = 2000  # a browser reconnects after this time
HEARTBEAT: Final = b":\n\n"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # prevents nginx from buffering events
}
_EXAMPLE: Final = (
    "retry: 2000\nid: 41\n\n"
    "id: 42\nevent: email.received\n"
    'data: {"headers":{"webhook-id":"evt_…","webhook-timestamp":"1795446000","webhook-signature":"v1,…",'
    '"Mailseal-Version":"1"},"body":"{\\"type\\":\\"email.received\\",\\"id\\":\\"evt_…\\"}"}\n\n'
    ":\n\n"
)
_ANSWER: Final[dict[str, Any]] = {
    "description": (
        "Events until the client disconnects. `id` is the position to resume from; the stream begins with an `id` "
        "alone, so that a client disconnected before the first event can resume. `event` is the type. `data` is one "
        "line of JSON: `headers` as a webhook request would have them now, and `body`, the exact body, as a string. A "
        "comment is a heartbeat. The stream ends when the key is revoked, the agent is deleted or the server stops."
    ),
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
}
log = structlog.get_logger("relay.web")


class _EventStream(StreamingResponse):
    """A streaming response that frees each chunk once sent.

    Starlette's keeps the last chunk until the next one.
    """

    media_type = MEDIA_TYPE

    async def stream_response(self, send: Send) -> None:
        """Send all chunks."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self.body_iterator:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            del frame
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def make_stream_context(ctx: WebContext) -> StreamContext:
    """The context shared by all event streams of *ctx*."""
    return StreamContext(
        store=ctx.store,
        clock=ctx.clock,
        master=ctx.master,
        base_url=ctx.base_url,
        heartbeat_seconds=ctx.limits.heartbeat_seconds,
        is_over=ctx.closing.is_set,
        pulses=Pulses(ctx.store),
    )


async def request_stream_context(request: Request) -> StreamContext:
    """The StreamContext of the application that handles *request*."""
    stream_context: StreamContext = request.state.stream_context
    return stream_context


@router.get("/events", response_class=StreamingResponse, responses={200: _ANSWER}, dependencies=[Waits])
async def follow_events(
    agent: AgentReader,
    principal: AnyPrincipal,
    stream_context: Annotated[StreamContext, Depends(request_stream_context)],
    *,
    start: Annotated[
        Literal["now", "start"], Query(alias="from", description="`now`, or `start`: from the oldest unread message.")
    ] = "now",
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=100, description="Resume after this event.")
    ] = None,
    resume: Annotated[
        str | None,
        Query(alias="last_event_id", max_length=100, description="Same, for clients that cannot set a header."),
    ] = None,
) -> StreamingResponse:
    """Stream the agent's events, the same as a webhook gets, to any number of clients.

    Streaming does not mark messages as read or remove them from the queue. A client that resumes with its last `id`
    misses no event and gets none twice, as long as the message is kept. The header takes precedence over the
    parameter, and both over `from`.
    """
    resumed = last_event_id if last_event_id is not None else resume
    place = await begin(agent.address, last_event_id=resumed, from_start=start == "start", ctx=stream_context)
    follower = Follower(
        agent=agent.address, made_at=agent.created_at, user_id=principal.user.id, key_id=principal.key.id
    )
    return _EventStream(_frames(follower, place, ctx=stream_context), headers=_HEADERS)


async def _frames(follower: Follower, place: int, *, ctx: StreamContext) -> AsyncGenerator[bytes]:
    """The bytes of a stream.

    An error after the start can no longer be reported; it ends the stream, and the client reconnects.
    """
    yield f"retry: {RETRY_MS}\nid: {place}\n\n".encode()
    try:
        async with aclosing(follow(follower, place, ctx=ctx)) as events:
            async for event in events:
                yield HEARTBEAT if event is None else _frame(event)
                del event
    except (StoreError, RelayError) as error:
        log.warning("stream_failed", agent=follower.agent, error=words_of(error))


def _frame(event: Event) -> bytes:
    data = orjson.dumps({"headers": event.headers, "body": event.body.decode()})
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.place, event.type.encode(), data)
