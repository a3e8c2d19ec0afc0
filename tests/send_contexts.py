"""What agents write from, and what is sent by: an office of a relay that is called relay.example."""

from relay.mail.routes import Routes
from relay.outbound.context import SendContext
from relay.outbound.couriers.courier import Courier
from relay.outbound.couriers.senders import Senders
from relay.signing.secrets import MasterKey
from store.engine import Store
from tests.fakes import FakeClock

BASE = "https://relay.example"


def make_send_context(
    store: Store, clock: FakeClock, master: MasterKey, *, courier: Courier | None = None, from_domain: str | None = None
) -> SendContext:
    """An office that sends by *courier*, or not at all."""
    return SendContext(
        store=store,
        clock=clock,
        master=master,
        routes=Routes(hostname="mx.here.example", postmaster=None, shared_domain=None),
        base_url=BASE,
        courier=courier,
        senders=Senders(from_domain=from_domain),
    )
