"""Connect the gauges of docs/operations.md to the parts that know their values, except those of the database.

The gauges of the database are in relay/jobs/figures.py.
"""

from relay.dns.cache import CachingResolver
from relay.log import lost_lines
from relay.loop_watch import LoopWatch
from relay.metrics import Metrics
from relay.smtp.server import SmtpServer


def watch_parts(metrics: Metrics, *, smtp: SmtpServer, resolver: CachingResolver, loop_watch: LoopWatch) -> None:
    """Read the gauges of the SMTP server, its certificates, the DNS cache, the loop and the log at each scrape."""
    metrics.watch("workers", lambda: 1)
    metrics.watch("smtp_sessions", lambda: smtp.connections)
    metrics.watch("certificate_expiry_timestamp_seconds", lambda: _certificate_end(smtp))
    metrics.watch("dns_cache_bytes", lambda: resolver.bytes)
    metrics.watch("loop_lag_seconds", loop_watch.longest)
    metrics.watch("log_lines_lost", lost_lines)


def _certificate_end(smtp: SmtpServer) -> float | None:
    return smtp.certificates.ends_at.timestamp() if smtp.certificates is not None else None
