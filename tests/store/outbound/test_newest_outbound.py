"""What agents wrote, newest first."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest

from store.outbound.outbound import list_newest_outbound
from tests.store.plans import plan_of


@pytest.fixture
def newest(store):
    """The subjects of the newest that an agent, or everybody, wrote."""
    return lambda agent=None, limit=10: [
        message.id for message in store.run(lambda tx: list_newest_outbound(tx, agent, limit=limit))
    ]


def test_the_newest_come_first_and_what_was_received_is_not_among_them(newest, compose, arrive, poll, other, clock):
    first = compose()
    arrive(poll)
    clock.advance(seconds=1)
    second, third = compose(ttl=60), compose(agent=other.address)

    assert [third.id, second.id, first.id] == newest()
    assert [third.id] == newest(limit=1)
    assert [second.id, first.id] == newest(poll.address)
    assert [second.id] == newest(poll.address, limit=1)
    assert [] == newest("nobody@agents.example")


def test_those_of_an_agent_are_found_by_the_index_for_them(whole):
    plan = plan_of(whole, lambda tx: list_newest_outbound(tx, "poll@agents.example", limit=5))

    assert any("messages_written" in step for step in plan), plan
    assert [] == [step for step in plan if step.startswith("SCAN messages")]
