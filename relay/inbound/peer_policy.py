"""Refuse or defer mail by the address of its peer: DNS block lists and greylisting. Both are off by default.

A peer on a block list (RFC 5782) is refused. Greylisting (RFC 6647) defers the first mail of an unknown peer: a real
server tries again. What it knows is in memory and bounded, so after a restart unknown peers are deferred once more.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import structlog

from relay.auth.authenticate import peer_share
from relay.clock import Clock
from relay.dns.resolver import Asker, Rank, Resolver
from relay.errors import DnsUnavailable, Greylisted, PeerListed
from relay.mail.envelope import Envelope

KNOWN_SECONDS: Final = 36 * 86_400.0  # RFC 6647 §5: longer than a month
RETRY_SECONDS: Final = 2 * 86_400.0  # how long a first try is remembered
_MOST: Final = 50_000  # entries of each table
_LISTED: Final = ip_network("127.0.0.0/8")
_ERRORS: Final = ip_network("127.255.255.0/24")  # what lists answer to those who may not ask them
_NOT_LISTED: Final = ip_network("127.0.0.1/32")  # RFC 5782 §5: never a listing

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
        self._known: OrderedDict[str, float] = OrderedDict()  # peers that came back: until when
        self._first: OrderedDict[tuple[str, str, str], float] = OrderedDict()  # first tries: when

    async def check(self, envelope: Envelope) -> None:
        """Raises PeerListed: the peer is on a block list. Raises Greylisted: it must come again later.

        A list that does not answer lists no peer.
        """
        if self._zones and not envelope.peer.ip.is_loopback:
            await self._check_lists(envelope)
        if self._seconds and not envelope.peer.ip.is_loopback:
            self._check_greylist(envelope)

    async def _check_lists(self, envelope: Envelope) -> None:
        ip = envelope.peer.ip
        asker = Asker(peer=peer_share(ip), rank=Rank.OTHER)
        for zone in self._zones:
            try:
                answer = await self._resolver.lookup(list_name(ip, zone), "A", asker=asker)
            except DnsUnavailable:
                continue
            if any(_is_listing(record) for record in answer.records):
                log.info("peer_listed", remote_ip=str(ip), zone=zone)
                self._count("smtp_dnsbl")
                raise PeerListed

    def _check_greylist(self, envelope: Envelope) -> None:
        now = self._clock.now().timestamp()
        peer = peer_share(envelope.peer.ip)
        if self._known.get(peer, 0.0) > now:
            self._keep_known(peer, now)
            return
        key = (peer, str(envelope.mail_from or ""), str(envelope.rcpt_to[0]) if envelope.rcpt_to else "")
        first = self._first.get(key)
        if first is not None and first + self._seconds <= now <= first + RETRY_SECONDS:
            del self._first[key]
            self._keep_known(peer, now)
            return
        if first is None or first + RETRY_SECONDS < now:
            self._first[key] = now
            self._first.move_to_end(key)
            if len(self._first) > _MOST:
                self._first.popitem(last=False)
        self._count("smtp_greylist")
        raise Greylisted

    def _keep_known(self, peer: str, now: float) -> None:
        self._known[peer] = now + KNOWN_SECONDS
        self._known.move_to_end(peer)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


def list_name(ip: IPv4Address | IPv6Address, zone: str) -> str:
    """The name to ask *zone* for about *ip* (RFC 5782 §2.1, §2.4)."""
    return f"{ip.reverse_pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def _is_listing(record: str) -> bool:
    try:
        address = ip_address(record)
    except ValueError:
        return False
    return address in _LISTED and address not in _ERRORS and address not in _NOT_LISTED
