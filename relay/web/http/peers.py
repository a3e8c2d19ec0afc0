"""The client of a request: the peer of its connection, or the client that a trusted proxy names.

Only a peer in `MAILSEAL_HTTP_TRUSTED_PROXIES` is believed. The forwarding fields (X-Forwarded-For, and Forwarded of
RFC 7239) list one hop after another; a client may send any text in front of them, so that only the last hop that is
no trusted proxy is known.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES: Final = frozenset({"http", "https"})


def peer_name(client: Sequence[str | int] | None) -> str:
    """The name a client is counted by: its IPv4 address, or its IPv6 /64.

    A /64 is the smallest network that an IPv6 customer gets.
    """
    host = str(client[0]) if client else ""
    address = _address(host)
    if address is None:
        return host
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else str(address)


class TrustedProxies:
    """ASGI application that gives *app* the client and the scheme which a trusted proxy reports."""

    def __init__(self, app: ASGIApp, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._app = app
        self._networks = tuple(networks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        if self._networks and scope["type"] == "http" and self.trusts(scope.get("client")):
            scope = {**scope, **self._reported(scope)}
        await self._app(scope, receive, send)

    def trusts(self, client: Sequence[str | int] | None) -> bool:
        """Whether *client*, the peer of a connection, is a trusted proxy."""
        if not self._networks:
            return False
        address = _address(str(client[0])) if client else None
        return address is not None and self._is_proxy(address)

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == each.version and address in each for each in self._networks)

    def _reported(self, scope: Scope) -> Scope:
        """The parts of the scope that the proxy reports."""
        hops = self._client(_fields(scope, b"x-forwarded-for").split(","))
        forwarded = self._client(list(_forwarded_for(_fields(scope, b"forwarded"))))
        told: Scope = {"state": {**scope.get("state", {}), "is_proxied": True}}
        # A proxy sets one of the fields and passes the other one on as its client wrote it.
        named = hops if forwarded is None or forwarded == hops else forwarded if hops is None else None
        if named is not None:
            told["client"] = (str(named), 0)
        proto = _fields(scope, b"x-forwarded-proto").rpartition(",")[2].strip().lower()
        if proto in _SCHEMES:
            told["scheme"] = proto
        return told

    def _client(self, hops: list[str]) -> IPv4Address | IPv6Address | None:
        """The last hop that is no trusted proxy; the first one if all are. None for one that is no address."""
        found = None
        for hop in reversed(hops):
            address = _address(_without_port(hop.strip()))
            if address is None:
                return found
            found = address
            if not self._is_proxy(address):
                break
        return found


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _fields(scope: Scope, name: bytes) -> str:
    """All fields *name* as one, in their order (RFC 9110 §5.3)."""
    return ",".join(value.decode("latin-1") for known, value in scope["headers"] if known == name)


def _forwarded_for(field: str) -> Iterator[str]:
    """The node of each hop of Forwarded (RFC 7239 §4); "" for a hop without one.

    Split at each comma: a quote that a client left open must not hide the hop that the proxy added.
    """
    for element in field.split(","):
        pairs = (part.strip().partition("=") for part in element.split(";"))
        yield next((value.strip('"') for name, _, value in pairs if name.lower() == "for"), "")
