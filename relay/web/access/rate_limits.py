"""Rate limits by API key and user.

For invalid keys and sign-ins by client address.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from relay.limits.counts import Counts
from relay.web.access.dependencies import Principal
from relay.web.access.token_bucket import Buckets, BucketState, fields
from relay.web.answers.errors import RateLimited
from relay.web.http.limits import ApiLimits
from relay.web.http.peers import peer_name

_MAX_ENTRIES: Final = 10_000  # valid keys that are remembered


class RequestRates:
    """The rate limits of one server, or of all that share their counts."""

    def __init__(
        self, limits: ApiLimits, count: Callable[[str], None] = lambda _: None, counts: Counts | None = None
    ) -> None:
        """*count* is called with the name of a limit that was reached."""
        self._count = count
        self._keys = Buckets("key", limits.rate_per_key, counts)
        self._users = Buckets("user", limits.rate_per_user, counts)
        self._failures = Buckets("failed-keys", limits.failed_keys_per_peer, counts)
        self._sign_ins = Buckets("sign-ins", limits.sign_ins_per_peer, counts)
        self._valid_keys: OrderedDict[str, None] = OrderedDict()

    def count(self, principal: Principal, key_hash: str, now: float) -> dict[str, str]:
        """Count a request of *principal*; return the rate limit header fields.

        Raises RateLimited, and then does not count the request.
        """
        self._valid_keys[key_hash] = None
        self._valid_keys.move_to_end(key_hash)
        if len(self._valid_keys) > _MAX_ENTRIES:
            self._valid_keys.popitem(last=False)
        bounds = [(self._keys, principal.key.id), (self._users, principal.user.id)]
        bounds = [(buckets, name) for buckets, name in bounds if buckets.quota]
        with self._keys.turn():
            self._require_quota([buckets.state(name, now) for buckets, name in bounds])
            return fields([buckets.take(name, now) for buckets, name in bounds])

    def check_peer(self, peer: str, key_hash: str, now: float) -> None:
        """Raise RateLimited after too many invalid keys from *peer*.

        A key that was valid recently is exempt, so an attacker behind the same address or proxy
        cannot lock out its owner by guessing.
        """
        if self._failures.quota and key_hash not in self._valid_keys:
            self._require_quota([self._failures.state(peer, now)])

    def count_failure(self, peer: str, key_hash: str, now: float) -> dict[str, str]:
        """Count an invalid key from *peer*; return the rate limit header fields."""
        self._valid_keys.pop(key_hash, None)
        return fields([self._failures.take(peer, now)] if self._failures.quota else [])

    def count_sign_in(self, client: tuple[str, int] | None, now: float) -> None:
        """Count a sign-in email requested by *client*.

        Raises RateLimited, and then does not count it.
        """
        if self._sign_ins.quota:
            peer = peer_name(client)
            with self._sign_ins.turn():
                self._require_quota([self._sign_ins.state(peer, now)])
                self._sign_ins.take(peer, now)

    def _require_quota(self, states: list[BucketState]) -> None:
        short = [each for each in states if each.left < 1]
        if short:
            first = short[0]
            self._count(f"http_rate_of_{first.policy.replace('-', '_')}")
            words = f"the limit is {first.quota} requests a minute (policy {first.policy!r})"
            raise RateLimited(words, headers=fields(states), seconds=max(each.seconds for each in short))
