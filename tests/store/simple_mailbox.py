"""An agent's mail as plain Python would keep it: a list in order of arrival, and what was promised to a webhook."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from store.mail.awaited import MAX_AWAITED
from store.mail.conversations import MAX_REFERENCES, bare_id, normalise_message_id, provider_id
from store.mail.deliveries import MAX_ERROR
from store.mail.messages import KEPT_FOR


@dataclass
class Promise:
    """One delivery."""

    id: str
    due_at: datetime
    status: str = "pending"
    claims: int = 0
    attempts: int = 0
    tried: int = 0  # ever
    last_status: int | None = None
    last_error: str | None = None

    def claim(self, *, until: datetime) -> int:
        self.claims, self.due_at = self.claims + 1, until
        return self.claims

    def settle(self, number: int, outcome: str, status: int, error: str | None, *, due_at: datetime) -> None:
        """What the worker with claim *number* says: delivered is true whoever says it, the rest only of the last one."""
        self.tried += 1
        if self.status != "pending" or (outcome != "delivered" and number != self.claims):
            return
        self.attempts, self.last_status, self.last_error = self.attempts + 1, status, error and error[:MAX_ERROR]
        if outcome == "later":
            self.due_at = due_at
        else:
            self.status = outcome

    def replay(self, *, now: datetime) -> None:
        self.status, self.attempts, self.claims, self.due_at = "pending", 0, 0, now

    def shown(self):
        return self.id, self.status, self.attempts, self.last_status, self.last_error


@dataclass
class Letter:
    """One message of either direction."""

    id: str
    seq: int
    direction: str
    status: str
    conversation: str
    at: datetime
    email_id: str | None = None
    provider_id: str | None = None
    raw: bytes = b""
    queued: bool = False
    leases: int = 0
    token: str | None = None
    visible_at: datetime | None = None
    promises: list[Promise] = field(default_factory=list)

    def lives(self, now: datetime) -> bool:
        return self.at + KEPT_FOR > now

    def shown(self):
        told = tuple(promise.shown() for promise in sorted(self.promises, key=lambda promise: promise.id))
        return self.id, self.seq, self.direction, self.status, self.conversation, told


@dataclass
class Mailbox:
    """All letters of one agent, in order of arrival."""

    user: str
    mode: str
    last_seq: int = 0
    letters: list[Letter] = field(default_factory=list)
    awaited: dict[str, str] = field(default_factory=dict)  # Message-IDs that a conversation waits for

    def keep(self, message_id: str, direction: str, conversation: str, *, now: datetime, **more) -> Letter:
        self.last_seq += 1
        status = "unread" if direction == "inbound" else "sent"
        self.letters.append(Letter(message_id, self.last_seq, direction, status, conversation, now, **more))
        return self.letters[-1]

    def conversation_of(self, parents: Sequence[str]) -> str | None:
        """That of the nearest parent anybody here knows; among letters with one id the oldest is meant."""
        for parent in parents[:MAX_REFERENCES]:
            for form in (bare_id(parent), provider_id(parent)):
                for kind in ("email_id", "provider_id"):
                    known = [letter for letter in self.letters if form and getattr(letter, kind) == form]
                    if known:
                        return known[0].conversation
        return None

    def joins(self, email_id: str | None, parents: Sequence[str], *, new: str) -> str:
        """The conversation of a mail that arrives; *new* is its own where it belongs to no other."""
        own = normalise_message_id(email_id or "")
        named = [each for each in map(normalise_message_id, parents) if each not in ("", own)]
        waits_for = named if len(named) <= MAX_AWAITED else [*named[: MAX_AWAITED - 1], named[-1]]
        known, awaits_it = self.conversation_of(parents), self.awaited.get(own)
        if awaits_it:
            self.awaited = {each: it for each, it in self.awaited.items() if it != awaits_it}
        if known:
            return known
        shares = next((self.awaited[each] for each in waits_for if each in self.awaited), None)
        if awaits_it or not shares:
            self.awaited = dict.fromkeys(waits_for, awaits_it or new) | self.awaited
            return awaits_it or new
        self.awaited = {each: it for each, it in self.awaited.items() if it != shares or each in named}
        return shares

    def inbound(self, status: str, *, now: datetime) -> list[Letter]:
        wanted = {"unread", "read"} if status == "all" else {status}
        return [letter for letter in self.living(now=now) if letter.direction == "inbound" and letter.status in wanted]

    def living(self, *, now: datetime) -> list[Letter]:
        return [letter for letter in self.letters if letter.lives(now)]

    def forget_the_expired(self, *, now: datetime) -> int:
        """How many went."""
        before = len(self.letters)
        self.letters = self.living(now=now)
        return before - len(self.letters)

    # Read

    def mark(self, letter: Letter, status: str, *, now: datetime) -> None:
        letter.status = status
        if status == "unread":
            letter.queued, letter.leases, letter.token, letter.visible_at = self.mode == "poll", 0, None, now
        elif not letter.leases:  # who has it still has to say so
            letter.queued = False

    # The queue

    def free(self, *, now: datetime) -> list[Letter]:
        return [letter for letter in self.living(now=now) if letter.queued and letter.visible_at <= now]

    @staticmethod
    def lease(letter: Letter, receipt: str, *, until: datetime) -> int:
        """Which lease of the letter it is."""
        letter.leases, letter.token, letter.visible_at = letter.leases + 1, receipt, until
        return letter.leases

    def held(self, receipt: str, *, now: datetime, even_when_done: bool = False) -> Letter | None:
        """The letter that *receipt* is good for now, if any."""
        for letter in self.letters:
            alive = letter.queued and letter.visible_at > now
            if letter.token == receipt and (alive or (even_when_done and not letter.queued)):
                return letter
        return None

    # Promised to a webhook

    def promises(self) -> list[Promise]:
        return [promise for letter in self.letters for promise in letter.promises]

    def due(self, *, now: datetime) -> list[Promise]:
        if self.mode != "webhook":
            return []
        pending = [promise for promise in self.promises() if promise.status == "pending" and promise.due_at <= now]
        return sorted(pending, key=lambda promise: (promise.due_at, promise.id))

    def switch(self, mode: str) -> None:
        """What the webhook has not had waits in the queue once the agent polls."""
        if (self.mode, mode) == ("webhook", "poll"):
            for letter in self.letters:
                for promise in letter.promises:
                    if promise.status == "pending":
                        promise.status, promise.last_error, letter.queued = (
                            "dead",
                            "the agent was switched to poll mode",
                            True,
                        )
        self.mode = mode
