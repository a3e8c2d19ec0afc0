"""Find the addresses of a webhook's host: the hosts file first, then DNS.

The resolver of the operating system is not used: its look-ups occupy a thread until they end, and a tenant whose
nameserver never answers would occupy all of them. These look-ups are cancelled with the request that needs them, and
have a cache and query slots of their own, so that they and received mail do not delay each other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from relay.dns.cache import CacheLimits, CachingResolver
from relay.dns.exchange import Nameserver
from relay.dns.resolver import Asker, RdType
from relay.dns.shares import Count, ShareLimits
from relay.errors import DnsUnavailable, Misconfigured

HOSTS: Final = Path("/etc/hosts")
_MAX_HOSTS: Final = 1024 * 1024  # bytes
_TYPES: Final[tuple[RdType, ...]] = ("A", "AAAA")
_SECOND_SECONDS: Final = 0.5  # how long addresses of one family wait for those of the other
_LOOPBACK: Final = ("127.0.0.1", "::1")
_LIMITS: Final = CacheLimits(bytes=8 * 1024 * 1024, longest_negative=10)
_SHARES: Final = ShareLimits(total=128, peer=16, waiting=2048)
_ZONE_LABELS: Final = 2


class AddressLookup:
    """Looks up host names for webhooks. Use it on one event loop, and close it.

    One query for each name and type is in progress at a time; a failure is remembered for seconds.
    """

    def __init__(
        self,
        nameservers: Sequence[Nameserver] | None = None,
        *,
        hosts: Path = HOSTS,
        seconds: float = 2,
        count: Count = lambda _: None,
    ) -> None:
        """*nameservers*: None uses those of the operating system. *seconds*: timeout of one attempt at one of them."""
        self._nameservers = nameservers
        self._hosts = _HostsFile(hosts)
        self._seconds = seconds
        self._count = count
        self._resolver: CachingResolver | None = None

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of *host*, a name in lower-case A-labels. Raises OSError: it has none, or DNS is silent."""
        name = host.removesuffix(".")
        found = self._hosts.addresses(name)
        if found:
            return found
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 §6.3: never asked for
            return _LOOPBACK
        try:
            return await self._ask(name)
        except (DnsUnavailable, Misconfigured) as error:
            raise OSError(str(error)) from error

    async def close(self) -> None:
        """Cancel all look-ups in progress; their callers get OSError."""
        if self._resolver is not None:
            await self._resolver.close()

    async def _ask(self, name: str) -> Sequence[str]:
        if self._resolver is None:
            self._resolver = CachingResolver(
                self._nameservers, seconds=self._seconds, limits=_LIMITS, shares=_SHARES, count=self._count
            )
        asker = Asker(peer=".".join(name.split(".")[-_ZONE_LABELS:]))
        tasks = [asyncio.ensure_future(self._resolver.lookup(name, rdtype, asker=asker)) for rdtype in _TYPES]
        try:
            done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if left and any(task.exception() is None and task.result().records for task in done):
                await asyncio.wait(left, timeout=_SECOND_SECONDS)
            else:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ended = [task for task in tasks if not task.cancelled()]
        found = [record for task in ended if task.exception() is None for record in task.result().records]
        failures = [error for task in ended if (error := task.exception()) is not None]
        if not found and failures:
            raise failures[0]
        return found


class _HostsFile:
    """The names of a hosts file (hosts(5)), read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._names: Mapping[str, Sequence[str]] = {}

    def addresses(self, name: str) -> Sequence[str]:
        try:
            state = self._path.stat()
            version = (state.st_mtime_ns, state.st_size)
            if version != self._read_at:
                self._read_at = version
                self._names = _parse_hosts(self._path.read_bytes()[:_MAX_HOSTS].decode("utf-8", "replace"))
        except OSError:
            return ()
        return self._names.get(name, ())


def _parse_hosts(text: str) -> Mapping[str, Sequence[str]]:
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        try:
            plain = str(ip_address(address))
        except ValueError:
            continue
        for alias in aliases:
            names.setdefault(alias.lower().removesuffix("."), []).append(plain)
    return names
