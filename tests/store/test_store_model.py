"""Any order of the daily calls about mail: the store does what plain Python would (tests/store/simple_mailbox.py)."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from store.errors import DeliveryNotFound, LeaseLost, MessageNotFound, NotReplayable
from store.mail.activity import list_activity_by_agent
from store.mail.deliveries import claim_due, list_attempts, release, replay, settle_dead, settle_delivered, settle_retry
from store.mail.messages import get_message_with_content, get_messages_by_agent, update_message_delivery_status
from store.mail.queue import ack, extend, lease_messages, nack
from store.outbound.outbound import create_pending_outbound_message
from store.outbound.sending import LEASE, claim_approved, settle_sent
from store.records.mail import Attempt
from tests.places import new_outbound
from tests.store.twin import MODES, WHICH, Twin, error_of, run_beside_the_simple_one, shown

LIMITS = st.integers(1, 3)
STATUSES = st.sampled_from(["unread", "read", "all"])
IDS = [
    "one@sender.example",
    "ONE@sender.example",
    "0100a@eu-west-1.amazonses.com",
    "0100b@email.amazonses.com",
    "0100a",
]
EMAIL_IDS = st.sampled_from([*IDS, None])
NAMED = [*IDS, *[f" <{name}> " for name in IDS], "", "<0100a@us-east-1.amazonses.com>"]
PARENTS = st.lists(st.sampled_from(NAMED), max_size=3)
PROVIDER_IDS = st.sampled_from(["0100a", "<0100b@eu-west-1.amazonses.com>", "one@sender.example"])
RAWS = st.sampled_from([b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n\0"])
LETTERS = st.tuples(EMAIL_IDS, PARENTS, RAWS)
WORDS = ["ack", "nack", "extend"]
OUTCOMES = ["delivered", "later", "dead", "untried"]
MOST_LETTERS = 10


class Mail(Twin):
    """Letters, their queue and their deliveries, and what readers and workers have in their hands."""

    def __init__(self):
        super().__init__()
        self.receipts = []  # every one ever given out, with its agent
        self.claims = []  # the same of deliveries

    @initialize(letters=st.lists(LETTERS, min_size=5, max_size=5))
    def begin(self, letters):
        super().begin()
        for n, letter in enumerate(letters):
            self.arrive_at(self.live_address(n), *letter)

    def pick_letter(self, which):
        letters = self.simple.letters()
        return letters[-1 - which % len(letters)]

    @rule(which=WHICH, mode=MODES)
    def change(self, which, mode):
        """An agent gets its mail another way; or, once in a while, it goes and comes back with nothing."""
        if which == 11:
            self.remove_agent(0, 0)
            self.make_agent(0, 0, mode)
        else:
            self.switch_agent(0, which, mode)

    @precondition(lambda self: len(self.simple.letters()) < MOST_LETTERS)
    @rule(which=WHICH, letters=st.lists(LETTERS, min_size=1, max_size=2))
    def arrive(self, which, letters):
        for email_id, parents, raw in letters:
            self.arrive_at(self.live_address(which), email_id, parents, raw)

    @precondition(lambda self: len(self.simple.letters()) < MOST_LETTERS)
    @rule(which=WHICH, provider_id=PROVIDER_IDS, parents=PARENTS)
    def write_and_send(self, which, provider_id, parents):
        address = self.live_address(which)
        if address not in self.simple.mailboxes:
            return
        mailbox = self.simple.mailboxes[address]

        def unit(tx):
            new = new_outbound(address, at=self.now, parent_ids=tuple(parents))
            held = create_pending_outbound_message(tx, new, ttl_seconds=60)
            outgoing = claim_approved(tx, mailbox.user, held.id, lease=LEASE, now=self.now)
            return settle_sent(tx, outgoing, provider_id, now=self.now)

        sent = self.store.run(unit)
        self.keep(mailbox, "outbound", sent, parents, provider_id=sent.provider_message_id)

    # Reading

    @rule(which=WHICH, status=STATUSES, limit=LIMITS)
    def turn_a_page(self, which, status, limit):
        """The next page, from wherever this reader's last one ended."""
        address = self.live_address(which)
        mailbox = self.simple.mailboxes.get(address)
        behind = self.behind.pop((address, status), 0)
        letters = mailbox.inbound(status, now=self.now) if mailbox else []
        rest = [letter for letter in letters if letter.seq > behind]

        page = self.ask(
            get_messages_by_agent,
            address,
            status=status,
            limit=limit,
            cursor=str(behind) if behind else None,
            now=self.now,
        )

        assert [letter.id for letter in rest[:limit]] == [item.id for item in page.items]
        assert (str(rest[limit - 1].seq) if len(rest) > limit else None) == page.next_cursor
        if rest:
            self.behind[address, status] = rest[:limit][-1].seq

    @rule(which=WHICH, limit=LIMITS, in_one=st.booleans())
    def turn_a_page_back(self, which, limit, in_one):
        """The next page of what went in and out, of one conversation or of all."""
        address = self.live_address(which)
        mailbox = self.simple.mailboxes.get(address)
        letters = mailbox.living(now=self.now) if mailbox else []
        conversation = letters[which % len(letters)].conversation if in_one and letters else None
        before = self.behind.pop((address, "back", conversation), None)
        rest = [
            letter
            for letter in reversed(letters)
            if conversation in {None, letter.conversation} and (before is None or letter.seq < before)
        ]

        page = self.ask(
            list_activity_by_agent,
            address,
            limit=limit,
            cursor=before and str(before),
            now=self.now,
            conversation_id=conversation,
        )

        assert [letter.shown() for letter in rest[:limit]] == [shown(item) for item in page.items]
        assert (str(rest[limit - 1].seq) if len(rest) > limit else None) == page.next_cursor
        if page.next_cursor:
            self.behind[address, "back", conversation] = rest[limit - 1].seq

    @precondition(lambda self: self.simple.letters())
    @rule(which=WHICH, peek=st.booleans())
    def read(self, which, peek):
        address, letter = self.pick_letter(which)
        is_there = letter.direction == "inbound" and letter.lives(self.now)

        found = self.ask(get_message_with_content, address, letter.id, now=self.now, peek=peek)

        if not is_there:
            assert MessageNotFound == found
            return
        if not peek and letter.status == "unread":
            self.simple.mailboxes[address].mark(letter, "read", now=self.now)
        assert (letter.status, letter.raw) == (found[0].status, found[1])

    @precondition(lambda self: self.simple.letters())
    @rule(which=WHICH, status=st.sampled_from(["read", "unread"]))
    def mark(self, which, status):
        address, letter = self.pick_letter(which)
        is_there = letter.direction == "inbound" and letter.lives(self.now)

        found = self.ask(update_message_delivery_status, address, letter.id, status, now=self.now)

        assert (None if is_there else MessageNotFound) == error_of(found)
        if is_there:
            self.simple.mailboxes[address].mark(letter, status, now=self.now)

    # The queue

    @rule(which=WHICH, limit=LIMITS, seconds=st.sampled_from([1, 60, 3600]), how=st.none() | st.sampled_from(WORDS))
    def lease(self, which, limit, seconds, how):
        address = self.live_address(which, mode="poll")
        mailbox = self.simple.mailboxes.get(address)
        free = mailbox.free(now=self.now)[:limit] if mailbox else []

        leases = self.ask(lease_messages, address, limit=limit, lease=timedelta(seconds=seconds), now=self.now)

        assert [letter.id for letter in free] == [found.message.id for found in leases]
        for letter, found in zip(free, leases, strict=True):
            until = self.now + timedelta(seconds=seconds)
            assert mailbox.lease(letter, found.receipt, until=until) == found.attempt
            self.receipts.append((address, found.receipt))
        if leases and how:
            self.give_back(0, how, seconds)

    @precondition(lambda self: self.receipts)
    @rule(which=WHICH, how=st.sampled_from(WORDS), seconds=st.sampled_from([0, 1, 60]))
    def give_back(self, which, how, seconds):
        address, receipt = self.receipts[-1 - which % len(self.receipts)]
        mailbox = self.simple.mailboxes.get(address)
        letter = mailbox and mailbox.held(receipt, now=self.now, even_when_done=how == "ack")
        span = timedelta(seconds=seconds)
        query, more = {"ack": (ack, {}), "nack": (nack, {"delay": span}), "extend": (extend, {"lease": span})}[how]

        answer = self.ask(query, address, receipt, now=self.now, **more)

        assert (None if letter else LeaseLost) == answer
        if letter and how == "ack":
            letter.queued, letter.status = False, "read"
        elif letter:
            letter.visible_at = self.now + span
            letter.token = receipt if how == "extend" else None

    # Deliveries

    @rule(which=WHICH, limit=LIMITS, seconds=st.sampled_from([1, 60, 3600]), how=st.none() | st.sampled_from(OUTCOMES))
    def take_due(self, which, limit, seconds, how):
        address, span = self.live_address(which, mode="webhook"), timedelta(seconds=seconds)
        mailbox = self.simple.mailboxes.get(address)
        due = mailbox.due(now=self.now)[:limit] if mailbox else []

        claims = self.ask(claim_due, address, limit=limit, lease=span, now=self.now)

        assert sorted(promise.id for promise in due) == [claim.delivery.id for claim in claims]
        numbers = {promise.id: promise.claim(until=self.now + span) for promise in due}
        assert numbers == {claim.delivery.id: claim.number for claim in claims}
        self.claims += claims
        if claims and how:
            self.settle(0, how)

    def promise_of(self, delivery_id):
        found = [one for box in self.simple.mailboxes.values() for one in box.promises() if one.id == delivery_id]
        return found[0] if found else None

    @precondition(lambda self: self.claims)
    @rule(which=WHICH, how=st.sampled_from(OUTCOMES))
    def settle(self, which, how):
        claim = self.claims[-1 - which % len(self.claims)]
        promise = self.promise_of(claim.delivery.id)
        if promise is None:
            return
        if how == "untried":
            self.ask(release, claim, now=self.now)
            if promise.status == "pending" and promise.claims == claim.number:
                promise.due_at, promise.claims = self.now, promise.claims - 1
            return
        status, error = (204, None) if how == "delivered" else (500, "no" * 150)
        attempt = Attempt(at=self.now, duration_ms=5, status=status, error=error)
        due_at = self.now + timedelta(seconds=60)
        query = {"delivered": settle_delivered, "later": settle_retry, "dead": settle_dead}[how]
        assert self.ask(query, claim, attempt, **({"due_at": due_at} if how == "later" else {"now": self.now})) is None
        promise.settle(claim.number, how, status, error, due_at=due_at)
        assert promise.tried == len(self.ask(list_attempts, promise.id))

    @precondition(lambda self: self.claims)
    @rule(which=WHICH)
    def send_anew(self, which):
        delivery_id = self.claims[-1 - which % len(self.claims)].delivery.id
        promise = self.promise_of(delivery_id)

        answer = self.ask(replay, delivery_id, now=self.now)

        if promise is None:
            assert DeliveryNotFound == answer
        elif promise.status == "pending":
            assert NotReplayable == answer
        else:
            promise.replay(now=self.now)


@pytest.mark.hypothesis
@pytest.mark.parametrize(("database_url", "examples"), [("sqlite", 16), ("postgresql", 5)], indirect=["database_url"])
def test_mail_is_kept_as_plain_python_would(store, master, examples):
    run_beside_the_simple_one(Mail, store, master, examples=examples, steps=40)
