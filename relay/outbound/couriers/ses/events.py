"""What Amazon SES publishes of a mail: event publishing's form, and that of an identity's notifications. Pure.

Only what is told of a mail's way is read; opens, clicks and the like are nobody's business here. What is read is
clean and bounded, so that a row can hold it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from relay.mail.mailbox import parse_mailboxes
from store.names import normalise_or_none
from store.outbound.feedback import MAX_DETAIL, MAX_EVENT_ID, MAX_RECIPIENT
from store.records.feedback import FeedbackKind

ATTEMPT_TAG: Final = "mailseal-attempt"  # of each mail that is sent: it comes back in every event about it
MESSAGE_HEADER: Final = "x-mailseal-message-id"
MAX_RECIPIENTS: Final = 100
_ATTEMPT: Final = re.compile(r"snd_[0-9a-z]{1,60}", re.ASCII)
_MESSAGE: Final = re.compile(r"msg_[0-9a-z]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFeedback:
    """What was told of one recipient."""

    recipient: str  # the address as rows are found by, or the provider's words where they are none
    address: str | None  # the same; None where it is none
    detail: str  # the words of whoever answered


@dataclass(frozen=True, slots=True, kw_only=True)
class SesEvent:
    """One step on a mail's way."""

    kind: FeedbackKind | Literal["accepted"]  # accepted: SES has it, and tells of no recipient yet
    event_id: str  # the same each time that it is told
    provider_message_id: str
    attempt_id: str | None  # which of our attempts to send it was; an identity's notifications do not say
    message_id: str | None  # ours, where the mail's header is told
    is_permanent: bool
    recipients: tuple[RecipientFeedback, ...]  # each once, in order
    at: datetime | None


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Header(_Shape):
    name: str
    value: str


class _Mail(_Shape):
    message_id: str = Field(min_length=1, max_length=MAX_EVENT_ID)
    destination: list[str] = Field(default=[], max_length=MAX_RECIPIENTS)
    headers: list[_Header] | None = None
    tags: Mapping[str, list[str]] | None = None


class _Recipient(_Shape):
    email_address: str
    diagnostic_code: str | None = None


_Recipients = list[_Recipient]
# A time that no database refuses, and no change of zone leads out of the calendar.
_Time = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC))]


class _Bounce(_Shape):
    bounce_type: str
    bounce_sub_type: str = ""
    bounced_recipients: _Recipients = Field(max_length=MAX_RECIPIENTS)
    feedback_id: str = Field(min_length=1)
    timestamp: _Time


class _Complaint(_Shape):
    complained_recipients: _Recipients = Field(max_length=MAX_RECIPIENTS)
    feedback_id: str = Field(min_length=1)
    complaint_feedback_type: str | None = None
    timestamp: _Time


class _Delivery(_Shape):
    recipients: list[str] = Field(max_length=MAX_RECIPIENTS)
    smtp_response: str | None = None
    timestamp: _Time


class _Delay(_Shape):
    delayed_recipients: _Recipients = Field(max_length=MAX_RECIPIENTS)
    delay_type: str = ""
    timestamp: _Time


class _Reject(_Shape):
    reason: str = ""


class _Failure(_Shape):
    error_message: str = ""


class _Event(_Shape):
    event_type: str | None = None
    notification_type: str | None = None
    mail: _Mail
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None
    delivery_delay: _Delay | None = None
    reject: _Reject | None = None
    failure: _Failure | None = None


def parse_event(text: str) -> SesEvent | None:
    """The event in *text*; None for what is none, or tells nothing of a mail's way."""
    try:
        event = _Event.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError):
        return None
    read = _READERS.get(event.event_type or event.notification_type or "")
    return read(event) if read else None


def _accepted(event: _Event) -> SesEvent | None:
    return _event(event, "accepted", ())


def _delivered(event: _Event) -> SesEvent | None:
    if (told := event.delivery) is None:
        return None
    reached = [_told(each, told.smtp_response) for each in told.recipients]
    return _event(event, "delivered", reached, at=told.timestamp)


def _bounced(event: _Event) -> SesEvent | None:
    if (told := event.bounce) is None:
        return None
    why = f"{told.bounce_type} {told.bounce_sub_type}"
    back = [_told(each.email_address, each.diagnostic_code or why) for each in told.bounced_recipients]
    is_permanent = told.bounce_type == "Permanent"
    return _event(event, "bounced", back, at=told.timestamp, event_id=told.feedback_id, is_permanent=is_permanent)


def _complained(event: _Event) -> SesEvent | None:
    # RFC 5965 §7.3: "not-spam" takes a mail out of the junk folder, which is the opposite of a complaint.
    if (told := event.complaint) is None or told.complaint_feedback_type == "not-spam":
        return None
    cross = [_told(each.email_address, told.complaint_feedback_type) for each in told.complained_recipients]
    return _event(event, "complained", cross, at=told.timestamp, event_id=told.feedback_id, is_permanent=True)


def _delayed(event: _Event) -> SesEvent | None:
    if (told := event.delivery_delay) is None:
        return None
    late = [_told(each.email_address, each.diagnostic_code or told.delay_type) for each in told.delayed_recipients]
    # A mail may be late several times, and SES gives that no id.
    event_id = f"{event.mail.message_id}/{told.timestamp.isoformat()}"
    return _event(event, "delayed", late, at=told.timestamp, event_id=event_id)


def _rejected(event: _Event) -> SesEvent | None:
    why = event.reject.reason if event.reject else event.failure.error_message if event.failure else ""
    return _event(event, "rejected", [_told(each, why) for each in event.mail.destination], is_permanent=True)


_READERS: Final[Mapping[str, Callable[[_Event], SesEvent | None]]] = {
    "Send": _accepted,
    "Delivery": _delivered,
    "Bounce": _bounced,
    "Complaint": _complained,
    "DeliveryDelay": _delayed,
    "Reject": _rejected,
    "Rendering Failure": _rejected,
}


def _event(
    event: _Event,
    kind: FeedbackKind | Literal["accepted"],
    recipients: Iterable[RecipientFeedback],
    *,
    at: datetime | None = None,
    event_id: str | None = None,
    is_permanent: bool = False,
) -> SesEvent:
    mail = event.mail
    told = {each.recipient: each for each in recipients}
    return SesEvent(
        kind=kind,
        event_id=_line(event_id or mail.message_id, MAX_EVENT_ID),
        provider_message_id=_line(mail.message_id, MAX_EVENT_ID),
        attempt_id=_first(_ATTEMPT, (mail.tags or {}).get(ATTEMPT_TAG, ())),
        message_id=_first(_MESSAGE, (each.value for each in mail.headers or () if each.name.lower() == MESSAGE_HEADER)),
        is_permanent=is_permanent,
        recipients=tuple(told[recipient] for recipient in sorted(told)),
        at=at,
    )


def _told(written: str, words: str | None) -> RecipientFeedback:
    address = _address(written)
    return RecipientFeedback(
        recipient=address or _line(written, MAX_RECIPIENT), address=address, detail=_line(words or "", MAX_DETAIL)
    )


def _address(written: str) -> str | None:
    """The one address in *written*, which may have a name before it."""
    found = parse_mailboxes(written.encode()) if written.isprintable() else ()
    return normalise_or_none(found[0].address) if len(found) == 1 else None


def _line(text: str, most: int) -> str:
    """*text* as one line of printable characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:most]).strip()


def _first(form: re.Pattern[str], values: Iterable[Any]) -> str | None:
    return next((value for value in values if form.fullmatch(value)), None)
