"""Any order of writing, deciding, sending, dying, sweeping and looking, by two users: as in tests/store/outbound/simple_holds.py."""

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store.directory.agents import delete_agent
from store.directory.domains import ensure_shared_domain
from store.errors import MessageNotFound, StoreError
from store.mail.usage import list_usage
from store.outbound.edit import NO_EDIT, PendingApprovalEdit, apply
from store.outbound.holds import expire_reject, list_expired_pending, list_pending_outbound_for_user, reject_pending
from store.outbound.lifecycle import may_move
from store.outbound.outbound import (
    create_outbound_message,
    create_pending_outbound_message,
    get_outbound_message,
    get_outbound_message_for_user,
    read_draft,
)
from store.outbound.sending import (
    LEASE,
    MAX_ERROR,
    claim_approved,
    claim_expired,
    list_send_attempts,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.unconfirmed import resolve_unconfirmed, sweep_unconfirmed
from store.records.outbound import Draft, OutboundAttachment
from tests.fakes import FakeClock
from tests.places import Places, new_outbound
from tests.store.outbound.simple_holds import Holds

DOMAIN = "shared.example"
FILE = OutboundAttachment(filename="a.txt", content_type="text/plain", content=b"\0a")
DRAFTS = st.sampled_from(
    [
        Draft(to=("bo@reader.example",), subject="one", text="hello", html="<p>hello</p>", attachments=(FILE, FILE)),
        Draft(
            to=(), cc=("cy@reader.example",), bcc=("di@reader.example",), names=(("cy@reader.example", "Cy"),), text=""
        ),
    ]
)
EDITS = st.sampled_from(
    [
        NO_EDIT,
        PendingApprovalEdit(subject="one", text="hello"),  # changes nothing of the first draft
        PendingApprovalEdit(text=None, html="", attachments=()),
        PendingApprovalEdit(
            to=("ed@reader.example",), cc=(), bcc=(), names=(("ed@reader.example", "Ed"),), attachments=(FILE,)
        ),
    ]
)
USERS = st.integers(0, 1)
DECIDERS = st.sampled_from(["its own", "its own", "its own", "another"])
WHICH = st.sampled_from(range(12))
WAITS = st.booleans()
SECONDS = st.sampled_from([1, 60, 299, 300, 7200, 86_400, 20 * 86_400])
LIMITS = st.integers(1, 3)
LEASES = st.sampled_from([LEASE, LEASE / 5])
ERRORS = st.sampled_from(["down", "x" * (MAX_ERROR + 1)])
PROVIDER_IDS = st.sampled_from(["0100abc", "<0100def@eu-west-1.amazonses.com>", "own@provider.example"])
MOST_MAILS = 4
WENT_OUT = {"sent", "expired_approved"}


class HeldMail(RuleBasedStateMachine):
    """The store's outbound mail beside the simple one, for two users with an agent each."""

    store = master = numbers = None

    @initialize(draft=DRAFTS)
    def begin(self, draft):
        self.clock = FakeClock()
        places, number = Places(self.clock, self.master), next(self.numbers)
        names = [f"{name}{number}" for name in "ab"]
        self.users = [self.store.run(lambda tx, name=name: places.user(tx, f"{name}@owner.example")) for name in names]
        self.agents = [
            self.store.run(lambda tx, user=user, name=name: places.agent(tx, user, f"{name}@{DOMAIN}").address)
            for user, name in zip(self.users, names, strict=True)
        ]
        self.simple = Holds()
        self.attempts = []  # every one ever given out
        self.seen = {}  # the status that each mail had a step ago
        self.behind = {}  # where each user's last page ended
        self.answered = None
        self.keep(0, draft, ttl=60)

    @property
    def now(self):
        return self.clock.now()

    def ask(self, query, *arguments, **more):
        """What the store answers, or the error's type."""
        try:
            self.answered = self.store.run(lambda tx: query(tx, *arguments, now=self.now, **more))
        except StoreError as error:
            return type(error)
        return self.answered

    def keep(self, whose, draft, ttl):
        new = new_outbound(self.agents[whose], at=self.now, draft=draft)
        if ttl is None:
            self.store.run(lambda tx: create_outbound_message(tx, new))
        else:
            self.store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl))
        self.simple.keep(new.id, self.users[whose].id, draft, ttl=ttl, now=self.now)

    def pick(self, which, *statuses):
        """A mail to try it with: mostly of those in *statuses*, where it can work, and sometimes any."""
        mails = list(self.simple.mails.values())
        ready = [mail for mail in mails if mail.status in statuses]
        choice = ready if ready and which > 2 else mails
        return choice[which % len(choice)]

    def pick_attempt(self, which):
        return self.attempts[-1 - which % len(self.attempts)]

    def decider(self, mail, who):
        return next(user.id for user in self.users if (user.id == mail.owner) == (who == "its own"))

    def wait_for_the_end_of(self, mail):
        if mail.hold_until:
            self.clock.advance(seconds=max(0, (mail.hold_until - self.now).total_seconds()))

    @precondition(lambda self: len(self.simple.mails) < MOST_MAILS)
    @rule(whose=USERS, draft=DRAFTS, ttl=st.sampled_from([1, 60, 60, 604_800, None]))
    def write(self, whose, draft, ttl):
        self.keep(whose, draft, ttl)

    @rule(seconds=SECONDS)
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    # A person decides

    @rule(which=WHICH, who=DECIDERS, edit=EDITS, lease=LEASES)
    def approve(self, which, who, edit, lease):
        mail = self.pick(which, "pending_approval")
        user = self.decider(mail, who)
        refused = self.simple.refuses_decision(user, mail, now=self.now)
        edited, _ = apply(edit, mail.draft)

        outgoing = self.ask(claim_approved, user, mail.id, edit=edit, lease=lease)

        assert refused == error_of(outgoing)
        if not refused:
            assert ("approval", edited) == (outgoing.origin, outgoing.draft)
            self.simple.approve(mail, outgoing, user, edited, lease=lease, now=self.now)
            self.attempts.append(outgoing)

    @rule(which=WHICH, who=DECIDERS, reason=st.sampled_from(["", "no\nnever"]))
    def reject(self, which, who, reason):
        mail = self.pick(which, "pending_approval")
        user = self.decider(mail, who)
        refused = self.simple.refuses_decision(user, mail, now=self.now)

        assert refused == error_of(self.ask(reject_pending, user, mail.id, reason=reason))

        if not refused:
            self.simple.reject(mail, user, reason, now=self.now)

    @rule(which=WHICH, who=DECIDERS, verdict=st.sampled_from(["sent", "send_again", "send_again"]))
    def resolve(self, which, who, verdict):
        mail = self.pick(which, "unconfirmed")
        user = self.decider(mail, who)

        answer = self.ask(resolve_unconfirmed, user, mail.id, verdict)

        assert self.simple.resolve(mail, user, verdict, now=self.now) == error_of(answer)

    # Nobody decides

    @rule(which=WHICH, waits=WAITS)
    def expire_into_sending(self, which, waits):
        mail = self.pick(which, "pending_approval")
        if waits:
            self.wait_for_the_end_of(mail)
        refused = self.simple.refuses_end(mail, now=self.now)

        outgoing = self.ask(claim_expired, mail.id, lease=LEASE)

        assert refused == error_of(outgoing)
        if not refused:
            assert ("expiry", mail.draft) == (outgoing.origin, outgoing.draft)
            self.simple.expire_into_sending(mail, outgoing, lease=LEASE, now=self.now)
            self.attempts.append(outgoing)

    @rule(which=WHICH, times=st.integers(1, 5))
    def expire_while_the_provider_is_down(self, which, times):
        for _ in range(times):
            before = len(self.attempts)
            self.expire_into_sending(which, waits=True)
            if len(self.attempts) > before:
                self.what_is_kept_is_the_same()  # both are steps
                self.has_failed(0, "down")
                self.what_is_kept_is_the_same()

    @rule(which=WHICH, waits=WAITS)
    def expire_into_nothing(self, which, waits):
        mail = self.pick(which, "pending_approval")
        if waits:
            self.wait_for_the_end_of(mail)
        refused = self.simple.refuses_end(mail, now=self.now)

        assert refused == error_of(self.ask(expire_reject, mail.id))

        if not refused:
            self.simple.expire_into_nothing(mail, now=self.now)

    # A worker tells what became of it, late and twice too; or it has died, and never does

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH, provider_id=PROVIDER_IDS)
    def is_sent(self, which, provider_id):
        outgoing = self.pick_attempt(which)
        self.ask(settle_sent, outgoing, provider_id)
        self.simple.settle_sent(outgoing, provider_id, now=self.now)

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH, error=ERRORS)
    def has_failed(self, which, error):
        outgoing = self.pick_attempt(which)
        self.ask(settle_failed, outgoing, error)
        self.simple.settle_failed(outgoing, error, now=self.now)

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH, error=ERRORS)
    def is_in_doubt(self, which, error):
        outgoing = self.pick_attempt(which)
        self.ask(settle_unconfirmed, outgoing, error)
        self.simple.settle_unconfirmed(outgoing, error)

    @rule(limit=LIMITS, waits=WAITS)
    def sweep(self, limit, waits):
        if waits:
            self.clock.advance(seconds=LEASE.total_seconds())
        abandoned = self.simple.abandoned(now=self.now)

        swept = self.ask(sweep_unconfirmed, limit=limit)

        taken = [self.simple.mails[message_id] for message_id in swept]
        assert [mail.lease_until for mail in abandoned[:limit]] == sorted(mail.lease_until for mail in taken)
        for mail in taken:
            assert mail in abandoned
            self.simple.sweep(mail)

    # Looking

    @rule(which=WHICH, who=DECIDERS, limit=LIMITS)
    def look(self, which, who, limit):
        mail = self.pick(which)
        self.look_at_one(mail, self.decider(mail, who))
        self.turn_a_page(self.users[which % 2].id, limit)
        self.look_for_the_expired(limit)

    def look_at_one(self, mail, user):
        is_seen = self.simple.is_seen(user, mail, now=self.now)

        found = self.ask(get_outbound_message_for_user, user, mail.id)

        assert (None if is_seen else MessageNotFound) == error_of(found)

    def turn_a_page(self, user, limit):
        """The next page of what waits, from wherever this user's last page ended."""
        place, cursor = self.behind.pop(user, (None, None))
        waiting = self.simple.pending(user, now=self.now)
        rest = [mail for mail in waiting if place is None or (mail.hold_until, mail.id) > place]

        page = self.ask(list_pending_outbound_for_user, user, limit=limit, cursor=cursor)

        assert [mail.id for mail in rest[:limit]] == [item.id for item in page.items]
        assert (len(rest) > limit) == (page.next_cursor is not None)
        if page.next_cursor:
            self.behind[user] = (rest[limit - 1].hold_until, rest[limit - 1].id), page.next_cursor

    def look_for_the_expired(self, limit):
        expired = self.simple.expired(now=self.now)

        found = self.store.run(lambda tx: list_expired_pending(tx, limit=limit, now=self.now))

        assert [mail.hold_until for mail in expired[:limit]] == [hold.hold_expires_at for hold in found]
        owners = {mail.id: mail.owner for mail in expired}
        assert len(found) == len({hold.message_id for hold in found})
        assert all(owners[hold.message_id] == hold.user_id for hold in found)

    # What holds after every step

    def found(self):
        """Every message with its content and attempts, of one moment."""
        with self.store.snapshot() as tx:
            records = [get_outbound_message(tx, message_id) for message_id in self.simple.mails]
            return {
                record.id: (record, read_draft(tx, record), list_send_attempts(tx, record.id)) for record in records
            }

    @invariant()
    def what_is_kept_is_the_same(self):
        found = self.found()

        expected = {message_id: mail.shown() for message_id, mail in self.simple.mails.items()}
        assert expected == {message_id: shown(*parts) for message_id, parts in found.items()}
        if hasattr(self.answered, "scrubbed_at"):
            assert found[self.answered.id][0] == self.answered
        self.answered = None
        self.check_what_never_happens(found)

    def check_what_never_happens(self, found):
        for message_id, (record, _, tries) in found.items():
            old = self.seen.get(message_id, record.status)
            assert old == record.status or may_move(old, record.status), (old, record.status)
            self.seen[message_id] = record.status
            alive = [one.id for one in tries if one.outcome == "sending"]
            assert ([self.simple.mails[message_id].last] if record.status == "sending" else []) == alive
            assert not (self.is_gone_out(message_id) and record.status in {"pending_approval", "queued"})

    def is_gone_out(self, message_id):
        """Whether the provider has it, by the word of a worker that never said otherwise, and nobody wants it again."""
        mail = self.simple.mails[message_id]
        honest = [one.said for one in mail.tries.values() if "failed" not in one.said]
        return any("sent" in said for said in honest) and not mail.sent_again

    def teardown(self):
        """What was sent was counted, each mail once. The rest goes, so that the next machine begins with nothing."""
        days = {user.id: self.store.run(lambda tx, user=user: self.count_sent(tx, user)) for user in self.users}
        for user, agent in zip(self.users, self.agents, strict=True):
            self.store.run(lambda tx, user=user, agent=agent: delete_agent(tx, user.id, agent))
        mails = [mail for mail in self.simple.mails.values() if mail.status in WENT_OUT]
        assert {user: sum(mail.owner == user for mail in mails) for user in days} == days

    def count_sent(self, tx, user):
        """How many of the user's mails were counted as sent, on all days."""
        days = list_usage(tx, user.id, first=FakeClock().now().date(), last=self.now.date())
        return sum((day.kinds["sent"].count if "sent" in day.kinds else 0) for day in days)


def error_of(answer):
    """The type of error that *answer* is, if it is one."""
    return answer if isinstance(answer, type) else None


def shown(record, draft, tries):
    """What Mail.shown tells, of the store's records."""
    return {
        "status": record.status,
        "revision": record.revision,
        "error": record.error,
        "reviewed": (record.reviewed_by, record.reviewed_at),
        "reason": record.reason,
        "hold_until": record.hold_expires_at,
        "provider_id": record.provider_message_id,
        "scrubbed_at": record.scrubbed_at,
        "recipients": (record.to, record.cc, record.bcc, record.names),
        "subject": record.subject,
        "content": (record.text, record.html, draft.attachments),
        "tries": [(one.id, one.origin, one.outcome, one.error, one.provider_message_id) for one in tries],
    }


@pytest.mark.hypothesis
@pytest.mark.parametrize(("database_url", "examples"), [("sqlite", 20), ("postgresql", 6)], indirect=["database_url"])
def test_held_mail_does_what_plain_python_would(store, master, clock, examples):
    store.run(lambda tx: ensure_shared_domain(tx, DOMAIN, now=clock.now()))
    machine = type("Machine", (HeldMail,), {"store": store, "master": master, "numbers": count()})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
