"""Any order of holding, deciding, sending, dying and waiting: the store does what a dict in memory would."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from store.connect import open_store
from store.errors import NotPendingApproval, NotUnconfirmed
from store.holds import expire_reject, list_expired_pending, list_pending_outbound_for_user, reject_pending
from store.lifecycle import FINAL, MOVES
from store.outbound import create_outbound_message, create_pending_outbound_message, get_outbound_message
from store.pending_approval_edit import PendingApprovalEdit
from store.sending import (
    EXPIRY_RETRIES,
    LEASE,
    claim_approved,
    claim_expired,
    list_send_attempts,
    resolve_unconfirmed,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
    sweep_unconfirmed,
)
from tests.places import new_outbound

SUBJECTS = st.sampled_from(["Grüße", "a", "b"])


@dataclass
class Line:
    """A mail as the simplest book would hold it; times are seconds since the beginning."""

    status: str
    until: float | None = None  # of a hold
    subject: str = "Grüße"
    revision: int = 1
    attempt: str | None = None  # the last one
    lease: float = 0
    outcomes: dict[str, str] = field(default_factory=dict)
    expiry_failures: int = 0
    seen: list[str] = field(default_factory=list)


class Book(RuleBasedStateMachine):
    """The store's holds and a dict beside it."""

    store = places = None
    agents = iter(())

    mails = Bundle("mails")
    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.clock = self.places.clock
        self.start = self.clock.now()
        address = f"h{next(self.agents)}@agents.example"
        made = self.store.run(lambda tx: self.places.agent(tx, self.places.user(tx), address))
        self.agent, self.owner = made.address, made.user_id
        self.lines: dict[str, Line] = {}

    @property
    def time(self):
        return (self.clock.now() - self.start).total_seconds()

    def call(self, query, *arguments, **more):
        return self.store.run(lambda tx: query(tx, *arguments, now=self.clock.now(), **more))

    def allowed(self, call, error, condition):
        """Whether *call* went through, which it must exactly if *condition* holds."""
        try:
            value = call()
        except error:
            assert not condition
            return None
        assert condition
        return value

    def is_over(self, line):
        return line.status == "pending_approval" and line.until <= self.time

    @rule(target=mails, ttl=st.integers(1, 120))
    def hold(self, ttl):
        new = new_outbound(self.agent, at=self.clock.now())
        kept = self.store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl))
        self.lines[kept.id] = Line("pending_approval", until=self.time + ttl)
        return kept.id

    @rule(target=mails)
    def queue(self):
        new = new_outbound(self.agent, at=self.clock.now())
        kept = self.store.run(lambda tx: create_outbound_message(tx, new))
        self.lines[kept.id] = Line("queued")
        return kept.id

    @rule(seconds=st.integers(1, 400))
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    def claimed(self, mail, outgoing):
        line = self.lines[mail]
        line.status, line.attempt, line.lease = "sending", outgoing.attempt, self.time + LEASE.total_seconds()
        line.outcomes[outgoing.attempt] = "sending"
        assert line.subject == outgoing.draft.subject
        return outgoing

    @rule(target=claims, mail=mails, subject=st.none() | SUBJECTS)
    def approve(self, mail, subject):
        line = self.lines[mail]
        edit = PendingApprovalEdit() if subject is None else PendingApprovalEdit(subject=subject)
        outgoing = self.allowed(
            lambda: self.call(claim_approved, self.owner, mail, edit=edit, lease=LEASE),
            NotPendingApproval,
            line.status == "pending_approval",
        )
        if outgoing and subject not in {None, line.subject}:
            line.subject, line.revision = subject, line.revision + 1
        return outgoing and self.claimed(mail, outgoing)

    @rule(target=claims, mail=mails)
    def expire(self, mail):
        outgoing = self.allowed(
            lambda: self.call(claim_expired, mail, lease=LEASE), NotPendingApproval, self.is_over(self.lines[mail])
        )
        return outgoing and self.claimed(mail, outgoing)

    @rule(claim=claims)
    def arrives(self, claim):
        if claim is None:
            return
        self.call(settle_sent, claim, "0100")
        line = self.lines[claim.message.id]
        line.outcomes[claim.attempt] = "sent"
        if line.attempt == claim.attempt and line.status not in FINAL:
            line.status = "expired_approved" if self.expires(claim, line) else "sent"

    @staticmethod
    def expires(claim, line):
        return claim.origin == "expiry" and line.status in {"sending", "unconfirmed"}

    @rule(claim=claims)
    def fails(self, claim):
        if claim is None:
            return
        self.call(settle_failed, claim, "down")
        line = self.lines[claim.message.id]
        line.outcomes[claim.attempt] = "failed"
        if line.attempt != claim.attempt or line.status not in {"sending", "unconfirmed"}:
            return
        line.status = "pending_approval"
        if claim.origin == "expiry":
            failures = sum(
                each == "failed" and self.origins(claim)[key] == "expiry" for key, each in line.outcomes.items()
            )
            if failures > len(EXPIRY_RETRIES):
                line.status = "failed"
            else:
                line.until = self.time + EXPIRY_RETRIES[failures - 1].total_seconds()

    def origins(self, claim):
        found = self.store.run(lambda tx: list_send_attempts(tx, claim.message.id))
        return {each.id: each.origin for each in found}

    @rule(claim=claims)
    def is_lost(self, claim):
        if claim is None:
            return
        self.call(settle_unconfirmed, claim, "cut")
        line = self.lines[claim.message.id]
        line.outcomes[claim.attempt] = "unconfirmed"
        if line.attempt == claim.attempt and line.status == "sending":
            line.status = "unconfirmed"

    @rule()
    def sweep(self):
        over = [key for key, line in self.lines.items() if line.status == "sending" and line.lease <= self.time]
        swept = set(self.call(sweep_unconfirmed, limit=1000)) & self.lines.keys()
        assert set(over) == swept
        for key in over:
            self.lines[key].status = "unconfirmed"
            self.lines[key].outcomes[self.lines[key].attempt] = "unconfirmed"

    @rule(mail=mails, verdict=st.sampled_from(["sent", "send_again"]))
    def resolve(self, mail, verdict):
        line = self.lines[mail]
        if self.allowed(
            lambda: self.call(resolve_unconfirmed, self.owner, mail, verdict),
            NotUnconfirmed,
            line.status == "unconfirmed",
        ):
            line.status = "sent" if verdict == "sent" else "queued"

    @rule(mail=mails)
    def reject(self, mail):
        line = self.lines[mail]
        if self.allowed(
            lambda: self.call(reject_pending, self.owner, mail), NotPendingApproval, line.status == "pending_approval"
        ):
            line.status = "rejected"

    @rule(mail=mails)
    def let_go(self, mail):
        line = self.lines[mail]
        if self.allowed(lambda: self.call(expire_reject, mail), NotPendingApproval, self.is_over(line)):
            line.status = "expired_rejected"

    @invariant()
    def the_book_and_the_store_agree(self):
        for key, line in self.lines.items():
            found = self.store.run(lambda tx, key=key: get_outbound_message(tx, key))
            assert (line.status, line.subject, line.revision) == (found.status, found.subject, found.revision)
            assert (found.text is None) == (line.status in FINAL) == (not found.attachments)
            attempts = self.store.run(lambda tx, key=key: list_send_attempts(tx, key))
            assert line.outcomes == {each.id: each.outcome for each in attempts}
            if line.seen and line.seen[-1] != line.status:
                assert line.status in MOVES[line.seen[-1]], (line.seen, line.status)
            line.seen.append(line.status)

    @invariant()
    def what_waits_is_listed_in_its_order(self):
        waiting = [key for key, line in self.lines.items() if line.status == "pending_approval"]
        order = sorted(waiting, key=lambda key: (self.lines[key].until, key))
        found, cursor = [], None
        while True:
            page = self.call(list_pending_outbound_for_user, self.owner, limit=2, cursor=cursor)
            found += [item.id for item in page.items if item.id in self.lines]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert order == found
        over = [key for key in order if self.lines[key].until <= self.time]
        listed = [hold.message_id for hold in self.call(list_expired_pending, limit=1000)]
        assert set(over) == set(listed) & self.lines.keys()


def test_holds_do_what_a_book_in_memory_would(database_url, places):
    store = open_store(database_url)
    store.run(lambda tx: places.domain(tx, places.user(tx)))
    machine = type("Machine", (Book,), {"store": store, "places": places, "agents": iter(range(10**6))})
    examples = 25 if store.engine.dialect.name == "sqlite" else 6

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    store.engine.dispose()
