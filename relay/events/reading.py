"""What is known of a mail's bytes before its event is composed, so that it is read once."""

from dataclasses import dataclass

from relay.mail.headers import Headers
from relay.mail.summary import Summary


@dataclass(frozen=True, slots=True)
class MailReading:
    """The bytes of a stored mail, with what was read of them when it arrived."""

    raw: bytes
    headers: Headers | None = None  # of raw; None when they differ from those that were read
    summary: Summary | None = None
