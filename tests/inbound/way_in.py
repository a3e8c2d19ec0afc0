"""Admit and receive over a real store, with a clock and a DNS of the test's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from relay.directory import domains as proving
from relay.inbound.admit import admit
from relay.inbound.receive import ReceiveContext, receive
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from relay.mail.routes import Routes
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import Secret
from relay.spool import Spool
from store.directory.agents import list_secrets
from store.mail.bodies import read_body
from store.mail.messages import find_message
from store.records.mail import Message, Recipient
from tests.broken_store import kept
from tests.fakes import FakeResolver
from tests.places import Places

HOSTNAME = "mx.here.example"
SHARED = "shared.example"
OWNER = "ana@owner.example"
MAIL = (
    b"From: Ana <ana@example.com>\r\n"
    b"To: bot@agents.example\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Message-ID: <1@example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game.\r\n"
)


def address(text: str) -> Address:
    """An address as SMTP hands it over; no domain for <Postmaster>."""
    local, _, domain = text.rpartition("@") if "@" in text else (text, "", "")
    return Address(local, domain.lower())


def envelope(*to: str, mail_from: str | None = "ana@example.com", ip: str = "192.0.2.1") -> Envelope:
    """One mail transaction of mx.example.com."""
    peer = Peer(ip=ip_address(ip), helo="mx.example.com", tls="TLSv1.3", protocol="ESMTPS")
    sender = address(mail_from) if mail_from else None
    return Envelope(peer=peer, mail_from=sender, rcpt_to=tuple(address(each) for each in to))


def spool_with(mail: bytes) -> Spool:
    """*mail* as the SMTP server hands it over."""
    spool = Spool()
    spool.write(mail)
    return spool


@dataclass
class WayIn:
    """Admits and receives, and shows what came of it."""

    receive_context: ReceiveContext
    places: Places
    resolver: FakeResolver

    @property
    def store(self):
        return self.receive_context.store

    def calling(self, postmaster: str | None) -> None:
        """Name the agent for the operator's mail."""
        routes = Routes(hostname=HOSTNAME, postmaster=postmaster, shared_domain=SHARED)
        self.receive_context = replace(self.receive_context, routes=routes)

    async def agent(self, address: str, *, owner: str = OWNER, proved: bool = True, **more) -> None:
        """An agent of *owner* on a domain that is (or is not) verified."""

        def unit(tx):
            user = self.places.user(tx, owner)
            domain = address.rpartition("@")[2]
            if proved:
                self.places.domain(tx, user, domain)
            else:
                proving.claim(tx, user.id, domain, now=self.places.clock.now())
            self.places.agent(tx, user, address, **more)

        await self.store.write(unit)

    async def admit(self, text: str) -> Recipient:
        return await admit(address(text), store=self.store, routes=self.receive_context.routes)

    async def receive(
        self,
        mail: bytes = MAIL,
        *,
        to: Sequence[str] = ("bot@agents.example",),
        admitted: Sequence[Recipient] | None = None,
        **more,
    ) -> list[str]:
        recipients = admitted or [await self.admit(each) for each in to]
        with spool_with(mail) as spool:
            return list(await receive(envelope(*to, **more), spool, recipients, ctx=self.receive_context))

    async def receive_one(self, mail: bytes = MAIL, **more) -> tuple[Message, bytes]:
        """The one message that comes of *mail*, and its stored bytes."""
        (message_id,) = await self.receive(mail, **more)
        return await self.message(message_id)

    async def message(self, message_id: str) -> tuple[Message, bytes]:
        def unit(tx):
            found = find_message(tx, message_id)
            return found, read_body(tx, found.raw_sha256)

        return await self.store.read(unit)

    async def secret(self, address: str) -> Secret:
        now = self.places.clock.now()
        (current,) = await self.store.read(lambda tx: list_secrets(tx, address, now=now))
        return open_secret(current, master=self.places.master)

    async def kept(self) -> dict[str, int]:
        return await self.store.read(kept)
