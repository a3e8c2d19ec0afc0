"""Any order of a store's daily calls, by three users: what plain Python would do (tests/store/simple_directory.py)."""

from datetime import timedelta
from hashlib import sha256
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

from relay.directory.agents import make_secret
from store.activity import list_activity_by_agent
from store.agents import create_agent, delete_agent, list_agents_by_user, update_agent_mode
from store.conversations import provider_id
from store.deliveries import (
    claim_due,
    list_attempts,
    list_deliveries_by_user,
    list_deliveries_of_message,
    release,
    replay,
    settle_dead,
    settle_delivered,
    settle_later,
)
from store.domains import claim_or_create_domain, delete_domain, list_domains_by_user, verify_domain
from store.errors import AgentNotFound, DeliveryNotFound, LeaseLost, MessageNotFound, NotReplayable, StoreError
from store.keys import create_api_key, delete_api_key, get_user_by_api_key, list_api_keys, touch_api_key
from store.messages import get_message_with_content, get_messages_by_agent, update_message_delivery_status
from store.outbound import create_pending_outbound_message
from store.queue import ack, extend, lease_messages, nack
from store.records import Attempt
from store.retention import delete_expired_messages
from store.sending import LEASE, claim_approved, settle_sent
from tests.fakes import FakeClock
from tests.places import Places, keep_message, new_message, new_outbound
from tests.store.simple_directory import Directory, Key
from tests.store.simple_mailbox import Promise

