"""Mail of an account that was taken in from an archive: its owner's word sends it, and never what the archive vouches for."""

import io
import zipfile
from email import message_from_bytes, policy
from functools import partial
from hashlib import sha256

import orjson
import pytest

from relay.account.archive import Archive
from relay.account.export import LISTING, export_account
from relay.account.take_in import Rules, import_account
from relay.directory.agents import check_address
from relay.outbound.send import send_queued
from relay.outbound.submit import OutboundRequest, submit
from relay.outbound.unconfirmed import resolve
from store.directory.users import get_user_by_email
from store.mail.messages import get_messages_by_agent
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import LEASE, claim_queued
from store.records.outbound import Draft
from store.upkeep.erasure import delete_user_data
from tests.account.test_take_in import zipped
from tests.fakes import FakeCourier
from tests.outbound.drafting import PDF
from tests.places import Places
from tests.send_contexts import make_send_context

ANA, BOT, INSIDE, OUTSIDE = "ana@owner.example", "bot@agents.example", "in@agents.example", "bo@reader.example"
FORGED = b"From: ceo@bank.example\r\nTo: bo@reader.example\r\nSubject: pay me\r\n\r\nnow\r\n"


class Move:
    """An account with a mail that waits to be sent, exported, erased and taken in again."""

    def __init__(self, store, clock, master, folder):
        self.store, self.clock, self.master, self.folder = store, clock, master, folder
        self.courier = FakeCourier()
        self.send_context = make_send_context(store, clock, master, courier=self.courier)

    async def write(self):
        places = Places(self.clock, self.master)

        def unit(tx):
            user = places.user(tx, ANA)
            places.domain(tx, user)
            places.agent(tx, user, INSIDE)
            return user.id, places.agent(tx, user, BOT)

        self.user, agent = await self.store.write(unit)
        draft = Draft(to=(OUTSIDE, INSIDE), subject="hi", text="hello", attachments=(PDF,))
        self.message_id = (await submit(agent, OutboundRequest(draft=draft), ctx=self.send_context)).id
        return self

    async def again(self, change=lambda content: content):
        archive = change(b"".join(export_account(self.store, self.user, now=self.clock.now())))
        await self.store.write(lambda tx: delete_user_data(tx, self.user))
        file = self.folder / "account.zip"
        file.write_bytes(archive)
        with Archive(file) as opened:
            rules = Rules(verified=True, check_address=partial(check_address, letters_domain=None))
            import_account(opened, rules=rules, store=self.store, master=self.master, clock=self.clock)
        self.user = (await self.store.read(lambda tx: get_user_by_email(tx, ANA))).id

    async def say(self, word):
        await resolve(self.user, self.message_id, word, agent=BOT, ctx=self.send_context)
        now = self.clock.now()
        for outgoing in await self.store.write(lambda tx: claim_queued(tx, limit=9, lease=LEASE, now=now)):
            await send_queued(outgoing, ctx=self.send_context)
        return await self.store.read(lambda tx: get_outbound_message(tx, self.message_id))

    async def arrived(self):
        asked = {"status": "all", "limit": 50, "cursor": None, "now": self.clock.now()}
        return [
            each.from_address
            for each in (await self.store.read(lambda tx: get_messages_by_agent(tx, INSIDE, **asked))).items
        ]


def forged(content):
    """The archive with other bytes for its mail, from somebody else."""
    name = sha256(FORGED).hexdigest()
    claims = {"raw_sha256": name, "raw_size": len(FORGED), "mail_from": "ceo@bank.example"}
    return _with_messages(content, claims, {f"raw/{name}.eml": FORGED})


def without_bytes(content):
    """The archive without the bytes of its mail, as of one that was written by an older release."""
    return _with_messages(content, {"raw_sha256": None, "raw_size": 0}, {})


def _with_messages(content, changes, raw):
    """The archive with *changes* to each of its messages, and *raw* in the place of its mails."""
    lines = [orjson.loads(line) for line in zipfile.ZipFile(io.BytesIO(content)).read(LISTING).splitlines()]
    told = [line | changes if line["record"] == "message" else line for line in lines]
    return zipped(told, raw)


@pytest.fixture
async def move(sqlite_store, clock, master, tmp_path):
    return await Move(sqlite_store, clock, master, tmp_path).write()


async def test_it_is_sent_at_its_owner_s_word_with_its_files(move):
    await move.again()

    assert "sent" == (await move.say("send_again")).status

    ((raw, mail_from, recipients, _),) = move.courier.taken
    mail = message_from_bytes(raw, policy=policy.default)
    assert (BOT, (OUTSIDE,), BOT) == (mail_from, recipients, mail["From"])
    assert [("a.pdf", PDF.content)] == [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()]
    assert "hello" == mail.get_body().get_content().strip()
    assert [BOT] == await move.arrived()


async def test_what_an_archive_says_of_its_bytes_and_its_sender_is_not_sent(move):
    await move.again(forged)

    assert "sent" == (await move.say("send_again")).status

    ((raw, mail_from, _, _),) = move.courier.taken
    assert (BOT, False) == (mail_from, b"bank.example" in raw)
    assert [BOT] == await move.arrived()


@pytest.mark.parametrize("change", [forged, without_bytes])
async def test_what_went_out_elsewhere_is_not_handed_to_agents_here(move, change):
    await move.again(change)

    assert "sent" == (await move.say("sent")).status

    assert ([], []) == (move.courier.taken, await move.arrived())
