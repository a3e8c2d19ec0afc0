"""A store with the simple one of tests/store/directory/simple_directory.py beside it, and what random sequences of calls share."""

from itertools import count

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from relay.directory.agents import make_secret
from store.directory.agents import create_agent, delete_agent, list_agents_by_user, update_agent_mode
from store.directory.domains import claim_or_create_domain, list_domains_by_user, verify_domain
from store.directory.keys import list_api_keys
from store.errors import AgentNotFound, StoreError
from store.mail.activity import list_activity_by_agent
from store.mail.conversations import provider_id
from store.mail.deliveries import list_deliveries_by_user, list_deliveries_of_message
from store.upkeep.retention import delete_expired_messages
from tests.fakes import FakeClock
from tests.places import Places, keep_message, new_message
from tests.store.directory.simple_directory import Directory
from tests.store.simple_mailbox import Promise

URL = "https://hooks.example/in"
WHO = st.integers(0, 2)
WHICH = st.sampled_from(range(12))
SECONDS = st.sampled_from([1, 59, 61, 3600, 15 * 86_400, 31 * 86_400])
MODES = st.sampled_from(["poll", "webhook"])


class Twin(RuleBasedStateMachine):
    """Three users of a store; of domains there are two, of addresses four."""

    store = master = numbers = None

    def begin(self):
        self.clock = FakeClock()
        self.number = next(self.numbers)
        places = Places(self.clock, self.master)
        self.users = [
            self.store.run(lambda tx, n=n: places.user(tx, f"{n}{self.number}@owner.example").id) for n in "abc"
        ]
        self.simple = Directory()
        self.behind = {}  # where each reader's last page ended
        self.conversations = set()
        self.claim_domain(0, 0)
        self.verify(0, 0)
        self.make_agent(0, 0, "poll")
        self.make_agent(0, 2, "webhook")

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
        return f"{'pq'[which // 2 % 2]}@{self.domain(which)}"

    def live_address(self, which, *, mode=None):
        """An agent's address, mostly one of *mode*."""
        boxes = self.simple.mailboxes
        alive = [address for address in boxes if which > 2 and boxes[address].mode == mode] or list(boxes)
        return alive[which % len(alive)] if alive else self.address(0)

    @rule(seconds=SECONDS, cleans=st.booleans())
    def wait(self, seconds, cleans):
        self.clock.advance(seconds=seconds)
        if cleans:
            gone = sum(mailbox.forget_the_expired(now=self.now) for mailbox in self.simple.mailboxes.values())
            assert gone == self.ask(delete_expired_messages, now=self.now, limit=100).count

    def claim_domain(self, who, which):
        user, domain = self.users[who], self.domain(which)
        token = f"{domain}-{user}-{len(self.simple.claims)}"
        answer = self.ask(claim_or_create_domain, user, domain, token=token, now=self.now)
        assert self.simple.claim(user, domain, token) == error_of(answer)

    def verify(self, who, which):
        user, domain = self.users[who], self.domain(which)
        assert self.simple.verify(user, domain) == error_of(self.ask(verify_domain, user, domain, now=self.now))

    def make_agent(self, who, which, mode):
        user, address = self.users[who], self.address(which)
        secret = make_secret(address, master=self.master, now=self.now)
        there = self.simple.mailboxes.get(address)

        answer = self.ask(create_agent, user, address, mode=mode, webhook_url=URL, secret=secret, now=self.now)

        assert self.simple.make_agent(user, address, mode) == error_of(answer)
        if self.simple.mailboxes.get(address) is not there:
            self.forget(address)

    def remove_agent(self, who, which):
        user, address = self.users[who], self.address(which)
        answer = self.ask(delete_agent, user, address)
        assert self.simple.delete_agent(user, address) == error_of(answer)
        if answer is None:
            self.forget(address)

    def forget(self, address):
        """Who reads there begins anew: the next agent of that address has other letters under the same numbers."""
        self.behind = {reader: place for reader, place in self.behind.items() if reader[0] != address}

    def switch_agent(self, who, which, mode):
        user, address = self.users[who], self.address(which)
        answer = self.ask(update_agent_mode, user, address, mode, now=self.now)
        assert self.simple.switch_agent(user, address, mode) == error_of(answer)

    def arrive_at(self, address, email_id, parents, raw):
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
        letter.promises = [Promise(delivery.id, delivery.due_at) for delivery in promised]

    def keep(self, mailbox, direction, record, parents, *, email_id=None, provider_id=None, raw=b""):
        new = None if record.conversation_id in self.conversations else record.conversation_id
        if direction == "inbound":
            joins = mailbox.joins(email_id, parents, new=new)
        else:
            joins = mailbox.conversation_of(parents) or new
        assert joins == record.conversation_id
        self.conversations.add(record.conversation_id)
        names = {"email_id": email_id, "provider_id": provider_id or provider_of(email_id)}
        return mailbox.keep(record.id, direction, record.conversation_id, now=self.now, raw=raw, **names)

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


def shown(item):
    """What Letter.shown tells, of the store's record."""
    told = tuple(
        (one.delivery_id, one.status, one.attempts, one.last_status, one.last_error) for one in item.deliveries
    )
    return item.id, item.seq, item.direction, item.status, item.conversation_id, told


def run_beside_the_simple_one(machine, store, master, *, examples, steps):
    """Try *examples* sequences of *steps* calls of *machine*, always the same ones."""
    bound = type("OnOneStore", (machine,), {"store": store, "master": master, "numbers": count()})
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(bound, settings=chosen)
