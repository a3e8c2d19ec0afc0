"""Log once a day that a certificate of the SMTP server ends soon, or has ended: its renewal has stopped working."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from relay.clock import Clock

EVERY: Final = timedelta(days=1)
SOON: Final = timedelta(days=14)
log = structlog.get_logger("relay.jobs")


class CertificateWatch:
    """Looks at the end of the first certificate in use; *ends_at* is None without TLS."""

    def __init__(self, ends_at: Callable[[], datetime | None], *, clock: Clock) -> None:
        self._ends_at = ends_at
        self._clock = clock

    async def look_again(self, _stop: asyncio.Event) -> None:
        """Look, and log."""
        ends_at, now = self._ends_at(), self._clock.now()
        if ends_at is None or ends_at - now > SOON:
            return
        if ends_at <= now:
            log.error("certificate_ended", ends_at=ends_at.isoformat())
        else:
            log.warning("certificate_ends", ends_at=ends_at.isoformat())
