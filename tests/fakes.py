"""Stand-ins for what a test cannot have for real: time and the world's DNS. Each honours its Protocol."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from relay.auth.resolver import Answer, RdType
from relay.errors import DnsUnavailable


class FakeClock:
    """Stands still until told to move."""

    def __init__(self, at: datetime = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance(self, **units: float) -> None:
        self._at += timedelta(**units)


class FakeResolver:
    """Answers from a dict; a name listed in *down* times out, a name nobody mentions does not exist."""

    def __init__(self, zone: Mapping[tuple[str, str], Sequence[str]], down: Collection[str] = ()) -> None:
        self.zone = {(name.lower().rstrip("."), rdtype): tuple(records) for (name, rdtype), records in zone.items()}
        self.down = set(down)
        self.asked: list[tuple[str, str]] = []

    async def lookup(self, name: str, rdtype: RdType) -> Answer:
        name = name.lower().rstrip(".")
        self.asked.append((name, rdtype))
        if name in self.down:
            raise DnsUnavailable(name)
        records = self.zone.get((name, rdtype), ())
        exists = bool(records) or any(known == name or known.endswith("." + name) for known, _ in self.zone)
        return Answer(records=records, exists=exists, ttl=60)
