"""One event of each type, made by a real store and the daemon's own code, with ids that never change."""

import base64
import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from relay.events.inbound import message_event
from relay.events.outbound import outbound_event
from relay.events.types import EVENT_NAMES
from relay.inbound.receive import ReceiveContext
from relay.mail.routes import Routes
from relay.outbound.couriers.ses.events import parse_event
from relay.outbound.feedback.feedback import settle_event
from relay.signing.seal import NAMES, SIGNATURE, canonical
from relay.signing.secrets import Secret, mac, master_key
from relay.wiring import SenderAuthenticator
from store.database import migrate
from store.database.connect import open_store, sqlite_url
from store.engine import Store
from store.mail.bodies import keep_body
from store.mail.deliveries import list_deliveries_of_message
from store.outbound.holds import expire_reject, reject_pending
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message, get_outbound_message
from store.outbound.sending import LEASE, claim_approved, claim_queued, settle_failed, settle_sent
from store.records.mail import Delivery, Message
from store.records.outbound import AnsweredMessage, Draft, NewOutbound
from store.transaction import Tx
from tests.fakes import FakeClock, FakeResolver
from tests.inbound.way_in import WayIn
from tests.outbound.feedback.told import PROVIDER_ID, bounce, complaint, delivery
from tests.places import Places
from tests.send_contexts import make_send_context

AT: Final = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
AGENT: Final = "support@agents.example"
ANA: Final = "ana@example.com"
BASE_URL: Final = "https://mx.example.net"
SECRET: Final = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # of the examples, base64
_MAIL: Final = Path(__file__).with_name("event.eml")
_KEY: Final = (
    "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAppQdNTcG4B/8s1L3daqVRuerTSSlTaH+s9RMYnL9a1HJKdBpMswV"
    "/7cidorReW30WaIHC16md7s6Q2gdC441KyIiLcwn8oBMl2mrCKgxGT+qZs2ByL9e0dRlWYLplYQ5RgNV2c1/I2PQL9KlLZh+X4UupooeU/eaBBrj+boA"
    "VXhu7CQB/thWMw1RWn+jCc/00qlqdwz0SyiBvZ4Y9RF3Ir4RJWxAQVTyvlLav8sY+3krfSZqRWEI0P8JvrezsBojvdZdKwAc6SZPMT5DGuXfI6TjV2fp"
    "4M6QLQ7rLHa9iDRW2Gb0LR/o8373LQ4h8ygpChZJRUyeCHqQQKuVGDmazwIDAQAB"
)
_ZONE: Final = {
    ("example.com", "TXT"): ["v=spf1 ip4:192.0.2.0/24 -all"],
    ("s1._domainkey.example.com", "TXT"): [_KEY],
    ("_dmarc.example.com", "TXT"): ["v=DMARC1; p=reject"],
}
_ID: Final = re.compile(r"\b(usr|key|msg|evt|dlv|conv|whk|snd)_[0-9a-z]{20,}")
_BODY: Final = "dn7luarbclidfshal6f39oa0p9b4w"  # of each id in the examples
_WIRE: Final = (
    b"From: support@agents.example\r\nTo: ana@example.com\r\nSubject: Order 1021\r\n\r\nIt arrives today.\r\n"
)


async def make_examples() -> dict[str, dict[str, Any]]:
    """The whole JSON of one event of each type, in the order of EVENT_NAMES."""
    with tempfile.TemporaryDirectory() as folder:
        async with _opened(Path(folder)) as store:
            made = await _Scene(store).play()
    assert set(made) == set(EVENT_NAMES)
    return {name: made[name] for name in EVENT_NAMES}


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Store]:
    store = open_store(sqlite_url(folder / "mailseal.db"))
    migrate.upgrade(store.engine)
    store.start()
    yield store
    await store.stop()


