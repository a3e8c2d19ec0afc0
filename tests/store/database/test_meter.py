"""What the store reports of its commits and failures."""

import threading

import pytest

from store.errors import InvalidValue, Unavailable
from tests.store.notes import note


class Recorder:
    def __init__(self):
        self.commits, self.errors = [], 0

    def observe_commit(self, seconds, units):
        self.commits.append((seconds, units))

    def count_store_error(self):
        self.errors += 1


@pytest.fixture
def meter(notes):
    notes.meter = Recorder()
    return notes.meter


async def test_each_commit_is_reported_with_its_operations_and_its_time(notes, meter):
    await notes.write(note(1))

    ((seconds, units),) = meter.commits
    assert (1, True, 0) == (units, seconds >= 0, meter.errors)


async def test_an_operation_that_refuses_is_no_failure_of_the_database(notes, meter):
    def refuses(tx):
        raise InvalidValue("no")

    with pytest.raises(InvalidValue):
        await notes.write(refuses)

    assert 0 == meter.errors


async def test_a_database_that_fails_is_counted_once_for_each_operation(notes, meter):
    def fails(tx):
        raise Unavailable("gone")

    for ask in (notes.write, notes.read):
        with pytest.raises(Unavailable):
            await ask(fails)

    assert 2 == meter.errors


async def test_an_answer_that_does_not_come_in_time_is_counted_once(notes, meter):
    gate = threading.Event()

    def waits(tx):
        gate.wait(10)
        raise Unavailable("too late")

    with pytest.raises(Unavailable, match="no answer within"):
        await notes.write(waits, within=0.05)
    gate.set()
    await notes.write(note(1))

    assert 1 == meter.errors
