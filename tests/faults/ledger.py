"""A ledger of every reply that a relay gave under faults, and what its store and its peers have in the end.

The relay's promises, each a list of findings that has to be empty:

* ``lost``: a mail was answered 250, or a message 202, and it is not there.
* ``delivered_again``: an event was recorded as delivered, or a message as acknowledged, and was handed out later.
* ``sent_twice``: the provider took a message twice, or took one whose status says that it did not.
* ``stored_twice``: a mail that its sender repeated after a lost reply has two messages (RFC 1047).
* ``refused``: a reply 5xx to a valid mail or request.
* ``late``: a reply to a sender took longer than 20 s, one of the API 40 s, or a daemon was not ready 20 s after its
  fault.
* ``unsettled``: a delivery or a lease that is still open after all faults.
* ``bugs``: a log line of an unexpected exception.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.pace import Pace

LONGEST_SECONDS = 20.0  # of a reply, and until the first 250 after a fault
FINDINGS = (
    "lost",
    "delivered_again",
    "sent_twice",
    "stored_twice",
    "refused",
    "late",
    "unsettled",
    "bugs",
)
TAKEN_ONCE = {"sent", "expired_approved"}
NEVER_TAKEN = {"queued", "pending_approval", "failed", "rejected", "expired_rejected"}
BUGS = {"handler_failed", "session_failed", "request_failed", "page_failed", "worker_failed", "attempt_not_recordable"}

Entry = tuple[float, int, str, str, str]
"""Seconds since the run began, cycle, side (smtp, http, webhook, provider), what it was about, reply."""


@dataclass(frozen=True, slots=True)
class HandedOut:
    """One event at a webhook, or one message of a lease."""

    event_id: str
    message_id: str
    at: float  # when its request came, or when the lease was asked for


@dataclass(slots=True)
class Ledger:
    """What one run heard, saw and found. Times are of the monotonic clock."""

    began: float = field(default_factory=time.monotonic)
    pace: Pace = field(default_factory=Pace)
    cycle: int = 0
    entries: list[Entry] = field(default_factory=list)
    promised: dict[str, str] = field(default_factory=dict)  # message id of each 250 and 202: what it was about
    unchecked: list[str] = field(default_factory=list)  # those of them that were not looked for in the store yet
    submitted: dict[str, str] = field(default_factory=dict)  # message id of each 202: what it was about
    posts: list[HandedOut] = field(default_factory=list)
    leases: list[HandedOut] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)  # message ids whose ack was answered 200
    taken: Counter[str] = field(default_factory=Counter)  # by the provider: message id, times
    delivered: dict[str, float] = field(default_factory=dict)  # event id: when it was first seen recorded as delivered
    acked: dict[str, float] = field(default_factory=dict)  # message id: when it was first seen recorded as read
    findings: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in FINDINGS})

    def note(self, side: str, about: str, reply: str) -> None:
        """Write one reply down."""
        self.entries.append((round(time.monotonic() - self.began, 3), self.cycle, side, about, reply))

    def promise(self, message_id: str, about: str) -> None:
        """A reply 250 or 202 named this message."""
        self.promised[message_id] = about
        self.unchecked.append(message_id)

    def find(self, kind: str, what: str) -> None:
        """Write down that a promise was broken."""
        self.findings[kind].append(f"cycle {self.cycle}: {what}")

    def waited(self, began: float, about: str, *, most: float = LONGEST_SECONDS) -> None:
        """Note how long a reply took since *began*; of a machine that is shared with others, its share counts."""
        seconds, slower = time.monotonic() - began, self.pace.since(began)
        if seconds > most * slower:
            self.find("late", f"{about}: {seconds:.1f} s, at a pace {slower:.1f} times slower than alone")

    def records(self, delivered: Iterable[str], acked: Iterable[str], *, at: float) -> None:
        """Remember what the store has recorded as delivered and as read, as read from it at *at*."""
        for event_id in delivered:
            self.delivered.setdefault(event_id, at)
        for message_id in acked:
            self.acked.setdefault(message_id, at)

    def require_there(self, wanted: Collection[str], there: Collection[str]) -> None:
        """Find the promised messages that the store does not have."""
        for message_id in set(wanted) - set(there):
            self.find("lost", f"{self.promised[message_id]}: {message_id} is not in the store")

    def judge_handing_out(self) -> None:
        """Find the events and messages that came again after they were recorded as done."""
        done = [(self.posts, self.delivered, lambda each: each.event_id, "posted")]
        done += [(self.leases, self.acked, lambda each: each.message_id, "leased")]
        for handed_out, recorded, key, word in done:
            for each in handed_out:
                if recorded.get(key(each), each.at) < each.at:
                    self.find("delivered_again", f"{key(each)} was recorded as done, and {word} later")

    def judge_mails(self, hooks: Collection[str], queued: Collection[str]) -> None:
        """Find the promised mails that no endpoint and no poller got.

        *hooks* are the messages of agents with a webhook, *queued* those of polling agents.
        """
        posted = {each.message_id for each in self.posts}
        leased = {each.message_id for each in self.leases}
        for message_id, about in self.promised.items():
            if message_id in hooks and message_id not in posted:
                self.find("lost", f"{about}: {message_id} never came to its webhook")
            if message_id in queued and message_id not in leased:
                self.find("lost", f"{about}: {message_id} was never leased")
        for message_id in self.acknowledged - set(self.acked):
            self.find("lost", f"the ack of {message_id} was answered 200 and is not recorded")

    def judge_sends(self, statuses: Mapping[str, str]) -> None:
        """Find the messages whose status is not what the provider took; *statuses* are final, by message id."""
        for message_id, status in statuses.items():
            taken = self.taken[message_id]
            wanted = {1} if status in TAKEN_ONCE else {0} if status in NEVER_TAKEN else {0, 1}
            if taken not in wanted:
                kind = "lost" if taken == 0 else "sent_twice"
                self.find(kind, f"{message_id} is {status}, and the provider took it {taken} times")
        for message_id in set(self.taken) - set(statuses):
            if message_id.startswith("msg_"):
                self.find("sent_twice", f"the provider took {message_id}, which is not in the store")

    def judge_log(self, log: Iterable[Mapping[str, Any]]) -> None:
        """Find the log lines of unexpected exceptions."""
        for line in log:
            if line.get("event") in BUGS:
                self.find("bugs", f"{line['event']}: {str(line.get('exception') or line)[-300:]}")

    def judge_twins(self, twins: Sequence[tuple[str, str, int]]) -> None:
        """Find mails that were stored twice: agent, subject and number of each."""
        for agent, subject, count in twins:
            self.find("stored_twice", f"{subject!r} for {agent} is stored {count} times")

    @property
    def faults(self) -> int:
        """The number of findings."""
        return sum(map(len, self.findings.values()))
