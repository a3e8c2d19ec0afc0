"""Whether a recipient exists here: the answer to RCPT TO (contract §2)."""

from relay.errors import UnknownRecipient
from relay.mail.address import Address
from relay.mail.routes import Routes
from store.directory.agents import lookup_recipient
from store.engine import Store
from store.records.mail import Recipient


async def admit(address: Address, *, store: Store, routes: Routes) -> Recipient:
    """The agent that takes mail for *address*, with the secret that seals for it.

    Raises UnknownRecipient, for an agent on an unproved domain too (a stranger cannot tell the two
    apart), and the store's Unavailable.
    """
    candidates = routes.candidates(address)
    recipient = await store.read_on_loop(lambda tx: lookup_recipient(tx, candidates))
    if recipient is None:
        raise UnknownRecipient
    return recipient
