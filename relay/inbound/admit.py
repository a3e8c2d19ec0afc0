"""Find the agent that receives mail for an address, to answer RCPT TO.

See docs/contract.md §2.
"""

from relay.errors import UnknownRecipient
from relay.mail.address import Address
from relay.mail.routes import Routes
from store.directory.agents import lookup_recipient
from store.engine import Store
from store.records.mail import Recipient


async def admit(address: Address, *, store: Store, routes: Routes) -> Recipient:
    """The agent that receives mail for *address*, with the secret that seals for it.

    Raises UnknownRecipient, also for an agent on an unverified domain, so that a sender cannot tell the two
    apart; and the store's Unavailable.
    """
    candidates = routes.candidates(address)
    recipient = await store.read_on_loop(lambda tx: lookup_recipient(tx, candidates))
    if recipient is None:
        raise UnknownRecipient
    return recipient
