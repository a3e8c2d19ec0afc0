"""Readiness of a whole daemon: it can take mail only while its database can be written."""

import asyncio

import aiohttp
import psycopg
import pytest
from sqlalchemy import make_url

from relay.clock import SystemClock
from relay.daemon import Daemon
from relay.database import make_database
from relay.settings import load


@pytest.fixture
async def daemon(postgres_url, tmp_path):
    settings = load(
        {
            "MAILSEAL_DATA_DIR": str(tmp_path / "data"),
            "MAILSEAL_DATABASE_URL": postgres_url,
            "MAILSEAL_HOSTNAME": "mx.here.example",
            "MAILSEAL_SMTP_LISTEN": "127.0.0.1:0",
            "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0",
            "MAILSEAL_DNS_NAMESERVERS": "127.0.0.1:9",
        }
    )
    running = Daemon(settings, store=make_database(settings, now=SystemClock().now()))
    addresses = await running.start()
    yield "http://{}:{}/readyz".format(*addresses.http[0])
    await running.stop()


async def status(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def test_a_daemon_is_not_ready_while_its_database_refuses_it(daemon, postgres, postgres_url):
    assert 200 == await status(daemon)
    name = make_url(postgres_url).database

    try:
        await asyncio.to_thread(shut, postgres, name, allowed=False)
        assert 503 == await status(daemon)
    finally:
        await asyncio.to_thread(shut, postgres, name, allowed=True)
    assert 200 == await status(daemon)


def shut(server, name, *, allowed):
    """Let nobody into the database any more, and put out who is in; or let them in again."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
        if not allowed:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
