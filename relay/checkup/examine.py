"""Run all doctor checks, one after the other, each with a time limit; a check that fails does not end the others."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from relay.checkup.certificate import check_certificate
from relay.checkup.clock import check_clock
from relay.checkup.database import check_database, check_pause, check_webhooks, verified_domains
from relay.checkup.disk import check_data_dir
from relay.checkup.letters import check_letters
from relay.checkup.listeners import check_listeners, check_outgoing, check_port_25
from relay.checkup.names import check_domains, check_hostname, check_nameserver
from relay.checkup.sending import check_sending
from relay.clock import Clock
from relay.directory.dns_records import DnsIdentity
from relay.dns.cache import CachingResolver, system_nameservers
from relay.dns.resolver import Resolver
from relay.finding import Finding, failing, skipped
from relay.outbound.couriers.registry import find_courier
from relay.settings import Settings
from store.errors import StoreError

T = TypeVar("T")
Findings = Sequence[Finding]
Check = Callable[[], Awaitable[Findings]]
_OF_DATABASE: Final = frozenset({"domains", "webhooks", "letters", "pause"})  # each would wait for it again
SECONDS: Final = 30  # for one check; each request in it has 5 s
_DNS_SECONDS: Final = 1.2  # each nameserver gets two tries


async def examine(settings: Settings, *, clock: Clock, reach: str | None = None) -> list[Finding]:
    """Run all checks and return their findings. Never raises.

    Args:
        settings: Of the relay to check.
        clock: This machine's.
        reach: A mail domain; its server is connected to on port 25, to see whether that is open outwards.
    """
    found: list[Finding] = []
    for name, check in _checks(settings, clock, reach):
        if name in _OF_DATABASE and any((each.name, each.state) == ("database", "failing") for each in found):
            found.append(skipped(name, "the database cannot be read: see above"))
        else:
            found += await _guarded(name, check)
    return found


def _checks(settings: Settings, clock: Clock, reach: str | None) -> Iterator[tuple[str, Check]]:
    now = clock.now()
    yield "data directory", _aside(lambda: check_data_dir(settings))
    yield "database", _aside(lambda: check_database(settings, clock=clock))
    yield "clock", _aside(check_clock)
    yield "certificate", _aside(lambda: check_certificate(settings, now=now))
    yield "daemon", lambda: check_listeners(settings)
    yield "nameservers", lambda: _nameservers(settings)
    yield "hostname", lambda: check_hostname(settings.hostname, resolver=_resolver(settings))
    yield "domains", lambda: _domains(settings)
    yield "port 25", lambda: check_port_25(settings, resolver=_resolver(settings))
    if reach is not None:
        yield "way out", lambda: check_outgoing(reach, resolver=_resolver(settings))
    yield "webhooks", _aside(lambda: check_webhooks(settings, now=now))
    yield "letters", _aside(lambda: check_letters(settings, now=now))
    yield "pause", _aside(lambda: check_pause(settings))
    yield "sending", lambda: _sending(settings)


async def _guarded(name: str, check: Check) -> Findings:
    try:
        async with asyncio.timeout(SECONDS):
            return await check()
    except TimeoutError:
        return [failing(name, f"the check did not end within {SECONDS} s", "Try again; check what it waits for.")]
    except (StoreError, FileNotFoundError) as error:
        return [skipped(name, f"the database cannot be read: {error}")]
    except Exception as error:  # noqa: BLE001 (the other checks run all the same)
        return [failing(name, f"the check failed: {error or type(error).__name__}", "See the findings above.")]


def _aside(check: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    """Run *check* on a daemon thread: a check that hangs must not keep the program from ending."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        threading.Thread(target=lambda: _work(check, loop, answer), name="checkup", daemon=True).start()
        return await answer

    return run


def _work(check: Callable[[], T], loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]") -> None:
    try:
        value = check()
    except Exception as error:  # noqa: BLE001 (raised where the answer is awaited)
        settle: Callable[[], None] = partial(answer.set_exception, error)
    else:
        settle = partial(answer.set_result, value)
    with suppress(RuntimeError):  # the loop is closed: the answer is no longer awaited
        loop.call_soon_threadsafe(lambda: None if answer.done() else settle())


def _resolver(settings: Settings) -> Resolver:
    return CachingResolver(settings.dns_nameservers, seconds=_DNS_SECONDS)


async def _nameservers(settings: Settings) -> Findings:
    servers = settings.dns_nameservers or system_nameservers()
    return [
        finding
        for host, port in servers
        for finding in await check_nameserver(
            f"{host} port {port}", resolver=CachingResolver([(host, port)], seconds=_DNS_SECONDS)
        )
    ]


async def _domains(settings: Settings) -> Findings:
    domains = await _aside(lambda: verified_domains(settings))()
    place = DnsIdentity(hostname=settings.hostname, sending=find_courier(settings).records)
    return await check_domains(domains, place=place, resolver=_resolver(settings))


async def _sending(settings: Settings) -> Findings:
    if settings.outbound == "none":  # then no database is needed
        return await check_sending(settings, domains=())
    domains = await _aside(lambda: verified_domains(settings))()
    return await check_sending(settings, domains=[domain.domain for domain in domains])
