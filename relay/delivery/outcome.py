"""Decide what a webhook's answer means: delivered, retry, gone or dead. Pure.

See docs/contract.md §5.

======================  ==========================================================
answer                  outcome
======================  ==========================================================
2xx                     Delivered
410                     EndpointGone: the delivery ends and the webhook is disabled
429, 503 + Retry-After  Retry after exactly that time (1 s to 24 h)
all others, redirects   Retry by the table; Dead when the table is used up
======================  ==========================================================
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from relay import backoff

LEAST_RETRY_AFTER: Final = 1.0  # seconds; with "0" the delivery would be retried without a pause
MOST_RETRY_AFTER: Final = 86_400.0
HEEDS_RETRY_AFTER: Final = frozenset({429, 503})
_MOST_DATE: Final = 40  # characters; an HTTP date has 29
_SECONDS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """The result of one POST. Either a status or an error is set, never both."""

    status: int | None = None  # HTTP status
    retry_after: float | None = None  # seconds from now, not below 0; only of 429 and 503
    error: str | None = None  # a few fixed words, safe to show to the webhook's owner
    duration_ms: int = 0  # from the call to the status line, or to the error

    @property
    def summary(self) -> str:
        """The answer in a few words: ``status 500`` or the error."""
        return f"status {self.status}" if self.status is not None else self.error or "no answer"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint accepted the event."""


@dataclass(frozen=True, slots=True)
class EndpointGone:
    """The endpoint wants no more events."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The delivery is tried again."""

    at: datetime  # aware, UTC


@dataclass(frozen=True, slots=True)
class Dead:
    """The delivery is given up; it is kept and can be replayed."""

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
        answer: Of the attempt just made.
        attempts_made: Including this one, so 1 or more.
        retry_seconds: The table of waits; there is one attempt more than entries.
        now: Aware, UTC.
        jitter: Random part of the wait, in [0, 1).
        since: When the delivery was first due. An endpoint that often asks for short waits by Retry-After uses up
            the table by count early; with *since* its Retry-After is obeyed until the time of the whole table has
            passed too. Without *since* only the count decides.
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
    """The seconds of a Retry-After field (RFC 9110 §10.2.3).

    0 for a past date, None for a malformed value.
    """
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
    return since is not None and now - since < timedelta(seconds=backoff.total_seconds(table))
