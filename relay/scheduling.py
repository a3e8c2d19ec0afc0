"""The jobs of the daemon that run at intervals."""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.dns.resolver import Resolver
from relay.jobs.certificate import EVERY as CERTIFICATE_EVERY
from relay.jobs.certificate import CertificateWatch
from relay.jobs.domains import EVERY as DOMAINS_EVERY
from relay.jobs.domains import DomainWatch
from relay.jobs.figures import EVERY as FIGURES_EVERY
from relay.jobs.figures import StoreGauges
from relay.jobs.holds import Holds
from relay.jobs.retention import Cleaning
from relay.jobs.schedule import Scheduler
from relay.metrics import Metrics
from relay.outbound.context import SendContext
from relay.settings import Settings
from relay.store_health import LOOK_EVERY, StoreHealth
from relay.wiring import make_dns_identity


def make_scheduler(
    settings: Settings,
    *,
    ctx: SendContext,
    metrics: Metrics,
    health: StoreHealth,
    certificate_end: Callable[[], datetime | None],
    resolver: Resolver,
    is_first: bool = True,
) -> Scheduler:
    """All jobs, not started; *resolver* has no cache, to see what domains publish now.

    Of several workers the first one runs the jobs; each looks itself whether the store is well.
    """
    scheduler = Scheduler(clock=ctx.clock)
    scheduler.add("store", every=LOOK_EVERY, run=health.look_again)
    if not is_first:
        return scheduler
    cleaning = Cleaning(store=ctx.store, clock=ctx.clock, count=metrics.count_removed)
    scheduler.add("retention", every=timedelta(seconds=settings.retention_sweep_seconds), run=cleaning.remove_expired)
    scheduler.add("leftovers", every=timedelta(days=1), run=cleaning.collect_leftovers)
    holds = Holds(ctx)
    every = timedelta(seconds=settings.hitl_sweep_seconds)
    scheduler.add("holds", every=every, run=holds.expire_due)
    scheduler.add("unconfirmed", every=every, run=holds.sweep)
    figures = StoreGauges(store=ctx.store, clock=ctx.clock, metrics=metrics)
    scheduler.add("figures", every=FIGURES_EVERY, run=figures.look_again)
    certificate = CertificateWatch(certificate_end, clock=ctx.clock)
    scheduler.add("certificate", every=CERTIFICATE_EVERY, run=certificate.look_again)
    place = make_dns_identity(settings)
    domains = DomainWatch(store=ctx.store, clock=ctx.clock, resolver=resolver, master=ctx.master, place=place)
    scheduler.add("domains", every=DOMAINS_EVERY, run=domains.look_again)
    return scheduler
