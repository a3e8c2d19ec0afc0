"""Outbound mail as plain Python would keep it: the rules of holds and sends, with nothing under them.

Each call answers None when it was done, or the error that says why it was not.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from store.errors import MessageNotFound, NotPendingApproval, NotUnconfirmed
from store.mail.conversations import normalise_message_id
from store.mail.messages import KEPT_FOR
from store.outbound.sending import EXPIRY_RETRIES, MAX_ERROR
from store.records.outbound import Draft, Outgoing

FINAL = {"sent", "rejected", "expired_approved", "expired_rejected"}


@dataclass
class Try:
    """One attempt to send, as its worker's words have it."""

    origin: str
    outcome: str = "sending"
    error: str | None = None
    provider_id: str | None = None
    said: list[str] = field(default_factory=list)  # whatever its worker said, in order


@dataclass
class Mail:
    """One outbound message."""

    id: str
    owner: str
    draft: Draft
    kept_until: datetime
    status: str
    hold_until: datetime | None
    revision: int = 1
    error: str | None = None
    reviewed: tuple[str, datetime] | None = None
    reason: str | None = None
    provider_id: str | None = None
    scrubbed_at: datetime | None = None
    lease_until: datetime | None = None
    last: str | None = None  # the id of the attempt that has it, or had it last
    tries: dict[str, Try] = field(default_factory=dict)
    sent_again: bool = False  # at its owner's word

    @property
    def content(self):
        """Texts and files, gone once the status is final."""
        if self.status in FINAL:
            return None, None, ()
        return self.draft.text, self.draft.html, self.draft.attachments

    def shown(self):
        """What everybody who asks is to see of it."""
        return {
            "status": self.status,
            "revision": self.revision,
            "error": self.error,
            "reviewed": self.reviewed or (None, None),
            "reason": self.reason,
            "hold_until": self.hold_until,
            "provider_id": self.provider_id,
            "scrubbed_at": self.scrubbed_at,
            "recipients": (self.draft.to, self.draft.cc, self.draft.bcc, self.draft.names),
            "subject": self.draft.subject,
            "content": self.content,
            "tries": [(key, t.origin, t.outcome, t.error, t.provider_id) for key, t in sorted(self.tries.items())],
        }


