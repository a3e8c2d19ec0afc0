"""The published vectors beside the repository, in the form our functions take."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.dns.resolver import RELAY, Asker, DnsAnswer, RdType
from relay.errors import DnsUnavailable

SUITES = Path(__file__).resolve().parents[2].parent / "shared" / "suites"

needs_suites = pytest.mark.skipif(not SUITES.is_dir(), reason=f"the published vectors are not at {SUITES}")


def documents(path: str) -> Iterator[Mapping[str, Any]]:
    """The documents of a YAML file; every scalar is a string, so that nothing is read as a number."""
    file = SUITES / path
    if file.is_file():
        with file.open(encoding="utf-8") as stream:
            yield from yaml.load_all(stream, yaml.BaseLoader)


def crlf(text: bytes) -> bytes:
    """*text* with the line ends of mail."""
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class SuiteResolver:
    """Answers from the ``zonedata`` of the SPF suites, with their rules for TIMEOUT and for SPF as TXT."""

    def __init__(self, zone: Mapping[str, list[Any]]) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self._silent: set[str] = set()
        self._names = {name.lower().rstrip(".") for name in zone}
        for name, entries in zone.items():
            self._add(name.lower().rstrip("."), entries)

    def _add(self, name: str, entries: list[Any]) -> None:
        own_txt = any("TXT" in entry for entry in entries if isinstance(entry, dict))
        for entry in entries:
            if isinstance(entry, str) or {"TIMEOUT", "SERVFAIL"} & set(entry):
                self._silent.add(name)
                continue
            ((rdtype, value),) = entry.items()
            if rdtype == "SPF" and own_txt:
                continue
            if value == "NONE":
                continue
            self._records.setdefault((name, "TXT" if rdtype == "SPF" else rdtype), []).append(_text(rdtype, value))

    async def lookup(self, name: str, rdtype: RdType, *, asker: Asker = RELAY) -> DnsAnswer:
        name = name.lower().rstrip(".")
        for _ in range(8):
            if (name, rdtype) in self._records or (name, "CNAME") not in self._records:
                break
            name = self._records[name, "CNAME"][0].lower().rstrip(".")
        records = tuple(self._records.get((name, rdtype), ()))
        if not records and name in self._silent:
            raise DnsUnavailable(name)
        return DnsAnswer(records=records, exists=name in self._names, ttl=60)


def _text(rdtype: str, value: Any) -> str:
    if rdtype in ("SPF", "TXT"):
        joined = value if isinstance(value, str) else "".join(value)
        return joined.encode("utf-8").decode("latin-1") if not joined.isascii() else joined
    if rdtype == "MX":
        return f"{value[0]} {value[1]}"
    return value.rstrip(".") if rdtype in ("PTR", "CNAME") else value
