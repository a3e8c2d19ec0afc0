import pytest

from store.directory.agents import get_agent_by_email
from store.directory.hitl import MAX_TTL_SECONDS, update_agent_hitl, validate_hitl_config
from store.errors import AgentNotFound, InvalidValue
from tests.store.plans import statements

BAD = [
    (0, "reject"),
    (-1, "reject"),
    (MAX_TTL_SECONDS + 1, "reject"),
    (True, "reject"),
    (60.0, "reject"),
    ("60", "reject"),
    (None, "reject"),
    (60, "APPROVE"),
    (60, ""),
    (60, "drop"),
    (60, None),
    (60, ["approve"]),
]


@pytest.fixture
def change(store, poll, clock):
    def ask(user_id=None, address=poll.address, **changes):
        told = {"enabled": True, "ttl_seconds": 60, "expiration_action": "approve"} | changes
        return store.run(lambda tx: update_agent_hitl(tx, user_id or poll.user_id, address, now=clock.now(), **told))

    return ask


@pytest.mark.parametrize("ttl", [1, 60, 604_800])
@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_hold_of_one_second_to_seven_days_that_ends_somehow_is_valid(ttl, action):
    validate_hitl_config(ttl, action)


@pytest.mark.parametrize(("ttl", "action"), BAD)
def test_any_other_hold_is_not(ttl, action):
    with pytest.raises(InvalidValue):
        validate_hitl_config(ttl, action)


@pytest.mark.parametrize(("ttl", "action"), BAD)
def test_an_invalid_hold_is_refused_before_anything_is_asked(store, change, poll, ttl, action):
    with statements(store.engine) as asked, pytest.raises(InvalidValue):
        change(ttl_seconds=ttl, expiration_action=action)

    assert [] == [text for text, _ in asked if not text.startswith("BEGIN")]


def test_an_owner_changes_whether_a_person_is_asked(store, change, poll, clock):
    clock.advance(days=1)

    changed = change(address="POLL@agents.example")

    assert (True, 60, "approve", clock.now()) == (
        changed.hitl_enabled,
        changed.hitl_ttl_seconds,
        changed.hitl_expiration_action,
        changed.updated_at,
    )
    assert changed == store.run(lambda tx: get_agent_by_email(tx, poll.address))
    assert not change(enabled=False).hitl_enabled


def test_nobody_changes_it_for_the_agent_of_another(store, change, places, poll):
    eve = store.run(lambda tx: places.user(tx, "eve@evil.example"))

    with pytest.raises(AgentNotFound):
        change(eve.id)

    assert poll == store.run(lambda tx: get_agent_by_email(tx, poll.address))


@pytest.mark.parametrize("enabled", [None, "yes", 2])
def test_a_person_is_asked_or_not_and_nothing_between(store, change, poll, enabled):
    with pytest.raises(InvalidValue):
        change(enabled=enabled)

    assert poll == store.run(lambda tx: get_agent_by_email(tx, poll.address))
