"""From a relay's door to a program: what the program gets is what the webhook would have brought."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from relay.bridge.forward import forward
from relay.bridge.listen import listen
from relay.bridge.resume_point import load_resume_point
from relay.bridge.source import Source
from relay.clock import SystemClock
from relay.delivery.attempt import InboundSubject, composed
from relay.delivery.post import Poster
from relay.directory.agents import read_secrets
from relay.errors import StreamCut
from relay.signing.check import check_request
from relay.signing.secrets import parse_whsec
from store.mail.deliveries import list_deliveries_of_message
from tests.delivery.test_post import wire
from tests.places import Places
from tests.sink import Sink
from tests.web.client import BASE_URL, BOT, ApiServer

HOOK = "hook@agents.example"
RAW = "Subject: Grüße\r\n\r\nhéllo\r\n".encode()


@pytest.fixture
async def api_server(sqlite_store, master):
    clock = SystemClock()
    opened = ApiServer(sqlite_store, clock, Places(clock, master))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def sink():
    async with Sink() as listening:
        yield listening


async def no_pause(_seconds):
    await asyncio.sleep(0)


@asynccontextmanager
async def listening(api_server, sink, *, agent=BOT, file=None, from_start=True, path="/hook"):
    """A listener beside the test; answers what it has said so far."""
    host, port = api_server.server.addresses[0]
    said = []
    async with Poster(clock=api_server.clock, allow=[ip_network("127.0.0.0/8")]) as poster:

        async def forward_event(message):
            return await forward(message, to=sink.url(path), poster=poster, now=api_server.clock.now, sleep=no_pause)

        task = asyncio.create_task(
            listen(
                Source(base_url=f"http://{host}:{port}", agent=agent, key=api_server.key),
                load_resume_point(agent, file),
                forward_event=forward_event,
                report=said.append,
                warn=lambda _: None,
                from_start=from_start,
            )
        )
        yield said
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def whsec(api_server, agent):
    secrets = await api_server.store.read(
        lambda tx: read_secrets(tx, agent, master=api_server.places.master, now=api_server.clock.now())
    )
    return secrets[0]["secret"]


async def test_the_published_library_verifies_what_is_forwarded(api_server, sink):
    await api_server.agent()
    message = await api_server.message(RAW)
    async with listening(api_server, sink):
        (posted,) = await sink.got(1)

    headers = {name.lower(): value for name, value in posted.headers.items()}
    library = Webhook(await whsec(api_server, BOT))
    assert message.id == library.verify(posted.body, headers)["data"]["message_id"]
    with pytest.raises(WebhookVerificationError):
        library.verify(posted.body + b" ", headers)


async def test_a_program_gets_what_the_webhook_would_have_brought(api_server, sink):
    await api_server.agent(HOOK, webhook="https://hook.example/in")
    message = await api_server.message(RAW, agent=HOOK)
    async with listening(api_server, sink, agent=HOOK):
        (posted,) = await sink.got(1)

    (delivery,) = await api_server.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
    assert composed(InboundSubject(message, RAW), delivery, base_url=BASE_URL) == posted.body
    assert (delivery.event_id, "application/json") == (posted.webhook_id, posted.headers["Content-Type"])
    assert message.auth_headers.items() <= dict(posted.headers).items()
    request = {"headers": dict(posted.headers), "body": posted.body.decode()}
    assert check_request(
        request, [parse_whsec(await whsec(api_server, HOOK))], now=api_server.clock.now()
    ).webhook.holds


async def test_a_program_that_fails_gets_the_event_again_and_then_the_next(api_server, sink):
    await api_server.agent()
    sink.answers("/hook", 500, 204)
    kept = [(await api_server.message()).id for _ in range(2)]
    async with listening(api_server, sink) as said:
        posted = await sink.got(3)
        await sink.idle()

    assert [kept[0], kept[0], kept[1]] == [each.message_id for each in posted]
    assert posted[0].webhook_id == posted[1].webhook_id
    assert (2, True) == (said[0].tries, said[0].taken)


async def test_what_came_while_nobody_listened_is_forwarded_by_the_next_who_knows_the_place(api_server, sink, tmp_path):
    await api_server.agent()
    first = await api_server.message()
    async with listening(api_server, sink, file=tmp_path / "place"):
        await sink.got(1)
        await until(lambda: (tmp_path / "place").exists() and load_resume_point(BOT, tmp_path / "place").last_id == "1")
    second = await api_server.message()
    async with listening(api_server, sink, file=tmp_path / "place", from_start=False):
        await sink.got(2)

    assert [first.id, second.id] == [posted.message_id for posted in sink.posted]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (a file has no event)
            await asyncio.sleep(0.01)


async def test_a_relay_that_answers_with_interim_answers_only_is_left():
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 21)
        await asyncio.sleep(60)

    async with wire(talk) as port, asyncio.timeout(30):
        source = Source(base_url=f"http://127.0.0.1:{port}", agent="a@b.test", key="k")
        with pytest.raises(StreamCut):
            await anext(source.follow(None))
