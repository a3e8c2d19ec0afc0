"""A relay whose database does not answer for a while: senders are told to come back, and when they do, it is there."""

import asyncio
import smtplib
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager

import psycopg
import pytest
from sqlalchemy import event, make_url

from tests.journeys.home import BOT, Home
from tests.journeys.sender import Reply, letter, sent, transact

TRY_LATER = (451, "4.3.0")


@contextmanager
def no_database(url: str, through: str):
    """The PostgreSQL database at *url* takes nobody, and everybody has been thrown out."""
    name = make_url(url).database
    with psycopg.connect(through, autocommit=True) as operator:
        operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def locked(url: str):
    """The SQLite file at *url* belongs to another writer."""
    with closing(sqlite3.connect(make_url(url).database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def session():
    """Sessions with a door, closed in the end."""
    opened = []

    def at(smtp) -> smtplib.SMTP:
        client = smtplib.SMTP(*smtp, local_hostname="mx.example.com", timeout=60)
        opened.append(client)
        client.ehlo()
        return client

    yield at
    for client in opened:
        client.close()


async def test_without_its_database_a_relay_puts_senders_off_and_loses_nothing(
    postgres_home, postgres, postgres_url, session
):
    postgres_home.agent()
    async with postgres_home.daemon() as relay, postgres_home.poller(relay.http) as agent:
        client = await asyncio.to_thread(session, relay.smtp)
        with no_database(postgres_url, postgres):
            assert TRY_LATER == (await asyncio.to_thread(transact, client, letter(), BOT)).status
            assert 503 == (await agent.get("/readyz"))[0]
        reply = await asyncio.to_thread(transact, client, letter(), BOT)
        items = await agent.lease(most=10)

    assert (250, "2.0.0") == reply.status
    assert reply.ids == [item["message"]["message_id"] for item in items]


async def test_a_letter_whose_database_goes_while_it_arrives_is_put_off_and_taken_later(
    postgres_home, postgres, postgres_url, session
):
    postgres_home.agent()
    async with postgres_home.daemon() as relay, postgres_home.poller(relay.http) as agent:
        client = await asyncio.to_thread(session, relay.smtp)
        await asyncio.to_thread(begin, client)
        with no_database(postgres_url, postgres):
            assert TRY_LATER == (await asyncio.to_thread(end, client)).status
        reply = await asyncio.to_thread(transact, client, letter(), BOT)
        items = await agent.lease(most=10)

    assert reply.ids == [item["message"]["message_id"] for item in items]


async def test_a_letter_to_a_locked_database_is_put_off_and_taken_later(sqlite_home, sqlite_file_url, session):
    sqlite_home.agent()
    async with impatient(sqlite_home) as relay, sqlite_home.poller(relay.http) as agent:
        client = await asyncio.to_thread(session, relay.smtp)
        with locked(sqlite_file_url):
            assert TRY_LATER == (await asyncio.to_thread(transact, client, letter(), BOT)).status
        reply = await asyncio.to_thread(transact, client, letter(), BOT)
        items = await agent.lease(most=10)

    assert reply.ids == [item["message"]["message_id"] for item in items]


async def test_deliveries_go_on_when_the_database_is_back(postgres_home, postgres, postgres_url, sink):
    postgres_home.agent(webhook=sink.url())
    async with postgres_home.daemon() as relay:
        with no_database(postgres_url, postgres):
            pass
        (message_id,) = await sent(relay.smtp, letter(), BOT)

        assert message_id == (await sink.got(1))[0].message_id


@asynccontextmanager
async def impatient(home: Home):
    """A daemon that waits for a lock no longer than a moment: ten seconds are long for a test."""

    def prepare(connection, _record):
        connection.execute("PRAGMA busy_timeout=50")

    async with home.daemon() as relay:
        engine = relay.daemon.store.engine
        event.listen(engine, "connect", prepare)
        engine.dispose()
        yield relay


def begin(client: smtplib.SMTP) -> None:
    """Everything of a mail but its bytes."""
    assert client.mail("ana@example.com")[0] == 250
    assert client.rcpt(BOT)[0] == 250
    assert client.docmd("DATA")[0] == 354


def end(client: smtplib.SMTP) -> Reply:
    """The bytes."""
    client.send(letter() + b".\r\n")
    code, text = client.getreply()
    return Reply(code, text.decode())
