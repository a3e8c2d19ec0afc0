"""The cost of an event: a mail of 5 kB, and newsletters of 39 kB, composed in this process."""

import statistics
import time
from datetime import UTC, datetime
from typing import Final

from relay.events.inbound import message_event
from tests.bench.report import Results
from tests.mail.newsletters import LAYOUTS, newsletter
from tests.mail.test_cost import NEWSLETTER, ORDINARY
from tests.test_events import kept

_TIMES: Final = 60
_AT: Final = datetime(2026, 11, 30, tzinfo=UTC)


def measure_reading() -> Results:
    """Milliseconds of CPU for an event: the median for the small mail, and of the medians of the newsletters."""
    letters = {name: _milliseconds(newsletter(make(NEWSLETTER))) for name, make in LAYOUTS.items()}
    return {
        "small_ms": _milliseconds(ORDINARY),
        "newsletter_ms": statistics.median(letters.values()),
        "newsletters_ms": letters,
    }


def _milliseconds(raw: bytes) -> float:
    message, spent = kept(raw), []
    for _ in range(_TIMES):
        start = time.process_time()
        message_event(message, raw, event_id="evt_1", event_type="email.received", at=_AT, base_url="https://x.example")
        spent.append((time.process_time() - start) * 1000)
    return statistics.median(spent)
