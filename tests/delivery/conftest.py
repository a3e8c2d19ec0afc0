"""The way out over both databases, with a sink for an endpoint."""

import pytest

from relay.delivery.post import Poster
from tests.delivery.way_out import LOOPBACK, WayOut
from tests.sink import Sink


@pytest.fixture
async def sink():
    async with Sink() as listening:
        yield listening


@pytest.fixture
async def way_out(live_store, sink, clock, master):
    async with Poster(clock=clock, allow=LOOPBACK, total_seconds=5.0) as poster:
        yield WayOut(live_store, sink, clock, master, poster)
