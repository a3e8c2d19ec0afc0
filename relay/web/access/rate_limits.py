"""Counting who comes in: requests by key and by user, wrong keys by where they come from."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

from relay.web.access.dependencies import Principal
from relay.web.access.token_bucket import Buckets, BucketState, fields
from relay.web.answers.errors import RateLimited
from relay.web.http.limits import ApiLimits

_REMEMBERED: Final = 10_000  # keys that were good


class RequestRates:
    """The rates of one process."""

    def __init__(self, limits: ApiLimits) -> None:
        self._keys = Buckets("key", limits.rate_per_key)
        self._users = Buckets("user", limits.rate_per_user)
        self._failures = Buckets("failed-keys", limits.failed_keys_per_peer)
        self._sign_ins = Buckets("sign-ins", limits.sign_ins_per_peer)
        self._good: OrderedDict[str, None] = OrderedDict()

    def count(self, principal: Principal, key_hash: str, now: float) -> dict[str, str]:
        """Count a request of *caller*; the fields that say how they stand. Raises RateLimited, and counts nothing."""
        self._good[key_hash] = None
        self._good.move_to_end(key_hash)
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        bounds = [(self._keys, principal.key.id), (self._users, principal.user.id)]
        bounds = [(buckets, name) for buckets, name in bounds if buckets.quota]
        _require_room([buckets.standing(name, now) for buckets, name in bounds])
        return fields([buckets.take(name, now) for buckets, name in bounds])

    def check_peer(self, peer: str, key_hash: str, now: float) -> None:
        """Raise RateLimited for one more guess from where too many came from.

        A key that was good lately is no guess: whoever shares its holder's address, or a proxy with
        them, cannot shut them out by guessing.
        """
        if self._failures.quota and key_hash not in self._good:
            _require_room([self._failures.standing(peer, now)])

    def count_failure(self, peer: str, key_hash: str, now: float) -> dict[str, str]:
        """Count a wrong key from *peer*; the fields that say how they stand."""
        self._good.pop(key_hash, None)
        return fields([self._failures.take(peer, now)] if self._failures.quota else [])

    def count_sign_in(self, client: tuple[str, int] | None, now: float) -> None:
        """Count a letter that *client* asks for. Raises RateLimited, and counts nothing."""
        if self._sign_ins.quota:
            peer = peer_name(client)
            _require_room([self._sign_ins.standing(peer, now)])
            self._sign_ins.take(peer, now)


def peer_name(client: tuple[str, int] | None) -> str:
    """What a connection's other end is counted by: its address, or the /64 that one IPv6 customer has at least."""
    host = client[0] if client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:  # a proxy may say anything
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)
    return str(address)


def _require_room(standings: list[BucketState]) -> None:
    short = [each for each in standings if each.left < 1]
    if short:
        first = short[0]
        words = f"more than {first.quota} requests a minute are not taken here (policy {first.policy!r})"
        raise RateLimited(words, headers=fields(standings), seconds=max(each.seconds for each in short))
