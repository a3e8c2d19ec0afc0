"""What an endpoint's answer means for a delivery (contract §5). Pure.

======================  ==========================================================
answer                  outcome
======================  ==========================================================
2xx                     Delivered
410                     Gone: the delivery ends and the webhook is switched off
429, 503 + Retry-After  Later, after exactly that long (1 s to 24 h)
anything else           Later by the table, a redirect too; Dead when it is used up
======================  ==========================================================
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from relay import backoff

LEAST_RETRY_AFTER: Final = 1.0  # seconds; "0" would be answered by asking at once, over and over
MOST_RETRY_AFTER: Final = 86_400.0
HEEDS_RETRY_AFTER: Final = frozenset({429, 503})
_MOST_DATE: Final = 40  # characters; an HTTP date has 29
_SECONDS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What came of one POST. Either a status or an error is set, never both."""

    status: int | None = None  # of HTTP
    retry_after: float | None = None  # seconds from now, not below 0; only of 429 and 503
    error: str | None = None  # a few fixed words, safe to show to the webhook's owner
    duration_ms: int = 0  # from the call to the status line, or to the error

    @property
    def summary(self) -> str:
        """The answer in a few words: ``status 500`` or the error."""
        return f"status {self.status}" if self.status is not None else self.error or "no answer"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class EndpointGone:
    """The endpoint wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Retry:
    """To be tried again."""

    at: datetime  # aware, UTC


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up; kept and replayable."""

    reason: str  # a few fixed words, safe to show to the webhook's owner


Outcome = Delivered | EndpointGone | Retry | Dead


def outcome(
    answer: WebhookAnswer,
    attempts_made: int,
    retry_seconds: Sequence[float] = backoff.RETRY_SECONDS,
    *,
    now: datetime,
    jitter: float,
    since: datetime | None = None,
) -> Outcome:
    """Decide what follows from *answer*.

    Args:
        answer: of the attempt just made.
        attempts_made: with this one, so 1 or more.
        retry_seconds: the table of waits; one more attempt is made than it has entries.
        now: aware, UTC.
        jitter: chance's part of the wait, in [0, 1).
        since: when the delivery was first due. An endpoint that asks for patience often and briefly
            uses the table up by count in no time; with *since* it is heard until the table's whole
            time has passed as well. Without it, the count alone decides.
    """
    if answer.status is not None and 200 <= answer.status <= 299:
        return Delivered()
    if answer.status == 410:
        return EndpointGone()
    spent = attempts_made > len(retry_seconds)
    if answer.retry_after is not None and answer.status in HEEDS_RETRY_AFTER:
        if not spent or _within(since, now, retry_seconds):
            seconds = min(max(answer.retry_after, LEAST_RETRY_AFTER), MOST_RETRY_AFTER)
            return Retry(now + timedelta(seconds=seconds))
        return Dead(answer.summary)
    seconds_left = backoff.wait(attempts_made, retry_seconds, jitter=jitter)
    return Dead(answer.summary) if seconds_left is None else Retry(now + timedelta(seconds=seconds_left))


def parse_retry_after(value: str, *, now: datetime) -> float | None:
    """Seconds that a Retry-After field asks for (RFC 9110 §10.2.3), 0 for a date gone by; None for anything else."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    if len(value) > _MOST_DATE:
        return None
    try:
        date = parsedate_to_datetime(value)
        # RFC 9110 §5.6.7: an HTTP date is GMT, and the two old forms do not say so.
        at = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return max((at - now).total_seconds(), 0.0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _within(since: datetime | None, now: datetime, table: Sequence[float]) -> bool:
    return since is not None and now - since < timedelta(seconds=backoff.whole(table))
