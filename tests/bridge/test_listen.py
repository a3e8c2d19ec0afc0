"""Following a relay's stream: coming back where it broke off, and giving up where nothing else helps."""

import asyncio
import json
import ssl
from contextlib import suppress

import pytest
import trustme
from aiohttp import web

from relay.bridge.forward import Forwarded
from relay.bridge.listen import RECONNECT_SECONDS, listen, reconnect_seconds
from relay.bridge.resume_point import ResumePoint
from relay.bridge.source import Source
from relay.errors import Misconfigured, StreamCut, StreamRefused
from tests.fakes import FakeClock

BOT = "b+o/t@agents.example"
STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def event(number):
    return b'id: %d\nevent: email.received\ndata: {"headers": {}, "body": "%d"}\n\n' % (number, number)


class Relay:
    """Answers each connection with the next of its scripts: bytes of a stream, or a status and a problem."""

    def __init__(self, *scripts, tls=None):
        self.scripts, self.tls = list(scripts), tls
        self.asked = []

    async def __aenter__(self):
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        self.asked.append((request.raw_path, request.headers.get("Last-Event-ID"), request.headers["Authorization"]))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        if not isinstance(script, bytes):
            status, headers, document = script
            return web.Response(status=status, headers=headers, body=json.dumps(document).encode())
        answer = web.StreamResponse(headers=STREAM)
        await answer.prepare(request)
        await answer.write(script)
        request.transport.abort()
        return answer


class Listening:
    """What a listener of one relay does, until it has been handed so many events."""

    def __init__(self, url, *, until=1, last_id=None, file=None, from_start=False):
        self.place = ResumePoint(BOT, file, last_id)
        self.source = Source(base_url=url, agent=BOT, key="mk_1")
        self.until, self.from_start = until, from_start
        self.handed, self.said, self.warned, self.pauses = [], [], [], []

    async def run(self):
        with suppress(StopAsyncIteration):
            async with asyncio.timeout(20):
                await listen(
                    self.source, self.place, forward_event=self._hand_on, report=self.said.append, warn=self.warned.append,
                    from_start=self.from_start, sleep=self._sleep,
                )  # fmt: skip
        return self

    async def _hand_on(self, message):
        if len(self.handed) == self.until:
            raise StopAsyncIteration
        self.handed.append((message.id, self.place.last_id))
        data = json.loads(message.data)
        return Forwarded(
            at=FakeClock().now(), type=message.type, id=data["body"], message_id=None, sender=None, verified=None,
            subject=None, status=204, error=None, duration_ms=1, tries=1, taken=True,
        )  # fmt: skip

    async def _sleep(self, seconds):
        self.pauses.append(seconds)
        if len(self.pauses) > 20:
            raise StopAsyncIteration


async def test_a_listener_comes_back_behind_the_last_event_it_dealt_with():
    async with Relay(b"id: 4\n\n" + event(5) + event(6)[:-1], event(6) + event(7), event(8)) as relay:
        done = await Listening(relay.url, until=3).run()

    path = "/v1/agents/b%2Bo%2Ft%40agents.example/events"
    assert [(path, None, "Bearer mk_1"), (path, "5", "Bearer mk_1"), (path, "7", "Bearer mk_1")] == relay.asked
    assert [("5", "4"), ("6", "5"), ("7", "6")] == done.handed  # the place moves on when an event is dealt with
    assert ["5", "6", "7"] == [said.id for said in done.said]


async def test_a_listener_that_was_cut_off_before_the_first_event_comes_back_behind_the_beginning():
    async with Relay(b"retry: 2000\nid: 4\n\n:\n\n", event(5), event(6)) as relay:
        await Listening(relay.url).run()

    assert [None, "4", "5"] == [last_id for _, last_id, _ in relay.asked]


async def test_only_who_knows_no_place_begins_at_the_start():
    async with Relay(event(5), event(6), event(7)) as relay:
        await Listening(relay.url, until=2, from_start=True).run()
        await Listening(relay.url, until=0, from_start=True, last_id="6").run()

    assert [True, False, False, False] == ["from=start" in path for path, _, _ in relay.asked]


