"""An agent's events as they happen, as Server-Sent Events (WHATWG HTML §9.2).

The data of an event is one line of JSON: the headers that a webhook would get now, and its body as a
string. As a string, because the signatures are over the body's very bytes: whatever parses and writes
JSON again may change those, and no JSON library changes a string. It is the form that
``mailseal verify-seal`` reads, too.
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
from relay.web.access.paths import AGENT
from store.errors import StoreError
from store.mail.events_feed import Follower

router = APIRouter(prefix=AGENT, tags=["events"])

MEDIA_TYPE: Final = "text/event-stream"
RETRY_MS: Final = 2000  # after which a browser connects again
SIGN_OF_LIFE: Final = b":\n\n"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events until it has a block of them
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
        "Events, for as long as the client stays. `id` is where to go on: it comes once by itself at the beginning, "
        "so that a client loses nothing that is cut off before the first event. `event` is the type. `data` is one "
        "line of JSON: `headers` as a webhook would get them now, and `body`, the exact body, as a string. A comment "
        "is a sign of life. It ends when the key or the agent is gone, and when the relay stops."
    ),
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
}
log = structlog.get_logger("relay.web")


class _EventStream(StreamingResponse):
    """Sends a stream without keeping what was sent: Starlette would, until there is more."""

    media_type = MEDIA_TYPE

    async def stream_response(self, send: Send) -> None:
        """Send everything there is to come."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for frame in self.body_iterator:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            del frame
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def make_stream_context(ctx: WebContext) -> StreamContext:
    """What every stream of *house* shares."""
    return StreamContext(
        store=ctx.store,
        clock=ctx.clock,
        master=ctx.master,
        base_url=ctx.base_url,
        heartbeat_seconds=ctx.limits.heartbeat_seconds,
        is_over=ctx.closing.is_set,
        pulses=Pulses(ctx.store),
    )


def the_streaming(request: Request) -> StreamContext:
    """What every stream of this application shares."""
    stream_context: StreamContext = request.state.stream_context
    return stream_context


@router.get("/events", response_class=StreamingResponse, responses={200: _ANSWER})
async def follow_events(
    agent: AgentReader,
    principal: AnyPrincipal,
    stream_context: Annotated[StreamContext, Depends(the_streaming)],
    *,
    start: Annotated[
        Literal["now", "start"], Query(alias="from", description="`start` begins with the oldest unread message.")
    ] = "now",
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", max_length=100, description="Go on behind this event.")
    ] = None,
    resume: Annotated[
        str | None, Query(alias="last_event_id", max_length=100, description="The same, for who cannot set a header.")
    ] = None,
) -> StreamingResponse:
    """What happens to the agent, as it happens: the events that a webhook would get, to any number of clients.

    Nothing is marked read by it, and nothing taken from the queue. A client that comes back with the last
    `id` it had misses nothing and gets nothing twice, as long as the message is kept. The header wins over the
    parameter, and both over `from`.
    """
    resumed = last_event_id if last_event_id is not None else resume
    place = await begin(agent.address, last_event_id=resumed, from_start=start == "start", ctx=stream_context)
    follower = Follower(
        agent=agent.address, made_at=agent.created_at, user_id=principal.user.id, key_id=principal.key.id
    )
    return _EventStream(_frames(follower, place, ctx=stream_context), headers=_HEADERS)


async def _frames(follower: Follower, place: int, *, ctx: StreamContext) -> AsyncGenerator[bytes]:
    """The bytes of a stream; an error that cannot be told any more only ends it, and the client comes back."""
    yield f"retry: {RETRY_MS}\nid: {place}\n\n".encode()
    try:
        async with aclosing(follow(follower, place, ctx=ctx)) as events:
            async for event in events:
                yield SIGN_OF_LIFE if event is None else _frame(event)
                del event
    except (StoreError, RelayError) as error:
        log.warning("stream_failed", agent=follower.agent, error=type(error).__name__)


def _frame(event: Event) -> bytes:
    data = orjson.dumps({"headers": event.headers, "body": event.body.decode()})
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.place, event.type.encode(), data)
