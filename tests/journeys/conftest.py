"""A relay's surroundings: a zone that is really asked, an endpoint that is really called, both databases."""

import pytest

from relay.demo.zone_server import ZoneServer
from tests.auth.mails import zone
from tests.journeys.home import Home
from tests.sink import Sink

SILENT = "silent.example"


@pytest.fixture
async def nameserver():
    records = zone(spf="v=spf1 ip4:127.0.0.1 -all")
    server = ZoneServer(records, failing={SILENT, f"_dmarc.{SILENT}"})
    await server.start()
    yield "{}:{}".format(*server.address)
    await server.stop()


@pytest.fixture
async def sink():
    async with Sink() as listening:
        yield listening


@pytest.fixture
def home(tmp_path, database_url, nameserver):
    made = Home(tmp_path / "data", database_url, nameserver)
    yield made
    made.close()


@pytest.fixture
def postgres_home(tmp_path, postgres_url, nameserver):
    made = Home(tmp_path / "data", postgres_url, nameserver)
    yield made
    made.close()


@pytest.fixture
def sqlite_home(tmp_path, sqlite_file_url, nameserver):
    made = Home(tmp_path / "data", sqlite_file_url, nameserver)
    yield made
    made.close()
