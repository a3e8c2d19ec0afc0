"""Write a log line for each refusal, within a bound per peer and minute.

A client chooses how many refusals it causes, so without a bound it chooses how fast the log fills a disk.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from relay.smtp.peers import PeerKey, widest

_MINUTE: Final = 60.0
_MAX_KNOWN: Final = 10_000  # networks that are counted at a time


@dataclass(slots=True)
class _Minute:
    """One network's lines in one minute."""

    began: float
    peer: str
    lines: int = 0
    omitted: int = 0
    timer: TimerHandle | None = None


class RefusalLog:
    """Lines ``message_refused``, and one ``refusals_omitted`` for those above the bound."""

    def __init__(self, log: FilteringBoundLogger, per_minute: int, loop: AbstractEventLoop) -> None:
        self._log = log
        self._per_minute = per_minute  # 0 sets no limit
        self._loop = loop
        self._minutes: OrderedDict[PeerKey, _Minute] = OrderedDict()

    def write(self, ip: IPv4Address | IPv6Address, **fields: Any) -> bool:
        """Write the line of a refusal of *ip*; False when it is above the bound and only counted."""
        if is_written := self._may_write(ip):
            self._log.info("message_refused", peer=str(ip), **fields)
        return is_written

    def write_tls(self, ip: IPv4Address | IPv6Address, **fields: Any) -> bool:
        """Write the line of a TLS handshake of *ip* that failed; False when it is above the same bound."""
        if is_written := self._may_write(ip):
            self._log.info("tls_failed", peer=str(ip), **fields)
        return is_written

    def _may_write(self, ip: IPv4Address | IPv6Address) -> bool:
        key, now = widest(ip), self._loop.time()
        minute = self._minutes.get(key)
        if minute is None or now - minute.began >= _MINUTE:
            self._end(key)
            minute = self._minutes[key] = _Minute(now, str(ip))
            if len(self._minutes) > _MAX_KNOWN:
                self._end(next(iter(self._minutes)))
        if self._per_minute and minute.lines >= self._per_minute:
            minute.omitted += 1
            if minute.timer is None:
                minute.timer = self._loop.call_at(minute.began + _MINUTE, self._end, key)
            return False
        minute.lines += 1
        return True

    def close(self) -> None:
        """Write the counts of lines that were omitted."""
        for key in tuple(self._minutes):
            self._end(key)

    def _end(self, key: PeerKey) -> None:
        minute = self._minutes.pop(key, None)
        if minute is None:
            return
        if minute.timer is not None:
            minute.timer.cancel()
        if minute.omitted:
            self._log.info("refusals_omitted", peer=minute.peer, count=minute.omitted)
