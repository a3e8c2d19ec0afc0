"""Refuse or defer mail by the address of its peer: DNS block lists and greylisting. Both are off by default.

A peer on a block list (RFC 5782) is refused. Greylisting (RFC 6647) defers the first mail of an unknown peer: a real
server tries again. Both answer RCPT, so that no octet of such a mail is taken. What it knows is in memory and bounded,
so after a restart unknown peers are deferred once more. Mail to `postmaster` and `abuse` is exempt: who was refused by
mistake writes there (RFC 5321 §4.5.1, RFC 2142).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeVar

import structlog

from relay.auth.authenticate import peer_share
from relay.clock import Clock
from relay.dns.resolver import Asker, Rank, Resolver
from relay.errors import DnsUnavailable, Greylisted, PeerListed
from relay.mail.address import Address
from store.names import normalise_local

KNOWN_SECONDS: Final = 36 * 86_400.0  # RFC 6647 §5: longer than a month
RETRY_SECONDS: Final = 2 * 86_400.0  # how long a first try is remembered
_TELL_SECONDS: Final = 60.0  # between log lines about one listed peer
_MOST: Final = 50_000  # entries of each table
_LISTED: Final = ip_network("127.0.0.0/8")
_ERRORS: Final = ip_network("127.255.255.0/24")  # what lists answer to those who may not ask them
_NOT_LISTED: Final = ip_network("127.0.0.1/32")  # RFC 5782 §5: never a listing

_EXEMPT: Final = frozenset({"abuse", "postmaster"})  # local parts

K = TypeVar("K", str, tuple[str, str, str])
Ip = IPv4Address | IPv6Address
Count = Callable[[str], None]
log = structlog.get_logger("relay.inbound")


class PeerPolicy:
    """The block lists and the greylist of one process.

    Args:
        resolver: For the block lists.
        zones: Domains of block lists, asked in order.
        greylist_seconds: The shortest time between the first and the second try; 0 defers no mail.
        clock: The time of day.
        count: Called with the name of a bound that was reached.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        zones: Sequence[str] = (),
        greylist_seconds: float = 0,
        clock: Clock,
        count: Count = lambda _: None,
    ) -> None:
        self._resolver = resolver
        self._zones = tuple(zones)
        self._seconds = greylist_seconds
        self._clock = clock
        self._count = count
        self._told: OrderedDict[str, float] = OrderedDict()  # listed peers: when a log line named them
        self._known: OrderedDict[str, float] = OrderedDict()  # peers that came back: until when
        self._first: OrderedDict[tuple[str, str, str], float] = OrderedDict()  # first tries: when

    @property
    def is_on(self) -> bool:
        """Whether the settings ask for a check."""
        return bool(self._zones or self._seconds)

    async def check(self, ip: Ip, mail_from: Address | None, recipient: Address) -> None:
        """Decide whether the peer *ip* may write to *recipient* now.

        Raises PeerListed: the peer is on a block list. Raises Greylisted: it must come again later. A list that does
        not answer lists no peer.
        """
        if ip.is_loopback or normalise_local(recipient.local).partition("+")[0] in _EXEMPT:
            return
        await self._check_lists(ip)
        if self._seconds:
            self._check_greylist(ip, mail_from, recipient)

    async def _check_lists(self, ip: Ip) -> None:
        asker = Asker(peer=peer_share(ip), rank=Rank.OTHER)
        for zone in self._zones:
            try:
                answer = await self._resolver.lookup(list_name(ip, zone), "A", asker=asker)
            except DnsUnavailable:
                continue
            if any(_is_listing(record) for record in answer.records):
                self._tell(ip, zone)
                self._count("smtp_dnsbl")
                raise PeerListed

    def _tell(self, ip: Ip, zone: str) -> None:
        now, peer = self._clock.now().timestamp(), peer_share(ip)
        if now - self._told.get(peer, 0.0) < _TELL_SECONDS:
            return
        _remember(self._told, peer, now)
        log.info("peer_listed", remote_ip=str(ip), zone=zone)

    def _check_greylist(self, ip: Ip, mail_from: Address | None, recipient: Address) -> None:
        now = self._clock.now().timestamp()
        peer = peer_share(ip)
        if self._known.get(peer, 0.0) > now:
            self._keep_known(peer, now)
            return
        key = (peer, str(mail_from or ""), str(recipient))
        first = self._first.get(key)
        if first is not None and first + self._seconds <= now <= first + RETRY_SECONDS:
            del self._first[key]
            self._keep_known(peer, now)
            return
        if first is None or first + RETRY_SECONDS < now:
            _remember(self._first, key, now)
        self._count("smtp_greylist")
        raise Greylisted

    def _keep_known(self, peer: str, now: float) -> None:
        _remember(self._known, peer, now + KNOWN_SECONDS)


def _remember(table: OrderedDict[K, float], key: K, value: float) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _MOST:
        table.popitem(last=False)


def list_name(ip: Ip, zone: str) -> str:
    """The name to ask *zone* for about *ip* (RFC 5782 §2.1, §2.4)."""
    return f"{ip.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def _is_listing(record: str) -> bool:
    try:
        address = ip_address(record)
    except ValueError:
        return False
    return address in _LISTED and address not in _ERRORS and address not in _NOT_LISTED
