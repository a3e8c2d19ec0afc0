"""Any order of leasing, settling, reading and waiting: the queue does what a list in memory would."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from store.database.connect import open_store
from store.errors import LeaseLost
from store.mail.messages import find_message, update_message_delivery_status
from store.mail.queue import ack, extend, lease_messages, nack
from tests.fakes import FakeClock

SECONDS = st.integers(1, 90)


@dataclass
class Line:
    """A message as the simplest queue would hold it."""

    queued: bool = True
    read: bool = False
    leases: int = 0
    receipt: str | None = None
    visible: float = 0


class Queue(RuleBasedStateMachine):
    """The store's queue and a dict beside it; seconds since the beginning are the time of both."""

    store = places = None
    agents = iter(())

    receipts = Bundle("receipts")

    def __init__(self):
        super().__init__()
        self.clock = self.places.clock
        self.start = self.clock.now()
        address = f"a{next(self.agents)}@agents.example"
        self.agent = self.store.run(lambda tx: self.places.agent(tx, self.places.user(tx), address).address)
        self.lines: dict[str, Line] = {}

    @property
    def time(self):
        return (self.clock.now() - self.start).total_seconds()

    def call(self, query, *arguments, **more):
        return self.store.run(lambda tx: query(tx, self.agent, *arguments, now=self.clock.now(), **more))

    @rule()
    def arrive(self):
        message = self.store.run(lambda tx: self.places.message(tx, self.agent))
        self.lines[message.id] = Line(visible=self.time)

    @rule(seconds=SECONDS)
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    @rule(target=receipts, limit=st.integers(1, 3), seconds=SECONDS)
    def lease(self, limit, seconds):
        expected = [key for key, line in self.lines.items() if line.queued and line.visible <= self.time][:limit]

        leases = self.call(lease_messages, limit=limit, lease=timedelta(seconds=seconds))

        assert expected == [found.message.id for found in leases]
        for found in leases:
            line = self.lines[found.message.id]
            line.leases, line.receipt, line.visible = line.leases + 1, found.receipt, self.time + seconds
            assert line.leases == found.attempt
        return multiple(*[found.receipt for found in leases])

    @rule(receipt=receipts)
    def ack(self, receipt):
        line = self.held(receipt, even_when_done=True)
        assert self.works(line, ack, receipt)
        if line:
            line.queued, line.read = False, True

    @rule(receipt=receipts, seconds=st.integers(0, 90))
    def nack(self, receipt, seconds):
        line = self.held(receipt)
        assert self.works(line, nack, receipt, delay=timedelta(seconds=seconds))
        if line:
            line.receipt, line.visible = None, self.time + seconds

    @rule(receipt=receipts, seconds=SECONDS)
    def extend(self, receipt, seconds):
        line = self.held(receipt)
        assert self.works(line, extend, receipt, lease=timedelta(seconds=seconds))
        if line:
            line.visible = self.time + seconds

    @rule(which=st.integers(0, 5), status=st.sampled_from(["read", "unread"]))
    def mark(self, which, status):
        if which >= len(self.lines):
            return
        message_id, line = list(self.lines.items())[which]
        self.call(update_message_delivery_status, message_id, status)
        if status == "unread":
            self.lines[message_id] = Line(visible=self.time)
        else:
            line.read, line.queued = True, line.queued and line.leases > 0

    def held(self, receipt, *, even_when_done=False):
        """The message that *receipt* is good for now, if any."""
        line = self.lines[receipt.partition(".")[0]]
        if line.receipt != receipt:
            return None
        alive = line.queued and line.visible > self.time
        return line if alive or (even_when_done and not line.queued) else None

    def works(self, line, query, receipt, **more):
        """Whether the store answers as *line*, the one that is held or None, says it must."""
        try:
            self.call(query, receipt, **more)
        except LeaseLost:
            return line is None
        return line is not None

    @invariant()
    def what_is_read_is_the_same(self):
        found = {key: self.store.run(lambda tx, key=key: find_message(tx, key)).status for key in self.lines}

        assert {key: "read" if line.read else "unread" for key, line in self.lines.items()} == found


@pytest.mark.hypothesis
def test_the_queue_does_what_a_list_in_memory_would(sqlite_file_url, places, clock: FakeClock):
    store = open_store(sqlite_file_url)
    store.run(lambda tx: places.domain(tx, places.user(tx)))
    machine = type("Machine", (Queue,), {"store": store, "places": places, "agents": iter(range(10**6))})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
        ),
    )
    store.engine.dispose()
