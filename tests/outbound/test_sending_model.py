"""Any order of writing, deciding, sending, dying and doubting, through the rooms themselves: beside a plain account of it.

The courier takes a mail, refuses it, is busy, loses its answer, or the process dies before or after it has it.
"""

import asyncio
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from relay.errors import CourierBusy, CourierRefused, RelayError
from relay.jobs.holds import Holds
from relay.outbound import review
from relay.outbound.local_delivery import deliver_locally
from relay.outbound.send import send_queued
from relay.outbound.submit import OutboundRequest, submit
from relay.outbound.unconfirmed import resolve
from store.database.connect import open_store, sqlite_url
from store.directory.hitl import update_agent_hitl
from store.directory.sending_pause import pause_sending, resume_sending
from store.directory.users import get_user_by_email
from store.errors import SendUnconfirmed, StoreError
from store.mail.deliveries import list_deliveries
from store.outbound.edit import NO_EDIT, UNCHANGED, PendingApprovalEdit
from store.outbound.holds import list_expired_pending
from store.outbound.lifecycle import FINAL, may_move
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import EXPIRY_RETRIES, LEASE, claim_queued, list_send_attempts, next_to_send_at
from store.outbound.unconfirmed import confirm_sent, sweep_unconfirmed
from store.records.outbound import Draft, Version
from store.schema.inbound import messages
from tests.fakes import FakeClock
from tests.places import Places
from tests.send_contexts import make_send_context

WRITER, ASKER, STOPPER, INSIDE = (f"{name}@agents.example" for name in ("writer", "asker", "stopper", "inside"))
HOLDS = {ASKER: (60, "approve"), STOPPER: (60, "reject")}
OUTSIDE = "bo@reader.example"
EVENTS = [f"email.{each}" for each in ("sent", "failed", "pending_approval", "approved", "rejected", "expired")]
NEVER_TAKEN = {"queued", "pending_approval", "failed", "rejected", "expired_rejected"}
GONE_OUT = {"sent", "expired_approved"}
MOST_MAILS = 5
EXAMPLES = int(os.environ.get("SENDING_EXAMPLES", "25"))
TAKING = ["takes", "loses its answer", "dies behind it", "is slow", "is slower than its owner"]
MODES = st.sampled_from([*TAKING, "takes", "refuses", "is busy", "loses the mail", "dies before it"])
AGENTS = st.sampled_from([WRITER, ASKER, STOPPER])
RECIPIENTS = st.sampled_from([(OUTSIDE,), (INSIDE,), (OUTSIDE, INSIDE)])
WHICH = st.integers(0, MOST_MAILS - 1)
EDITS = st.sampled_from([NO_EDIT, PendingApprovalEdit(text="edited"), PendingApprovalEdit(bcc=("cy@reader.example",))])


class Died(BaseException):
    """The process is gone: nothing behind this is done."""


@dataclass
class Mail:
    """What is to be said of one mail."""

    agent: str
    to: tuple
    status: str
    taken: list = field(default_factory=list)  # digests of what the provider took
    again: int = 0  # how often its owner had it sent again
    by_word: bool = False  # sent by its owner's word
    tries: Counter = field(default_factory=Counter)  # by origin
    events: Counter = field(default_factory=Counter)
    owed: list = field(default_factory=list)  # of the events, what is told when it is known how a cut-off send ended

    @property
    def goes_out(self):
        return any(each != INSIDE for each in self.to)

    def change(self, edit):
        self.to += () if edit.bcc is UNCHANGED else edit.bcc

    def tell(self, *names):
        self.events.update(f"email.{name}" for name in names)

    def tell_owed(self):
        self.tell(*self.owed)
        self.owed = []


class MoodyCourier:
    """Does to the next mail what *mode* says."""

    def __init__(self, machine):
        self.machine, self.mode = machine, "takes"

    async def carry(self, raw, *, mail_from, recipients, attempt_id, check_lease):
        mode, machine = self.mode, self.machine
        if mode == "refuses":
            raise CourierRefused("no")
        if mode == "is busy":
            raise CourierBusy("later")
        if mode == "dies before it":
            raise Died
        if mode in TAKING:
            machine.take(attempt_id, raw)
        if mode.startswith("loses"):
            raise SendUnconfirmed("cut")
        if mode == "dies behind it":
            raise Died
        if mode.startswith("is slow"):
            await machine.outlive_the_lease(attempt_id, asks_again=mode == "is slower than its owner")
        return f"0100-{attempt_id}"

    async def close(self):
        pass


