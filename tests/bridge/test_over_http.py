"""From a relay's door to a program: what the program gets is what the webhook would have brought."""

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from relay.bridge.forward import forward
from relay.bridge.listen import listen
from relay.bridge.resume_point import load_place
from relay.bridge.source import Source
from relay.clock import SystemClock
from relay.delivery.attempt import Letter, composed
from relay.delivery.post import Poster
from relay.directory.agents import read_secrets
from relay.signing.check import check_request
from relay.signing.secrets import parse_whsec
from store.mail.deliveries import list_deliveries_of_message
from tests.places import Places
from tests.sink import Sink
from tests.web.client import BASE_URL, BOT, Door

HOOK = "hook@agents.example"
RAW = "Subject: Grüße\r\n\r\nhéllo\r\n".encode()


@pytest.fixture
async def door(sqlite_store, master):
    clock = SystemClock()
    opened = Door(sqlite_store, clock, Places(clock, master))
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
async def listening(door, sink, *, agent=BOT, file=None, from_start=True, path="/hook"):
    """A listener beside the test; answers what it has said so far."""
    host, port = door.server.addresses[0]
    said = []
    async with Poster(clock=door.clock, allow=[ip_network("127.0.0.0/8")]) as poster:

        async def hand_on(message):
            return await forward(message, to=sink.url(path), by=poster, now=door.clock.now, sleep=no_pause)

        task = asyncio.create_task(
            listen(
                Source(base_url=f"http://{host}:{port}", agent=agent, key=door.key),
                load_place(agent, file),
                hand_on=hand_on,
                say=said.append,
                warn=lambda _: None,
                from_start=from_start,
            )
        )
        yield said
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def whsec(door, agent):
    secrets = await door.store.read(lambda tx: read_secrets(tx, agent, master=door.places.master, now=door.clock.now()))
    return secrets[0]["secret"]


async def test_the_published_library_verifies_what_is_forwarded(door, sink):
    await door.agent()
    message = await door.message(RAW)
    async with listening(door, sink):
        (posted,) = await sink.got(1)

    headers = {name.lower(): value for name, value in posted.headers.items()}
    library = Webhook(await whsec(door, BOT))
    assert message.id == library.verify(posted.body, headers)["data"]["message_id"]
    with pytest.raises(WebhookVerificationError):
        library.verify(posted.body + b" ", headers)


async def test_a_program_gets_what_the_webhook_would_have_brought(door, sink):
    await door.agent(HOOK, webhook="https://hook.example/in")
    message = await door.message(RAW, agent=HOOK)
    async with listening(door, sink, agent=HOOK):
        (posted,) = await sink.got(1)

    (delivery,) = await door.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
    assert composed(Letter(message, RAW), delivery, base_url=BASE_URL) == posted.body
    assert (delivery.event_id, "application/json") == (posted.webhook_id, posted.headers["Content-Type"])
    assert message.auth_headers.items() <= dict(posted.headers).items()
    request = {"headers": dict(posted.headers), "body": posted.body.decode()}
    assert check_request(request, [parse_whsec(await whsec(door, HOOK))], now=door.clock.now()).webhook.holds


async def test_a_program_that_fails_gets_the_event_again_and_then_the_next(door, sink):
    await door.agent()
    sink.answers("/hook", 500, 204)
    kept = [(await door.message()).id for _ in range(2)]
    async with listening(door, sink) as said:
        posted = await sink.got(3)
        await sink.idle()

    assert [kept[0], kept[0], kept[1]] == [each.message_id for each in posted]
    assert posted[0].webhook_id == posted[1].webhook_id
    assert (2, True) == (said[0].tries, said[0].taken)


async def test_what_came_while_nobody_listened_is_forwarded_by_the_next_who_knows_the_place(door, sink, tmp_path):
    await door.agent()
    first = await door.message()
    async with listening(door, sink, file=tmp_path / "place"):
        await sink.got(1)
        await until(lambda: (tmp_path / "place").exists() and load_place(BOT, tmp_path / "place").last_id == "1")
    second = await door.message()
    async with listening(door, sink, file=tmp_path / "place", from_start=False):
        await sink.got(2)

    assert [first.id, second.id] == [posted.message_id for posted in sink.posted]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (a file has no event)
            await asyncio.sleep(0.01)