class _Scene:
    """An agent with a webhook for all types, and what happens to its mail."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FakeClock(AT)
        self.places = Places(self.clock, master_key(b"a master key for examples only"))
        self.ctx = make_send_context(store, self.clock, self.places.master)
        self.made: dict[str, dict[str, Any]] = {}

    async def play(self) -> dict[str, dict[str, Any]]:
        await self.store.write(self._agent)
        await self._receive()
        for scene in (self._sent, self._failed, self._approved, self._rejected, self._expired):
            await self.store.write(scene)
        return self.made

    def _agent(self, tx: Tx) -> None:
        user = self.places.user(tx)
        self.owner = user.id
        self.places.domain(tx, user, AGENT.partition("@")[2])
        self.places.agent(tx, user, AGENT, webhook="https://hooks.example/in", events=list(EVENT_NAMES))

    async def _receive(self) -> None:
        resolver = FakeResolver(_ZONE)
        ctx = ReceiveContext(
            store=self.store,
            judge=SenderAuthenticator(resolver),
            clock=self.clock,
            master=self.places.master,
            routes=Routes(hostname="mx.example.net", postmaster=None, shared_domain=None),
        )
        way_in = WayIn(ctx, self.places, resolver)
        message, raw = await way_in.receive_one(
            _MAIL.read_bytes(), to=("support+eu@agents.example",), mail_from="ana@example.com"
        )
        (told,) = await self.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
        self._note_inbound(told, *_steady(message, raw))

    def _sent(self, tx: Tx) -> None:
        new = self._new(tx)
        create_outbound_message(tx, new)
        (outgoing,) = claim_queued(tx, limit=1, lease=LEASE, now=self.clock.now())
        settle_sent(tx, outgoing, PROVIDER_ID, now=self.clock.now())
        self._note(tx, new.id)
        for told in (delivery, bounce, complaint):
            event = parse_event(json.dumps(told(ANA, attempt=outgoing.attempt)))
            assert event is not None
            settle_event(tx, event, ctx=self.ctx)
            self._note(tx, new.id)

    def _failed(self, tx: Tx) -> None:
        new = self._new(tx)
        create_outbound_message(tx, new)
        (outgoing,) = claim_queued(tx, limit=1, lease=LEASE, now=self.clock.now())
        settle_failed(tx, outgoing, "550 5.1.1 No such user", now=self.clock.now())
        self._note(tx, new.id)

    def _approved(self, tx: Tx) -> None:
        held = self._held(tx)
        outgoing = claim_approved(tx, self.owner, held, reason="looks right", lease=LEASE, now=self.clock.now())
        settle_sent(tx, outgoing, PROVIDER_ID, now=self.clock.now())
        self._note(tx, held)

    def _rejected(self, tx: Tx) -> None:
        held = self._held(tx)
        reject_pending(tx, self.owner, held, reason="wrong order number", now=self.clock.now())
        self._note(tx, held)

    def _expired(self, tx: Tx) -> None:
        held = self._held(tx)
        self.clock.advance(hours=2)
        expire_reject(tx, held, now=self.clock.now())
        self._note(tx, held)

    def _held(self, tx: Tx) -> str:
        new = self._new(tx, hold_reason="owner")
        create_pending_outbound_message(tx, new, ttl_seconds=3600)
        self._note(tx, new.id)
        return new.id

    def _new(self, tx: Tx, **more: Any) -> NewOutbound:
        digest = sha256(_WIRE).hexdigest()
        keep_body(tx, digest, size=len(_WIRE), content=_WIRE, now=self.clock.now())
        draft = Draft(to=(ANA,), names=((ANA, "Ana"),), subject="Order 1021", text="It arrives today.")
        answered = AnsweredMessage(in_reply_to="order-1021@example.com", references=("order-1021@example.com",))
        return NewOutbound(
            agent=AGENT,
            draft=draft,
            created_at=self.clock.now(),
            kind="reply",
            parent_ids=("order-1021@example.com",),
            answered=answered,
            email_message_id="reply-1021@agents.example",
            raw_sha256=digest,
            raw_size=len(_WIRE),
            **more,
        )

    def _note(self, tx: Tx, message_id: str) -> None:
        """Keep the events of an outbound message that are new, as they show it now."""
        for told in list_deliveries_of_message(tx, message_id):
            if told.event_type not in self.made:
                message = get_outbound_message(tx, message_id)
                body = outbound_event(
                    message, told.details, event_id=told.event_id, event_type=told.event_type, at=told.created_at
                )
                self.made[told.event_type] = json.loads(_with_steady_ids(body.decode()))

    def _note_inbound(self, told: Delivery, message: Message, raw: bytes) -> None:
        body = message_event(
            message, raw, event_id=told.event_id, event_type=told.event_type, at=told.created_at, base_url=BASE_URL
        )
        self.made[told.event_type] = json.loads(_with_steady_ids(body.decode()))


def _steady(message: Message, raw: bytes) -> tuple[Message, bytes]:
    """The message and its bytes with the ids of the examples, sealed anew with their secret."""
    raw = _with_steady_ids(raw.decode()).encode()
    headers = {name: _with_steady_ids(value) for name, value in message.auth_headers.items()}
    headers["Mailseal-Body-Hash"] = sha256(raw).hexdigest()
    values = canonical(headers[name] for name in NAMES)
    headers[SIGNATURE] = f"v1={mac(Secret(base64.b64decode(SECRET)).value, values).hex()}"
    return replace(message, auth_headers=headers, raw_sha256=sha256(raw).hexdigest(), raw_size=len(raw)), raw


def _with_steady_ids(text: str) -> str:
    return _ID.sub(lambda found: f"{found[1]}_{_BODY}", text)
