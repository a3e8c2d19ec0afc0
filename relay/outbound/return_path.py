"""The reverse-path of an agent's mail: its address with a signed tag, where a bounce comes back to the agent."""

from typing import Final

from relay.mail.address import Address, parse_mailbox
from relay.outbound.context import SendContext
from relay.signing.return_tag import return_tag
from store.directory.agents import lookup_recipient
from store.names import normalise_local
from store.records.outbound import OutboundMessage
from store.transaction import Tx

MAX_LOCAL: Final = 64  # octets (RFC 5321 §4.5.3.1.1)


def return_path(tx: Tx, message: OutboundMessage, attempt_id: str, *, ctx: SendContext) -> str:
    """The envelope's sender for *message* in the send attempt *attempt_id*.

    It has the tag where the courier keeps the reverse-path, the local part stays within 64 octets, and mail for the
    tagged address is delivered to the same agent. The domain is the same, so SPF and DMARC have the same results.
    """
    if not ctx.tags_return_path:
        return message.mail_from
    sender = parse_mailbox(message.mail_from)
    local = sender.local.partition("+")[0]
    tagged = Address(f"{local}+{return_tag(attempt_id, message.agent, key=ctx.master.links)}", sender.domain)
    if not local or len(normalise_local(tagged.local).encode()) > MAX_LOCAL or not local.isascii():
        return message.mail_from
    found = lookup_recipient(tx, ctx.routes.candidates(tagged))
    return str(tagged) if found is not None and found.address == message.agent else message.mail_from