class Sending(RuleBasedStateMachine):
    """One relay with agents who write and a person who decides."""

    template = folder = master = numbers = None

    @initialize(first=st.lists(st.tuples(AGENTS, RECIPIENTS), min_size=3, max_size=3))
    def begin(self, first):
        self.clock, self.mails, self.seen, self.paused = FakeClock(), {}, {}, False
        path = shutil.copy(self.template, self.folder / f"{next(self.numbers)}.db")
        self.runner = asyncio.Runner()
        self.store = open_store(sqlite_url(path))
        self.runner.run(self.open())
        self.courier = MoodyCourier(self)
        self.send_context = make_send_context(self.store, self.clock, self.master, courier=self.courier)
        for agent, to in first:
            self.write_mail(agent, to)

    async def open(self):
        self.store.start()
        self.user, self.agents = await self.store.write(self.furnish)

    def furnish(self, tx):
        places = Places(self.clock, self.master)
        user = places.user(tx)
        places.domain(tx, user)
        hook = {"webhook": "https://hook.example/", "events": EVENTS}
        agents = {each: places.agent(tx, user, each, **hook) for each in (WRITER, ASKER, STOPPER)}
        places.agent(tx, user, INSIDE)
        for address, (ttl, action) in HOLDS.items():
            how = {"enabled": True, "ttl_seconds": ttl, "expiration_action": action}
            update_agent_hitl(tx, user.id, address, **how, now=self.clock.now())
        return get_user_by_email(tx, "ana@owner.example").id, agents

    def teardown(self):
        if hasattr(self, "runner"):
            self.runner.run(self.store.stop())
            self.runner.close()

    # What the rules need

    def do(self, work):
        """What came of *work*: its answer, or the error it raised."""
        try:
            return self.runner.run(work)
        except (StoreError, RelayError, Died) as error:
            return error

    def ask(self, query, *given, **named):
        return self.runner.run(self.store.read(lambda tx: query(tx, *given, **named)))

    def write(self, query, *given, **named):
        return self.runner.run(self.store.write(lambda tx: query(tx, *given, **named)))

    def pick(self, which):
        """One of the mails and its id, or none of either where there are none yet."""
        return list(self.mails.items())[which % len(self.mails)] if self.mails else (None, None)

    def record(self, message_id):
        return self.ask(get_outbound_message, message_id)

    def take(self, attempt_id, raw):
        """The provider has *raw* from now on."""
        assert attempt_id == self.under_way[1]
        self.mails[self.under_way[0]].taken.append(sha256(raw).hexdigest())

    async def outlive_the_lease(self, attempt_id, *, asks_again):
        """The claim ends while the provider thinks; the mail is in doubt, and its owner may have lost patience."""
        self.clock.advance(minutes=6)
        now, (message_id, _) = self.clock.now(), self.under_way
        assert message_id in await self.store.write(lambda tx: sweep_unconfirmed(tx, limit=200, now=now))
        for other, mail in self.mails.items():
            if other != message_id and mail.status == "sending":
                mail.status = "unconfirmed"
        if asks_again:
            await resolve(
                self.user, message_id, "send_again", agent=self.mails[message_id].agent, ctx=self.send_context
            )

    def expect(self, mail, origin, *, waits):
        """What becomes of *mail* in the courier's hands; *waits* is where it goes when that is certainly not out."""
        mode = self.courier.mode if mail.goes_out else "takes"
        mail.tries[origin] += 1
        decided = {"approval": ["approved"], "expiry": ["expired"], "queue": []}[origin]
        if mode == "takes" or mode.startswith("is slow"):
            late = mode == "is slower than its owner"
            mail.status = "expired_approved" if origin == "expiry" and not late else "sent"
            mail.tell("sent", *decided)
        elif mode in {"refuses", "is busy"}:
            mail.status = waits(mode)
            mail.tell(*["failed"] if mail.status == "failed" else [])
        elif mode.startswith("loses"):
            mail.status = "unconfirmed"
            mail.tell(*decided)
        else:
            mail.status, mail.owed = "sending", decided

    async def carrying(self, message_id, work):
        """*work*, knowing which mail the courier gets."""
        self.under_way = (message_id, None)
        courier, carry = self.courier, self.courier.carry

        async def carried(raw, *, mail_from, recipients, attempt_id, check_lease):
            self.under_way = (message_id, attempt_id)
            return await carry(
                raw, mail_from=mail_from, recipients=recipients, attempt_id=attempt_id, check_lease=check_lease
            )

        courier.carry = carried
        try:
            return await work
        finally:
            courier.carry = carry

    # The rules

    @rule(agent=AGENTS, to=RECIPIENTS)
    def write_one(self, agent, to):
        if len(self.mails) < MOST_MAILS:
            self.write_mail(agent, to)

    def write_mail(self, agent, to):
        draft = Draft(to=to, subject=f"mail {len(self.mails)}", text="hello")
        message = self.do(submit(self.agents[agent], OutboundRequest(draft=draft), ctx=self.send_context))
        mail = Mail(agent, to, "pending_approval" if agent in HOLDS else "queued")
        mail.tell(*["pending_approval"] if agent in HOLDS else [])
        self.mails[message.id] = mail

    @rule(mode=MODES)
    def send_one(self, mode):
        """The worker takes whatever is due first, however long that has to be waited for."""
        due = self.ask(next_to_send_at)
        if due is not None and due > self.clock.now():
            self.clock.advance(seconds=(due - self.clock.now()).total_seconds())
        taken = self.write(claim_queued, limit=1, lease=LEASE, now=self.clock.now())
        queued = [each for each, mail in self.mails.items() if mail.status == "queued"]
        assert bool(taken) == (bool(queued) and not self.paused)
        for outgoing in taken:
            mail, self.courier.mode = self.mails[outgoing.message.id], mode
            assert outgoing.message.id in queued
            self.do(self.carrying(outgoing.message.id, send_queued(outgoing, ctx=self.send_context)))
            self.expect(mail, "queue", waits=partial(self.again, mail))

    @staticmethod
    def again(mail, mode):
        return "queued" if mode == "is busy" and mail.tries["queue"] % 11 else "failed"

    @rule(which=WHICH, mode=MODES, edit=EDITS, looked=st.sampled_from(["now", "now", "never", "before"]))
    def approve(self, which, mode, edit, looked):
        message_id, mail = self.pick(which)
        if mail is None:
            return
        self.courier.mode, record = mode, self.record(message_id)
        seen = {"now": Version(record.revision, record.digest), "never": None, "before": Version(99, record.digest)}
        work = review.approve(self.user, message_id, edit=edit, seen=seen[looked], ctx=self.send_context)
        answer = self.do(self.carrying(message_id, work))
        if mail.status != "pending_approval" or looked == "before" or self.paused:
            assert isinstance(answer, StoreError)
            return
        mail.change(edit)
        self.expect(mail, "approval", waits=lambda _: "pending_approval")
        if edit == NO_EDIT:
            assert record.digest == self.record(message_id).digest

    @rule(which=WHICH, edit=EDITS)
    def amend(self, which, edit):
        message_id, mail = self.pick(which)
        if mail is None:
            return
        before = self.record(message_id)
        answer = self.do(review.amend(self.user, message_id, edit, ctx=self.send_context))
        if mail.status != "pending_approval":
            assert isinstance(answer, StoreError)
            return
        mail.change(edit)
        has_changed = (before.text, before.bcc) != (answer.text, answer.bcc)
        assert before.revision + has_changed == answer.revision
        assert has_changed or before.digest == answer.digest

    @rule(which=WHICH)
    def reject(self, which):
        message_id, mail = self.pick(which)
        if mail is None:
            return
        answer = self.do(review.reject(self.user, message_id, ctx=self.send_context))
        assert isinstance(answer, StoreError) == (mail.status != "pending_approval")
        if mail.status == "pending_approval":
            mail.status = "rejected"
            mail.tell("rejected")

    @rule(mode=MODES, seconds=st.sampled_from([0, 61, 7200]))
    def expire_one(self, mode, seconds):
        self.clock.advance(seconds=seconds)
        for hold in self.ask(list_expired_pending, limit=1, now=self.clock.now()):
            mail, self.courier.mode = self.mails[hold.message_id], mode
            assert ("pending_approval", HOLDS[mail.agent][1]) == (mail.status, hold.action)
            self.do(self.carrying(hold.message_id, review.expire(hold, ctx=self.send_context)))
            if hold.action == "reject":
                mail.status = "expired_rejected"
                mail.tell("expired")
            elif not self.paused:
                self.expect(mail, "expiry", waits=partial(self.wait_on, mail))

    @staticmethod
    def wait_on(mail, _):
        return "failed" if mail.tries["expiry"] > len(EXPIRY_RETRIES) else "pending_approval"

    @rule()
    def sweep(self):
        """Whoever died is found out about."""
        self.clock.advance(minutes=6)
        self.do(Holds(self.send_context).sweep(asyncio.Event()))
        for mail in self.mails.values():
            mail.status = "unconfirmed" if mail.status == "sending" else mail.status

    @rule(which=WHICH, word=st.sampled_from(["sent", "send_again"]))
    def say(self, which, word):
        """Its owner's word."""
        message_id, mail = self.pick(which)
        if mail is None:
            return
        answer = self.do(resolve(self.user, message_id, word, agent=mail.agent, ctx=self.send_context))
        is_open = mail.status == "unconfirmed" or (mail.status, word) == ("failed", "send_again")
        assert is_open != isinstance(answer, StoreError)
        if is_open:
            mail.tell_owed()
        if is_open and word == "sent":
            mail.status, mail.by_word = "sent", True
            mail.tell("sent")
        elif is_open:
            mail.again += mail.status == "unconfirmed"
            mail.status = "queued"

    @rule(which=WHICH)
    def hear_of(self, which):
        """The provider tells of a mail that it took."""
        message_id, mail = self.pick(which)
        if mail is None or not mail.taken:
            return
        attempt = self.ask(list_send_attempts, message_id)[-1].id
        is_open = mail.status in {"sending", "unconfirmed", "queued"}
        on_sent = lambda tx, message: deliver_locally(tx, message, ctx=self.send_context)  # noqa: E731
        told = self.write(confirm_sent, message_id, attempt, "0100-x", now=self.clock.now(), on_sent=on_sent)
        assert is_open == told
        if is_open:
            mail.status, mail.by_word = "sent", True
            mail.tell_owed()
            mail.tell("sent")

    @rule()
    def pause_or_resume(self):
        if self.paused:
            self.write(resume_sending)
        else:
            self.write(pause_sending, now=self.clock.now())
        self.paused = not self.paused

    # What holds after every step

    @invariant()
    def every_status_tells_the_truth(self):
        for message_id, mail in getattr(self, "mails", {}).items():
            record = self.record(message_id)
            assert mail.status == record.status
            old = self.seen.get(message_id, record.status)
            assert old == record.status or self.is_reached(old, record.status)
            self.seen[message_id] = record.status
            assert len(mail.taken) <= 1 + mail.again
            assert set(mail.taken) <= {record.digest}
            if mail.status in NEVER_TAKEN and not mail.again:
                assert [] == mail.taken
            if mail.status in GONE_OUT and not mail.by_word:
                assert bool(mail.taken) == mail.goes_out
            assert (record.scrubbed_at is not None) == (record.text is None) == (record.status in FINAL)

    @staticmethod
    def is_reached(old, new):
        """By one move, or by those that one step of ours makes: a claim, and its end."""
        return may_move(old, new) or (may_move(old, "sending") and may_move("sending", new))

    @invariant()
    def an_agent_here_has_each_mail_once_it_is_sent(self):
        if not getattr(self, "mails", None):
            return
        inbound = (
            select(messages.c.subject, func.count()).where(messages.c.agent == INSIDE).group_by(messages.c.subject)
        )
        found = dict(self.ask(lambda tx: [tuple(row) for row in tx.execute(inbound)]))
        mails = enumerate(self.mails.values())
        assert {f"mail {n}": 1 for n, mail in mails if INSIDE in mail.to and mail.status in GONE_OUT} == found

    @invariant()
    def the_webhook_is_told_what_happened(self):
        if not getattr(self, "mails", None):
            return
        told = {each: Counter() for each in self.mails}
        for delivery in self.ask(list_deliveries, limit=200, cursor=None).items:
            told[delivery.message_id][delivery.event_type] += 1
        assert {each: mail.events for each, mail in self.mails.items()} == told


@pytest.mark.hypothesis
def test_rooms_that_send_do_what_a_plain_account_says(sqlite_template, tmp_path, master):
    machine = type(
        "Machine",
        (Sending,),
        {"template": sqlite_template, "folder": tmp_path, "master": master, "numbers": count()},
    )

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
