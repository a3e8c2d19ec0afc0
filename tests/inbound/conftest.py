"""The way in over both databases, with a shared domain and the operator's own postmaster."""

import pytest

from relay.directory.agents import make_secret
from relay.inbound.receive import ReceiveContext
from relay.mail.routes import Routes
from relay.wiring import SenderAuthenticator
from store.directory.agents import POSTMASTER, ensure_operator_postmaster
from store.directory.domains import ensure_shared_domain
from tests.auth.mails import zone
from tests.fakes import FakeResolver
from tests.inbound.way_in import HOSTNAME, SHARED, WayIn
from tests.places import Places


@pytest.fixture
async def way_in(live_store, clock, master) -> WayIn:
    def operator(tx):
        secret = make_secret(POSTMASTER, master=master, now=clock.now())
        ensure_operator_postmaster(tx, secret=secret, now=clock.now())
        ensure_shared_domain(tx, SHARED, now=clock.now())

    await live_store.write(operator)
    resolver = FakeResolver(zone())
    routes = Routes(hostname=HOSTNAME, postmaster=None, shared_domain=SHARED)
    receive_context = ReceiveContext(
        store=live_store, judge=SenderAuthenticator(resolver), clock=clock, master=master, routes=routes
    )
    return WayIn(receive_context, Places(clock, master), resolver)
