"""Everything looked at: nothing ends it, nothing holds it up."""

import threading

import pytest

from relay.checkup import examine as examining
from relay.checkup.examine import examine
from relay.settings import Settings


@pytest.fixture
def settings(tmp_path):
    """Of a relay of which nothing is there."""
    return Settings(
        data_dir=tmp_path / "none",
        hostname="mx.here.example",
        dns_nameservers="127.0.0.1:9",
        http_listen="127.0.0.1:9",
        smtp_listen="127.0.0.1:9",
    )


async def test_where_nothing_is_there_everything_is_told_all_the_same(settings, clock):
    found = {each.name: each.state for each in await examine(settings, clock=clock, reach="far.example")}

    expected = {
        "data directory": "failing",
        "database": "failing",
        "certificate": "warning",
        "daemon": "skipped",
        "nameserver 127.0.0.1 port 9": "failing",
        "hostname": "failing",
        "domains": "skipped",
        "way out to far.example": "warning",
        "webhooks": "skipped",
        "sending": "skipped",
    }
    assert expected == {name: found[name] for name in expected}
    assert not settings.data_dir.exists()


async def test_every_finding_that_is_not_well_says_what_to_do(settings, clock):
    found = await examine(settings, clock=clock)

    assert [] == [each for each in found if each.state in {"warning", "failing"} and not each.remedy]


async def test_a_check_that_breaks_is_a_finding_like_others():
    async def broken():
        raise ZeroDivisionError("by nothing")

    (found,) = await examining._guarded("sending", broken)

    assert ("sending", "failing", True) == (found.name, found.state, "by nothing" in found.seen)


async def test_a_check_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(examining, "SECONDS", 0.05)
    never = threading.Event()

    (found,) = await examining._guarded("slow", examining._aside(never.wait))

    assert ("slow", "failing") == (found.name, found.state)
    never.set()
