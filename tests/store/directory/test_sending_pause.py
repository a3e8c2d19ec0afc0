"""What the operator switches, for every process at once."""

import pytest

from store.directory.sending_pause import MAX_REASON, Pause, pause_sending, read_pause, require_sending, resume_sending
from store.errors import SendingPaused


def test_sending_is_stopped_for_every_process_and_says_since_when_and_why(store, beside, clock):
    paused = store.run(lambda tx: pause_sending(tx, reason="a leak", now=clock.now()))

    assert Pause(clock.now(), "a leak") == paused == beside.run(read_pause)
    with pytest.raises(SendingPaused):
        beside.run(require_sending)


def test_who_stops_it_a_second_time_learns_who_did_first(store, clock):
    first = store.run(lambda tx: pause_sending(tx, reason="a leak", now=clock.now()))
    clock.advance(hours=1)

    assert first == store.run(lambda tx: pause_sending(tx, reason="again", now=clock.now()))


def test_it_goes_on_when_that_is_said_and_only_once(store, clock):
    store.run(lambda tx: pause_sending(tx, now=clock.now()))

    assert [True, False] == [store.run(resume_sending) for _ in range(2)]
    assert store.run(read_pause) is None
    store.run(require_sending)


def test_a_reason_is_kept_as_far_as_there_is_room(store, clock):
    paused = store.run(lambda tx: pause_sending(tx, reason="x" * (MAX_REASON + 1), now=clock.now()))

    assert "x" * MAX_REASON == paused.reason == store.run(read_pause).reason
