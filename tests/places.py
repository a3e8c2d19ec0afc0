"""Rows that many tests start from."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from relay.clock import Clock
from relay.directory import agents as making
from relay.directory import domains as proving
from relay.signing.secrets import MasterKey
from store.directory import users
from store.ids import new_message_id
from store.mail.bodies import keep_body
from store.mail.messages import create_inbound_message
from store.records.mail import Agent, Message, NewMessage, User
from store.records.outbound import Draft, NewOutbound, OutboundAttachment
from store.transaction import Tx

ANYWHERE: Sequence = ()


@dataclass
class Places:
    """Makes users, domains and agents in one transaction each."""

    clock: Clock
    master: MasterKey
    allow: Sequence = ANYWHERE

    def user(self, tx: Tx, email: str = "ana@owner.example") -> User:
        return users.bootstrap_user(tx, email, now=self.clock.now())

    def domain(self, tx: Tx, user: User, name: str = "agents.example") -> None:
        proving.claim(tx, user.id, name, now=self.clock.now())
        proving.accept(tx, user.id, name, master=self.master, now=self.clock.now())

    def agent(self, tx: Tx, user: User, address: str, *, webhook: str | None = None, **more) -> Agent:
        return making.create_agent(
            tx,
            user.id,
            address,
            mode="webhook" if webhook else "poll",
            webhook_url=webhook,
            master=self.master,
            allow=self.allow,
            now=self.clock.now(),
            **more,
        )

    def poll_agent(self, tx: Tx, address: str = "poll@agents.example") -> Agent:
        user = self.user(tx)
        self.domain(tx, user, address.rpartition("@")[2])
        return self.agent(tx, user, address)

    def message(self, tx: Tx, agent: str, raw: bytes = b"Subject: hi\r\n\r\nhello\r\n", **changes) -> Message:
        return keep_message(tx, new_message(agent, raw, at=self.clock.now(), **changes), raw)


def new_message(agent: str, raw: bytes, *, at, **changes) -> NewMessage:
    values = {
        "id": new_message_id(),
        "agent": agent,
        "recipient": agent,
        "tag": None,
        "mail_from": "bo@sender.example",
        "remote_ip": "192.0.2.1",
        "helo": "mx.sender.example",
        "tls": "TLSv1.3",
        "from_name": "Bo",
        "from_address": "bo@sender.example",
        "subject": "hi",
        "email_message_id": None,
        "parent_ids": (),
        "automated": False,
        "verified": True,
        "verified_domain": "sender.example",
        "authentication": {"verified": True},
        "auth_headers": {"Mailseal-Version": "1"},
        "raw_sha256": sha256(raw).hexdigest(),
        "raw_size": len(raw),
        "received_at": at,
    }
    return NewMessage(**values | changes)


def keep_message(tx: Tx, new: NewMessage, raw: bytes) -> Message:
    keep_body(tx, new.raw_sha256, size=len(raw), content=raw, now=new.received_at)
    return create_inbound_message(tx, new)


def new_outbound(agent: str, *, at, draft: Draft | None = None, **changes) -> NewOutbound:
    content = draft or Draft(
        to=("bo@reader.example", "cy@reader.example"),
        cc=("di@reader.example",),
        bcc=("ed@reader.example",),
        names=(("cy@reader.example", "Cy"), ("ed@reader.example", "Ed")),
        subject="Grüße",
        text="hello",
        html="<p>hello</p>",
        attachments=(OutboundAttachment(filename="a.pdf", content_type="application/pdf", content=b"%PDF"),),
    )
    return NewOutbound(agent=agent, draft=content, created_at=at, **changes)
