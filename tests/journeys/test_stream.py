"""Letters to whoever follows an agent: across processes, over a restart, by curl, by EventSource."""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from types import SimpleNamespace

import psycopg
import pytest

from tests.daemon_process import ROOT
from tests.journeys.front import Front
from tests.journeys.home import BOT
from tests.journeys.sender import letter, sent, signed_letter
from tests.web.api.stream_client import PATIENCE_SECONDS, events, following

NODE = shutil.which("node")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None
)


def api_server(home, http):
    """A daemon's door, as a client of the stream needs it."""
    return SimpleNamespace(key=home.key, server=SimpleNamespace(addresses=[http]))


@pytest.fixture
def bot(home):
    home.agent()


@pytest.fixture
def started():
    """Starts daemons off the loop; none is left behind."""
    running = []

    async def start(home):
        running.append(home.process())
        return await asyncio.to_thread(running[-1].start)

    yield start
    for daemon in running:
        daemon.kill()


async def test_a_letter_comes_to_who_follows_with_its_verdict(home, bot):
    async with home.daemon() as relay, following(api_server(home, relay.http)) as stream:
        (message_id,) = await sent(relay.smtp, signed_letter(), BOT)
        event = await stream.event()

    assert (message_id, True) == (event.message_id, event.json["data"]["verified"])
    assert home.checked(event, BOT).holds


async def test_who_follows_at_one_daemon_gets_the_letters_to_another(postgres_home):
    home = postgres_home
    home.agent()
    async with home.daemon() as here, home.daemon() as there, following(api_server(home, here.http)) as stream:
        for number in range(3):
            (message_id,) = await sent(there.smtp, letter(number), BOT)
            async with asyncio.timeout(5):  # less than to the next sign of life
                assert message_id == (await stream.event()).message_id


async def test_a_daemon_whose_line_to_the_others_was_cut_misses_nothing_for_long(postgres_home, postgres_url):
    home = postgres_home
    home.agent()
    async with home.daemon() as here, home.daemon() as there, following(api_server(home, here.http)) as stream:
        with psycopg.connect(postgres_url, autocommit=True) as operator:
            operator.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )
        (message_id,) = await sent(there.smtp, letter(), BOT)
        async with asyncio.timeout(10):
            assert message_id == (await stream.event()).message_id


async def test_a_letter_put_in_by_hand_comes_to_who_follows(home, bot, started, tmp_path):
    (tmp_path / "letter.eml").write_bytes(letter())
    daemon = await started(home)
    async with following(api_server(home, daemon.http)) as stream:
        command = [sys.executable, "-m", "relay.cli", "inject", str(tmp_path / "letter.eml"), "--to", BOT, "--json"]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=home.command_environment, capture_output=True, timeout=60
        )
        assert 0 == done.returncode, done.stderr
        async with asyncio.timeout(5):
            event = await stream.event()

    assert json.loads(done.stdout)["message_ids"] == [event.message_id]


async def test_who_follows_goes_on_behind_the_last_event_after_the_daemons_death(home, bot, started):
    daemon = await started(home)
    async with following(api_server(home, daemon.http)) as stream:
        kept = [(await sent(daemon.smtp, letter(number), BOT))[0] for number in range(3)]
        had = await stream.events(2)
        daemon.kill()
    await asyncio.to_thread(daemon.start)
    kept += await sent(daemon.smtp, letter(3), BOT)

    async with following(api_server(home, daemon.http), last_id=had[-1].id) as stream:
        had += await stream.events(2)

    assert kept == [event.message_id for event in had]


async def test_a_daemon_that_is_told_to_stop_ends_its_streams_and_ends(sqlite_home, started):
    sqlite_home.agent()
    daemon = await started(sqlite_home)
    async with following(api_server(sqlite_home, daemon.http)) as stream:
        daemon.terminate()

        assert [] == await stream.rest()
        assert 0 == await asyncio.to_thread(daemon.ended)

    assert [] == daemon.noise
    assert [] == [line for line in daemon.log if line["level"] not in {"info", "debug"}]


async def test_curl_reads_the_stream(sqlite_home):
    sqlite_home.agent()
    async with sqlite_home.daemon() as relay:
        url = "http://{}:{}".format(*relay.http) + events()
        curl = await asyncio.create_subprocess_exec(
            "curl", "-sN", "-H", f"Authorization: Bearer {sqlite_home.key}", url, stdout=subprocess.PIPE, limit=2**20
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [b"retry: 2000\n", b"id: 0\n", b"\n"] == [await curl.stdout.readline() for _ in range(3)]
            (message_id,) = await sent(relay.smtp, letter(), BOT)
            lines = [await curl.stdout.readline() for _ in range(4)]
        curl.terminate()
        await curl.wait()

    assert [b"id: 1\n", b"event: email.received\n", b"\n"] == [lines[0], lines[1], lines[3]]
    data = json.loads(lines[2].removeprefix(b"data: "))
    assert message_id == json.loads(data["body"])["data"]["message_id"]


@asynccontextmanager
async def node(front):
    process = await asyncio.create_subprocess_exec(
        NODE, "--experimental-eventsource", "--no-warnings", "-e", front.script
    )
    yield
    process.kill()
    await process.wait()


@asynccontextmanager
async def browser(front):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--remote-debugging-port=0", f"--user-data-dir={profile}", front.url,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        yield
        process.kill()
        await process.wait()


def has_event_source():
    """Whether this machine's node knows EventSource, as it does from 20.18 and 22.3 on."""
    if NODE is None:
        return False
    command = [NODE, "--experimental-eventsource", "-e", "new EventSource('http://127.0.0.1:9/').close()"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.skipif(not has_event_source(), reason="no node with an EventSource here")
async def test_nodes_event_source_reads_the_stream(sqlite_home):
    sqlite_home.agent()
    async with sqlite_home.daemon() as relay, Front(relay.http, sqlite_home.key, BOT) as front, node(front):
        assert {"open": True} == await front.hears()
        kept = [(await sent(relay.smtp, letter(number), BOT))[0] for number in range(2)]
        told = [await front.hears() for _ in kept]

    assert kept == [json.loads(event["body"])["data"]["message_id"] for event in told]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
async def test_a_browsers_event_source_reads_the_stream_and_goes_on_where_it_was_cut(sqlite_home):
    sqlite_home.agent()
    async with sqlite_home.daemon() as relay, Front(relay.http, sqlite_home.key, BOT) as front, browser(front):
        assert {"open": True} == await front.hears()
        kept = await sent(relay.smtp, letter(1), BOT)
        told = [await front.hears()]
        front.cut()
        kept += await sent(relay.smtp, letter(2), BOT)
        told += [event for event in [await front.hears(), await front.hears()] if "open" not in event]

    assert kept == [json.loads(event["body"])["data"]["message_id"] for event in told]
    assert [("1", "email.received"), ("2", "email.received")] == [(event["id"], event["type"]) for event in told]
    assert [json.loads(event["body"])["id"] for event in told] == [event["webhook_id"] for event in told]
    assert [None, "1"] == front.resumed