class Holds:
    """All outbound mail."""

    def __init__(self) -> None:
        self.mails: dict[str, Mail] = {}

    def keep(self, message_id: str, owner: str, draft: Draft, *, ttl: int | None, now: datetime) -> None:
        self.mails[message_id] = Mail(
            id=message_id,
            owner=owner,
            draft=draft,
            kept_until=now + KEPT_FOR,
            status="queued" if ttl is None else "pending_approval",
            hold_until=None if ttl is None else now + timedelta(seconds=ttl),
        )

    def is_seen(self, user: str, mail: Mail, *, now: datetime) -> bool:
        return mail.owner == user and mail.kept_until > now

    def pending(self, user: str, *, now: datetime) -> list[Mail]:
        """What waits for *user*, soonest ending first."""
        waiting = [mail for mail in self._held() if self.is_seen(user, mail, now=now)]
        return sorted(waiting, key=lambda mail: (mail.hold_until, mail.id))

    def expired(self, *, now: datetime) -> list[Mail]:
        """What waited too long, longest first."""
        return sorted((mail for mail in self._held() if mail.hold_until <= now), key=lambda mail: mail.hold_until)

    def abandoned(self, *, now: datetime) -> list[Mail]:
        """What is being sent by nobody any more, longest first."""
        over = [mail for mail in self.mails.values() if mail.status == "sending" and mail.lease_until <= now]
        return sorted(over, key=lambda mail: mail.lease_until)

    # A person decides

    def refuses_decision(self, user: str, mail: Mail, *, now: datetime) -> type[Exception] | None:
        """Why *user* cannot decide it now, if so."""
        if not self.is_seen(user, mail, now=now):
            return MessageNotFound
        return None if mail.status == "pending_approval" else NotPendingApproval

    def approve(
        self, mail: Mail, outgoing: Outgoing, user: str, edited: Draft, *, lease: timedelta, now: datetime
    ) -> None:
        """*user* agreed to what is *edited* by now, and *outgoing* has it."""
        mail.revision += edited != mail.draft
        mail.draft, mail.reviewed = edited, (user, now)
        self._claim(mail, outgoing, lease=lease, now=now)

    def reject(self, mail: Mail, user: str, reason: str, *, now: datetime) -> None:
        mail.reviewed, mail.reason = (user, now), reason or None
        self._end(mail, "rejected", now=now)

    def resolve(self, mail: Mail, user: str, verdict: str, *, now: datetime) -> type[Exception] | None:
        if not self.is_seen(user, mail, now=now):
            return MessageNotFound
        if mail.status != "unconfirmed":
            return NotUnconfirmed
        if verdict == "sent":
            self._end(mail, "sent", now=now)
        else:
            mail.status, mail.sent_again = "queued", True
        return None

    # Nobody decides

    def refuses_end(self, mail: Mail, *, now: datetime) -> type[Exception] | None:
        """Why its hold cannot end now, if so."""
        return None if mail in self.expired(now=now) else NotPendingApproval

    def expire_into_sending(self, mail: Mail, outgoing: Outgoing, *, lease: timedelta, now: datetime) -> None:
        self._claim(mail, outgoing, lease=lease, now=now)

    def expire_into_nothing(self, mail: Mail, *, now: datetime) -> None:
        self._end(mail, "expired_rejected", now=now)

    def sweep(self, mail: Mail) -> None:
        mail.status = "unconfirmed"
        mail.tries[mail.last].outcome = "unconfirmed"

    # A worker tells what became of it

    def is_last(self, outgoing: Outgoing) -> bool:
        mail = self.mails[outgoing.message.id]
        return mail.last == outgoing.attempt and mail.status not in FINAL

    def settle_sent(self, outgoing: Outgoing, provider_id: str, *, now: datetime) -> None:
        mail = self.mails[outgoing.message.id]
        if self.is_last(outgoing):
            mail.provider_id, mail.error = normalise_message_id(provider_id), None
            at_its_end = outgoing.origin == "expiry" and mail.status in {"sending", "unconfirmed"}
            self._end(mail, "expired_approved" if at_its_end else "sent", now=now)
        self._note(outgoing, "sent", provider_id=provider_id)

    def settle_failed(self, outgoing: Outgoing, error: str, *, now: datetime) -> None:
        mail = self.mails[outgoing.message.id]
        self._note(outgoing, "failed", error=error)
        if not self.is_last(outgoing) or mail.status not in {"sending", "unconfirmed"}:
            return
        mail.status, mail.error, mail.reviewed = "pending_approval", error[:MAX_ERROR], None
        if outgoing.origin == "expiry":
            times = sum(one.origin == "expiry" for one in mail.tries.values())
            if times > len(EXPIRY_RETRIES):
                mail.status = "failed"
            else:
                mail.hold_until = now + EXPIRY_RETRIES[times - 1]

    def settle_unconfirmed(self, outgoing: Outgoing, error: str) -> None:
        mail = self.mails[outgoing.message.id]
        self._note(outgoing, "unconfirmed", error=error)
        if self.is_last(outgoing) and mail.status == "sending":
            mail.status, mail.error = "unconfirmed", error[:MAX_ERROR]

    def _held(self) -> list[Mail]:
        return [mail for mail in self.mails.values() if mail.status == "pending_approval"]

    @staticmethod
    def _claim(mail: Mail, outgoing: Outgoing, *, lease: timedelta, now: datetime) -> None:
        mail.status, mail.last, mail.lease_until = "sending", outgoing.attempt, now + lease
        mail.tries[outgoing.attempt] = Try(outgoing.origin)

    @staticmethod
    def _end(mail: Mail, status: str, *, now: datetime) -> None:
        mail.status, mail.scrubbed_at = status, now
        mail.draft = replace(mail.draft, text=None, html=None, attachments=())

    def _note(
        self, outgoing: Outgoing, outcome: str, *, error: str | None = None, provider_id: str | None = None
    ) -> None:
        one = self.mails[outgoing.message.id].tries[outgoing.attempt]
        one.said.append(outcome)
        if one.outcome == "sent" != outcome:  # what the provider has it has
            return
        one.outcome = outcome
        one.error = error[:MAX_ERROR] if error else one.error
        one.provider_id = provider_id or one.provider_id