async def test_a_listener_waits_longer_each_time_and_anew_once_it_was_let_in():
    busy = (503, {}, {"detail": "not now"})
    async with Relay(busy, busy, busy, b"id: 1\n\n", busy, event(2), event(3)) as relay:
        done = await Listening(relay.url).run()

    least = [1, 2, 4, 1, 2, 1]
    assert all(wanted <= pause <= wanted * 1.1 for wanted, pause in zip(least, done.pauses, strict=True))
    assert done.warned[0].startswith("the relay is busy: not now; reconnecting in 1 s")
    assert "no connection" in done.warned[3]


async def test_a_listener_waits_as_long_as_the_relay_wishes():
    async with Relay((429, {"Retry-After": "17"}, {}), event(1), event(2)) as relay:
        done = await Listening(relay.url).run()

    assert 17 == done.pauses[0]
    assert "the relay is busy: it answers 429" in done.warned[0]


async def test_nobody_there_is_a_reason_to_come_back():
    async with Relay(event(1)) as relay:
        url = relay.url
    done = await Listening(url).run()

    assert 21 == len(done.pauses)
    assert RECONNECT_SECONDS[-1] <= done.pauses[-1] <= RECONNECT_SECONDS[-1] * 1.1
    assert done.warned[0].startswith(f"no connection to {url}: ")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ((401, {}, {"detail": "an API key is needed"}), "the relay refuses: an API key is needed"),
        ((404, {}, {"detail": "No such agent"}), "the relay refuses: No such agent"),
        ((422, {}, {"detail": "not a cursor"}), "the relay refuses: not a cursor"),
        ((404, {}, ["x"]), "the relay refuses: it answers 404"),
        ((301, {"Location": "http://127.0.0.1:9/"}, {}), "the relay refuses: it answers 301"),
        ((200, {"Content-Type": "text/html"}, "<html>"), "the relay refuses: it answers 200"),
    ],
)
async def test_what_coming_back_cannot_mend_ends_the_listener(script, words):
    async with Relay(script) as relay:
        with pytest.raises(StreamRefused, match=words):
            await Listening(relay.url).run()

    assert 1 == len(relay.asked)


@pytest.mark.parametrize(
    "url", ["", "relay.example", "ftp://relay.example", "http://relay.example:99999", "http://[::1"]
)
async def test_what_is_no_url_ends_the_listener(url):
    with pytest.raises(StreamRefused, match="is not the URL of a relay"):
        await Listening(url).run()


async def test_a_server_that_speaks_no_tls_is_no_connection():
    async with Relay(event(1)) as relay:
        done = await Listening(relay.url.replace("http:", "https:")).run()

    assert done.warned[0].startswith("no connection")


async def test_a_certificate_that_nobody_vouches_for_ends_the_listener():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with Relay(event(1), tls=context) as relay:
        with pytest.raises(StreamRefused, match=r"certificate of .* is not trusted"):
            await Listening(relay.url).run()


async def test_an_event_whose_place_cannot_be_kept_ends_the_listener(tmp_path):
    async with Relay(event(1)) as relay:
        with pytest.raises(Misconfigured, match="cannot write"):
            await Listening(relay.url, file=tmp_path / "nowhere" / "place").run()


async def test_a_source_tells_nobody_its_key():
    assert "mk_1" not in repr(Source(base_url="https://relay.example", agent=BOT, key="mk_1"))


async def test_a_stream_that_breaks_off_is_cut():
    async with Relay(event(1)) as relay:
        with pytest.raises(StreamCut):
            async for _ in Source(base_url=relay.url, agent=BOT, key="mk_1").follow(None):
                pass


def test_the_longest_wait_is_the_last_of_the_table():
    assert 30 == reconnect_seconds(6, jitter=0) == reconnect_seconds(1000, jitter=0)
