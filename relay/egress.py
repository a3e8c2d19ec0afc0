"""SSRF protection: which URLs and addresses a webhook may reach.

A user chooses the URL, so its address must be public, or in a network the operator has allowed
(``webhook_allow_cidrs``); http is allowed only in those networks. ``check_url`` checks what the URL itself shows;
``may_connect`` checks an address at connect time, which alone is safe against DNS rebinding.

The lists are our own instead of ``ipaddress.is_global``: that property treats NAT64, 6to4, site-local
and multicast addresses as global, and differs between Python releases.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal
from urllib.parse import SplitResult, quote, urlsplit

from relay.errors import ForbiddenTarget
from store.names import normalise_domain

IpAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Scheme = Literal["http", "https"]

MAX_URL: Final = 2048

# RFC 6890 and the IANA special-purpose registry.
_CLOSED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598), and metadata services of some clouds
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # Azure's host endpoint: a public address that is reachable from inside
        "169.254.0.0/16",  # link-local (RFC 3927), and metadata services of most clouds
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890), and the metadata service of one cloud
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), including broadcast
    )
)

# Only 2000::/3 is allocated for global unicast (RFC 4291 §2.4): addresses outside are never public.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_CLOSED_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): contains an arbitrary IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# Prefixes whose last 32 bits are the IPv4 address that is reached.
_V4_INSIDE: Final = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped (RFC 4291 §2.5.5.2)
    IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052)
)

# WHATWG "ends in a number": a C library may read it as an IPv4 address in decimal, octal or hex.
_NUMERIC_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?", re.ASCII)
_PLAIN_URL: Final = re.compile(r"[^\x00-\x20\x7f-\xa0\\\ud800-\udfff]+")
_PATH_SAFE: Final = "!$%&'()*+,-./:;=@_~[]|^{}<>`\"?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parsed webhook URL.

    Parsed once, so that no second parser can interpret it otherwise.
    """

    scheme: Scheme
    host: str  # lower-case A-labels without final dot, or an address without brackets
    port: int  # 1..65535
    path: str  # from the first slash, with the query; printable ASCII
    address: IpAddress | None  # set if the host is an address, not a name


def allowed(address: IpAddress, allow: Sequence[Network] = ()) -> bool:
    """Whether a webhook may reach *address*: public, or in a network of *allow*."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        inner = _inner_v4(address)
        if inner is not None:
            return _opened(address, allow) or allowed(inner, allow)
    return _opened(address, allow) or _public(address)


def may_connect(address: IpAddress, allow: Sequence[Network], *, scheme: Scheme) -> bool:
    """Whether a connection to *address* is permitted: as ``allowed``.

    With http only if *address* is in a network of *allow*.
    """
    if scheme == "https":
        return allowed(address, allow)
    return allowed(address, allow) and (_opened(address, allow) or _inner_opened(address, allow))


def check_url(url: str, allow: Sequence[Network] = ()) -> Target:
    """Parse *url* and make all checks that need no DNS look-up.

    Raises ForbiddenTarget: with a sentence for the URL's owner.
    """
    if len(url) > MAX_URL or not _PLAIN_URL.fullmatch(url):
        raise ForbiddenTarget("the URL is empty, too long, or contains spaces, backslashes or control characters")
    parts, port = _split(url)
    scheme = _scheme(parts, allow)
    host, address = _host(parts.hostname or "")
    if address is not None and not may_connect(address, allow, scheme=scheme):
        raise ForbiddenTarget(
            "the URL's address is not public: the operator can allow it in MAILSEAL_WEBHOOK_ALLOW_CIDRS"
        )
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    query = f"?{quote(parts.query, safe=_PATH_SAFE)}" if parts.query else ""
    return Target(scheme=scheme, host=host, port=port, path=path + query, address=address)


def _public(address: IpAddress) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _CLOSED_V6)


def _opened(address: IpAddress, allow: Sequence[Network]) -> bool:
    return any(address in network for network in allow)


def _inner_opened(address: IpAddress, allow: Sequence[Network]) -> bool:
    inner = _inner_v4(address) if isinstance(address, IPv6Address) else None
    return inner is not None and _opened(inner, allow)


def _inner_v4(address: IPv6Address) -> IPv4Address | None:
    if any(address in network for network in _V4_INSIDE):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None


def _split(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ForbiddenTarget("the URL cannot be parsed") from error
    if "@" in parts.netloc:
        raise ForbiddenTarget("the URL contains a user name or password")
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        raise ForbiddenTarget("the URL's brackets contain no IPv6 address")  # urlsplit accepts RFC 3986's IPvFuture
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if port == 0:
        raise ForbiddenTarget("the URL's port is 0")
    return parts, port


def _scheme(parts: SplitResult, allow: Sequence[Network]) -> Scheme:
    if parts.scheme == "https":
        return "https"
    if parts.scheme == "http" and allow:
        return "http"
    raise ForbiddenTarget("the URL is not https")


def _host(host: str) -> tuple[str, IpAddress | None]:
    try:
        # Only an IPv6 address has a colon; urlsplit has removed its brackets.
        name = host if ":" in host else normalise_domain(host)
    except ValueError as error:
        raise ForbiddenTarget("the URL's host is not a name or an address") from error
    try:
        address = ip_address(name)
    except ValueError as error:
        if ":" in name or _NUMERIC_END.fullmatch(name):
            raise ForbiddenTarget("the URL's host is a number, but not an address in dotted form") from error
        return name, None
    return str(address), address
