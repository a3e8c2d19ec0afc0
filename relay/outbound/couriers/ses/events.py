"""Parse the events of Amazon SES: those of a configuration set, and the notifications of an identity. Pure.

Only events about sending and delivery are read; opens and clicks are not. Texts become printable and bounded, so that
a row can hold them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from relay.mail.fields.mailbox import parse_mailboxes
from relay.outbound.feedback.provider_event import ProviderEvent, RecipientFeedback
from store.names import normalise_or_none
from store.outbound.feedback import MAX_DETAIL, MAX_EVENT_ID, MAX_RECIPIENT
from store.records.feedback import FeedbackKind

ATTEMPT_TAG: Final = "mailseal-attempt"  # set on each message sent; SES returns it in every event
MESSAGE_HEADER: Final = "x-mailseal-message-id"
MAX_RECIPIENTS: Final = 100
_PROVIDER: Final = "SES"
_ATTEMPT: Final = re.compile(r"snd_[0-9a-z]{1,60}", re.ASCII)
_MESSAGE: Final = re.compile(r"msg_[0-9a-z]{1,60}", re.ASCII)


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


class _RecipientShape(_Shape):
    email_address: str
    diagnostic_code: str | None = None


_Recipients = list[_RecipientShape]
# A time that every database takes, and that stays in the calendar in every time zone.
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


def parse_event(text: str) -> ProviderEvent | None:
    """Parse *text*; None where it is no event, or one that is not about sending and delivery."""
    try:
        event = _Event.model_validate_json(text)
    except (ValidationError, UnicodeEncodeError):
        return None
    read = _READERS.get(event.event_type or event.notification_type or "")
    return read(event) if read else None


def _accepted(event: _Event) -> ProviderEvent | None:
    return _event(event, "accepted", ())


def _delivered(event: _Event) -> ProviderEvent | None:
    if (delivery := event.delivery) is None:
        return None
    recipients = [_recipient(each, delivery.smtp_response) for each in delivery.recipients]
    return _event(event, "delivered", recipients, at=delivery.timestamp)


def _bounced(event: _Event) -> ProviderEvent | None:
    if (bounce := event.bounce) is None:
        return None
    why = f"{bounce.bounce_type} {bounce.bounce_sub_type}"
    return _event(
        event,
        "bounced",
        [_recipient(each.email_address, each.diagnostic_code or why) for each in bounce.bounced_recipients],
        at=bounce.timestamp,
        event_id=bounce.feedback_id,
        is_permanent=bounce.bounce_type == "Permanent",
    )


def _complained(event: _Event) -> ProviderEvent | None:
    # RFC 5965 §7.3: "not-spam" takes a message out of the junk folder, which is the opposite of a complaint.
    if (complaint := event.complaint) is None or complaint.complaint_feedback_type == "not-spam":
        return None
    why = complaint.complaint_feedback_type
    return _event(
        event,
        "complained",
        [_recipient(each.email_address, why) for each in complaint.complained_recipients],
        at=complaint.timestamp,
        event_id=complaint.feedback_id,
        is_permanent=True,
    )


def _delayed(event: _Event) -> ProviderEvent | None:
    if (delay := event.delivery_delay) is None:
        return None
    why = delay.delay_type
    recipients = [_recipient(each.email_address, each.diagnostic_code or why) for each in delay.delayed_recipients]
    # A message may be delayed several times, and SES gives these events no id.
    event_id = f"{event.mail.message_id}/{delay.timestamp.isoformat()}"
    return _event(event, "delayed", recipients, at=delay.timestamp, event_id=event_id)


def _rejected(event: _Event) -> ProviderEvent | None:
    why = event.reject.reason if event.reject else event.failure.error_message if event.failure else ""
    return _event(event, "rejected", [_recipient(each, why) for each in event.mail.destination], is_permanent=True)


_READERS: Final[Mapping[str, Callable[[_Event], ProviderEvent | None]]] = {
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
) -> ProviderEvent:
    mail = event.mail
    by_recipient = {each.recipient: each for each in recipients}
    return ProviderEvent(
        provider=_PROVIDER,
        kind=kind,
        event_id=_line(event_id or mail.message_id, MAX_EVENT_ID),
        provider_message_id=_line(mail.message_id, MAX_EVENT_ID),
        attempt_id=_first(_ATTEMPT, (mail.tags or {}).get(ATTEMPT_TAG, ())),
        message_id=_first(_MESSAGE, (each.value for each in mail.headers or () if each.name.lower() == MESSAGE_HEADER)),
        is_permanent=is_permanent,
        recipients=tuple(by_recipient[recipient] for recipient in sorted(by_recipient)),
        at=at,
    )


def _recipient(written: str, words: str | None) -> RecipientFeedback:
    address = _address(written)
    return RecipientFeedback(
        recipient=address or _line(written, MAX_RECIPIENT), address=address, detail=_line(words or "", MAX_DETAIL)
    )


def _address(written: str) -> str | None:
    """The address in *written*, after a display name or not; None unless there is exactly one."""
    found = parse_mailboxes(written.encode()) if written.isprintable() else ()
    return normalise_or_none(found[0].address) if len(found) == 1 else None


def _line(text: str, most: int) -> str:
    """*text* as one line of printable characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:most]).strip()


def _first(form: re.Pattern[str], values: Iterable[Any]) -> str | None:
    return next((value for value in values if form.fullmatch(value)), None)