URL = "https://hooks.example/in"
WHO = st.integers(0, 2)
WHICH = st.integers(0, 11)
LIMITS = st.integers(1, 3)
SECONDS = st.sampled_from([1, 59, 61, 3600, 15 * 86_400, 31 * 86_400])
MODES = st.sampled_from(["poll", "webhook"])
STATUSES = st.sampled_from(["unread", "read", "all"])
IDS = [
    "one@sender.example",
    "ONE@sender.example",
    "0100a@eu-west-1.amazonses.com",
    "0100b@email.amazonses.com",
    "0100a",
]
EMAIL_IDS = st.sampled_from([*IDS, None])
PARENTS = st.lists(
    st.sampled_from([*IDS, *[f" <{name}> " for name in IDS], "", "<0100a@us-east-1.amazonses.com>"]), max_size=3
)
PROVIDER_IDS = st.sampled_from(["0100a", "<0100b@eu-west-1.amazonses.com>", "one@sender.example"])
RAWS = st.sampled_from([b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n\0"])
MOST_LETTERS = 10


class Machine(RuleBasedStateMachine):
    """A store, the simple directory beside it, and what users and workers have in their hands."""

    store = master = numbers = None

    @initialize()
    def begin(self):
        self.clock = FakeClock()
        self.number = next(self.numbers)
        places = Places(self.clock, self.master)
        self.users = [
            self.store.run(lambda tx, n=n: places.user(tx, f"{n}{self.number}@owner.example").id) for n in "abc"
        ]
        self.simple = Directory()
        self.receipts = []  # every one ever given out, with its agent
        self.claims = []  # the same of deliveries
        self.behind = {}  # where each reader's last page ended
        self.conversations = set()
        self.hashes = []
        self.claim_domain(0, 0)
        self.verify(0, 0)
        self.make_agent(0, 0, "poll")
        self.make_agent(0, 1, "webhook")

    @property
    def now(self):
        return self.clock.now()

    def ask(self, query, *arguments, **more):
        """What the store answers, or the error's type."""
        try:
            return self.store.run(lambda tx: query(tx, *arguments, **more))
        except StoreError as error:
            return type(error)

    def domain(self, which):
        return f"{'xy'[which % 2]}{self.number}.example"

    def address(self, which):
        """One of four addresses, whether it is an agent's or not."""
        return f"{'pq'[which // 2 % 2]}@{self.domain(which // 4)}" if which < 8 else self.live_address(which)

    def live_address(self, which):
        alive = list(self.simple.mailboxes)
        return alive[which % len(alive)] if alive else self.address(0)

    def pick_letter(self, which):
        letters = self.simple.letters()
        return letters[-1 - which % len(letters)]

    @rule(seconds=SECONDS)
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    # Domains, agents and keys

    @rule(who=WHO, which=WHICH)
    def claim_domain(self, who, which):
        user, domain = self.users[who], self.domain(which)
        token = f"{domain}-{user}-{len(self.simple.claims)}"
        answer = self.ask(claim_or_create_domain, user, domain, token=token, now=self.now)
        assert self.simple.claim(user, domain, token) == error_of(answer)

    @rule(who=WHO, which=WHICH)
    def verify(self, who, which):
        user, domain = self.users[who], self.domain(which)
        assert self.simple.verify(user, domain) == error_of(self.ask(verify_domain, user, domain, now=self.now))

    @rule(who=WHO, which=WHICH)
    def give_up(self, who, which):
        user, domain = self.users[who], self.domain(which)
        assert self.simple.give_up(user, domain) == error_of(self.ask(delete_domain, user, domain))

    @rule(who=WHO, which=st.integers(0, 7), mode=MODES)
    def make_agent(self, who, which, mode):
        user, address = self.users[who], self.address(which)
        secret = make_secret(address, master=self.master, now=self.now)
        there = self.simple.mailboxes.get(address)

        answer = self.ask(create_agent, user, address, mode=mode, webhook_url=URL, secret=secret, now=self.now)

        assert self.simple.make_agent(user, address, mode) == error_of(answer)
        if self.simple.mailboxes.get(address) is not there:
            self.forget(address)

    @rule(who=WHO, which=WHICH)
    def remove_agent(self, who, which):
        user, address = self.users[who], self.address(which)
        answer = self.ask(delete_agent, user, address)
        assert self.simple.delete_agent(user, address) == error_of(answer)
        if answer is None:
            self.forget(address)

    def forget(self, address):
        """Who reads there begins anew: the next agent of that address has other letters under the same numbers."""
        self.behind = {reader: place for reader, place in self.behind.items() if reader[0] != address}

    @rule(who=WHO, which=WHICH, mode=MODES)
    def switch_agent(self, who, which, mode):
        user, address = self.users[who], self.address(which)
        answer = self.ask(update_agent_mode, user, address, mode, now=self.now)
        assert self.simple.switch_agent(user, address, mode) == error_of(answer)

    @rule(who=WHO, which=st.none() | WHICH)
    def make_key(self, who, which):
        user, agent = self.users[who], None if which is None else self.address(which)
        key_hash = sha256(f"{self.number}-{len(self.hashes)}".encode()).hexdigest()
        self.hashes.append(key_hash)

        key = self.ask(
            create_api_key, user, key_hash=key_hash, prefix="mk_abcdefghi", name="k", now=self.now, agent=agent
        )

        assert self.simple.refuses_key(user, agent) == error_of(key)
        if not error_of(key):
            self.simple.keys[key_hash] = Key(key.id, user, agent)

    @precondition(lambda self: self.simple.keys)
    @rule(who=WHO, which=WHICH)
    def revoke_key(self, who, which):
        key_hash = list(self.simple.keys)[which % len(self.simple.keys)]
        key = self.simple.keys[key_hash]
        answer = self.ask(delete_api_key, self.users[who], key.id)
        assert self.simple.revoke(self.users[who], key_hash) == error_of(answer)

    @precondition(lambda self: self.hashes)
    @rule(which=WHICH)
    def use_key(self, which):
        key_hash = self.hashes[-1 - which % len(self.hashes)]
        key = self.simple.keys.get(key_hash)

        found = self.ask(get_user_by_api_key, key_hash)

        assert (key and (key.user, key.id, key.used_at)) == (
            found and (found[0].id, found[1].id, found[1].last_used_at)
        )
        if key:
            self.ask(touch_api_key, key.id, now=self.now)
            self.simple.touch(key, now=self.now)

    # Mail comes, and goes

    @precondition(lambda self: len(self.simple.letters()) < MOST_LETTERS)
    @rule(which=WHICH, email_id=EMAIL_IDS, parents=PARENTS, raw=RAWS)
    def arrive(self, which, email_id, parents, raw):
        address = self.address(which)
        new = new_message(address, raw, at=self.now, email_message_id=email_id, parent_ids=tuple(parents))

        kept = self.ask(keep_message, new, raw)

        if address not in self.simple.mailboxes:
            assert AgentNotFound == kept
            return
        mailbox = self.simple.mailboxes[address]
        letter = self.keep(mailbox, "inbound", kept, parents, email_id=email_id, raw=raw)
        letter.queued, letter.visible_at = mailbox.mode == "poll", self.now
        promised = self.ask(list_deliveries_of_message, kept.id)
        assert (mailbox.mode == "webhook") == len(promised)
        letter.promises = [simple_promise(delivery) for delivery in promised]

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

    def keep(self, mailbox, direction, record, parents, *, email_id=None, provider_id=None, raw=b""):
        known = mailbox.conversation_of(parents)
        assert known == record.conversation_id if known else record.conversation_id not in self.conversations
        self.conversations.add(record.conversation_id)
        names = {"email_id": email_id, "provider_id": provider_id or provider_of(email_id)}
        return mailbox.keep(record.id, direction, record.conversation_id, now=self.now, raw=raw, **names)

    @rule()
    def clean_up(self):
        gone = sum(mailbox.forget_the_expired(now=self.now) for mailbox in self.simple.mailboxes.values())
        assert gone == self.ask(delete_expired_messages, now=self.now, limit=100).count

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

    @rule(which=WHICH, limit=LIMITS, seconds=st.sampled_from([1, 60, 3600]))
    def lease(self, which, limit, seconds):
        address = self.live_address(which)
        mailbox = self.simple.mailboxes.get(address)
        free = mailbox.free(now=self.now)[:limit] if mailbox else []

        leases = self.ask(lease_messages, address, limit=limit, lease=timedelta(seconds=seconds), now=self.now)

        assert [letter.id for letter in free] == [found.message.id for found in leases]
        for letter, found in zip(free, leases, strict=True):
            until = self.now + timedelta(seconds=seconds)
            assert mailbox.lease(letter, found.receipt, until=until) == found.attempt
            self.receipts.append((address, found.receipt))

    @precondition(lambda self: self.receipts)
    @rule(which=WHICH, how=st.sampled_from(["ack", "ack", "nack", "extend"]), seconds=st.sampled_from([0, 1, 60]))
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

    @rule(which=WHICH, limit=LIMITS, seconds=st.sampled_from([1, 60, 3600]))
    def take_due(self, which, limit, seconds):
        address, span = self.live_address(which), timedelta(seconds=seconds)
        mailbox = self.simple.mailboxes.get(address)
        due = mailbox.due(now=self.now)[:limit] if mailbox else []

        claims = self.ask(claim_due, address, limit=limit, lease=span, now=self.now)

        assert sorted(promise.id for promise in due) == [claim.delivery.id for claim in claims]
        numbers = {promise.id: promise.claim(until=self.now + span) for promise in due}
        assert numbers == {claim.delivery.id: claim.number for claim in claims}
        self.claims += claims

    def promise_of(self, delivery_id):
        found = [one for box in self.simple.mailboxes.values() for one in box.promises() if one.id == delivery_id]
        return found[0] if found else None

    @precondition(lambda self: self.claims)
    @rule(which=WHICH, how=st.sampled_from(["delivered", "later", "later", "dead", "untried"]))
    def settle(self, which, how):
        claim = self.claims[-1 - which % len(self.claims)]
        promise = self.promise_of(claim.delivery.id)
        if promise is None:
            return
        if how == "untried":
            self.ask(release, claim, now=self.now)
            if promise.status == "pending" and promise.claims == claim.number:
                promise.due_at = self.now
            return
        status, error = (204, None) if how == "delivered" else (500, "no" * 150)
        attempt = Attempt(at=self.now, duration_ms=5, status=status, error=error)
        due_at = self.now + timedelta(seconds=60)
        query = {"delivered": settle_delivered, "later": settle_later, "dead": settle_dead}[how]
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

    # What holds after every step

    @invariant()
    def the_directory_is_the_same(self):
        with self.store.snapshot() as tx:
            for user in self.users:
                domains = [(one.domain, one.token, one.verified) for one in list_domains_by_user(tx, user)]
                agents = [(one.address, one.mode, one.domain_verified) for one in list_agents_by_user(tx, user)]
                keys = {(key.id, key.agent, key.last_used_at) for key in list_api_keys(tx, user)}
                mine = {(key.id, key.agent, key.used_at) for key in self.simple.keys.values() if key.user == user}
                assert (self.simple.domains_of(user), self.simple.agents_of(user), mine) == (domains, agents, keys)

    @invariant()
    def the_mail_is_the_same(self):
        with self.store.snapshot() as tx:
            for address, mailbox in self.simple.mailboxes.items():
                page = list_activity_by_agent(tx, address, limit=100, cursor=None, now=self.now)
                expected = [letter.shown() for letter in reversed(mailbox.living(now=self.now))]
                assert expected == [shown(item) for item in page.items]
            for user in self.users:
                boxes = [box for box in self.simple.mailboxes.values() if box.user == user]
                promised = sorted(((one.id, one.status) for box in boxes for one in box.promises()), reverse=True)
                page = list_deliveries_by_user(tx, user, limit=100)
                assert promised == [(delivery.id, delivery.status) for delivery in page.items]

    def teardown(self):
        """Everything of this machine's goes, so that the next one begins with nothing."""
        for address, mailbox in self.simple.mailboxes.items():
            self.store.run(lambda tx, user=mailbox.user, address=address: delete_agent(tx, user, address))


def error_of(answer):
    """The type of error that *answer* is, if it is one."""
    return answer if isinstance(answer, type) else None


def provider_of(email_id):
    return provider_id(email_id) if email_id else None


def simple_promise(delivery):
    return Promise(delivery.id, delivery.due_at)


def shown(item):
    """What Letter.shown tells, of the store's record."""
    told = tuple(
        (one.delivery_id, one.status, one.attempts, one.last_status, one.last_error) for one in item.deliveries
    )
    return item.id, item.seq, item.direction, item.status, item.conversation_id, told


@pytest.mark.parametrize(("database_url", "examples"), [("sqlite", 40), ("postgresql", 10)], indirect=["database_url"])
def test_the_store_does_what_plain_python_would(store, master, examples):
    machine = type("OnOneStore", (Machine,), {"store": store, "master": master, "numbers": count()})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
