"""Stand-ins for what a test cannot have for real: time, the world's DNS and whoever carries mail. Each honours its Protocol."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from relay.dns.resolver import RELAY, Asker, DnsAnswer, RdType
from relay.errors import DnsUnavailable
from relay.outbound.couriers.lease_guard import LeaseCheck


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

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:
        name = name.lower().rstrip(".")
        self.asked.append((name, rdtype))
        if name in self.down:
            raise DnsUnavailable(name)
        records = self.zone.get((name, rdtype), ())
        exists = bool(records) or any(known == name or known.endswith("." + name) for known, _ in self.zone)
        return DnsAnswer(records=records, exists=exists, ttl=60)


class FakeCourier:
    """Takes every mail, or raises the next of *errors* first; keeps what it took."""

    def __init__(self, errors: Iterable[Exception | None] = ()) -> None:
        self.errors = list(errors)
        self.taken: list[tuple[bytes, str, tuple[str, ...], str]] = []

    async def carry(
        self, raw: bytes, *, mail_from: str, recipients: Sequence[str], attempt_id: str, check_lease: LeaseCheck
    ) -> str:
        check_lease()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.taken.append((raw, mail_from, tuple(recipients), attempt_id))
        return f"0100-{len(self.taken)}"

    def stop_accepting(self) -> None:
        pass

    async def close(self) -> None:
        pass
