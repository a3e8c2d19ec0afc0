"""Find the agent that receives mail for an address, to answer RCPT TO.

Mail to the relay's own address, `mailseal@` of a hosted domain, is for relay/inbound/returned.py and for no agent.

See docs/contract.md §2.
"""

from relay.errors import UnknownRecipient
from relay.mail.address import Address
from relay.mail.routes import Routes
from store.directory.agents import lookup_recipient
from store.directory.domains import is_hosted_domain
from store.engine import Store
from store.records.mail import Recipient


async def admit(address: Address, *, store: Store, routes: Routes) -> Recipient:
    """The agent that receives mail for *address*, with the secret that seals for it.

    Raises UnknownRecipient, also for an agent on an unverified domain, so that a sender cannot tell the two
    apart; and the store's Unavailable.
    """
    if routes.is_relays(address):
        return await _relays_own(address, store=store, routes=routes)
    candidates = routes.candidates(address)
    recipient = await store.read_on_loop(lambda tx: lookup_recipient(tx, candidates))
    if recipient is None:
        raise UnknownRecipient
    return recipient


async def _relays_own(address: Address, *, store: Store, routes: Routes) -> Recipient:
    if not routes.is_own_domain(address.domain) and not await store.read_on_loop(
        lambda tx: is_hosted_domain(tx, address.domain)
    ):
        raise UnknownRecipient
    return Recipient(address=address.mailbox, on_unverified="deliver", key_id="", sealed=b"", is_relay=True)
