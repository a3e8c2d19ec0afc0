import asyncio
import threading
from datetime import datetime

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from store.database.connect import open_store
from store.directory.users import bootstrap_user, get_user_by_email
from store.errors import InvalidValue, Unavailable, UserNotFound
from store.schema.inbound import users
from store.waiting_units import MAX_GROUP
from tests.store.gate import Commits, Gate, in_one_group, lined_up
from tests.store.notes import ADD, DEFERRED_BY_DRIVER, NOTES, note, noted


class Mishap(Exception):
    """An error of a unit's own."""


def fails(tx):
    raise Mishap


def counted(unit):
    """*unit*, and a list that grows by one at each run."""
    runs = []

    def count(tx):
        runs.append(tx)
        return unit(tx)

    return count, runs


# Groups


async def test_units_that_wait_together_share_one_commit(notes):
    commits = Commits(notes.engine)

    await in_one_group(notes.write, *[note(n) for n in range(20)])

    assert 2 == commits.count  # the one they waited for, and their own


async def test_every_unit_of_a_group_gets_its_own_answer(notes):
    assert [3, 1, 2] == await in_one_group(notes.write, note(3), note(1), note(2))


async def test_a_group_is_bounded(notes):
    commits = Commits(notes.engine)

    await in_one_group(notes.write, *[note(n) for n in range(MAX_GROUP + 1)])

    assert 3 == commits.count


async def test_units_are_run_in_the_order_in_which_they_came(notes):
    order = []

    await in_one_group(notes.write, *[lambda tx, n=n: order.append(n) for n in range(10)])

    assert list(range(10)) == order


async def test_hundreds_of_callers_at_once_are_all_kept(notes):
    await asyncio.gather(*[notes.write(note(n)) for n in range(300)])

    assert list(range(300)) == await notes.read(noted)


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_failing_unit_hurts_only_itself(notes, place):
    units = [note(n) for n in (1, 2)]
    units.insert(place, note(9, then=Mishap()))

    answers = await in_one_group(notes.write, *units)

    assert isinstance(answers.pop(place), Mishap)
    assert [1, 2] == answers
    assert [1, 2] == await notes.read(noted)


async def test_a_row_that_the_database_refuses_hurts_only_its_unit(notes):
    answers = await in_one_group(notes.write, note(1), note(1), note(2))

    assert isinstance(answers[1], InvalidValue)
    assert [1, 2] == await notes.read(noted)


@pytest.mark.parametrize("add", [ADD, DEFERRED_BY_DRIVER], ids=["core", "driver"])
async def test_a_deferred_row_that_the_database_refuses_fails_only_its_unit(notes, add):
    def put_off(n):
        return lambda tx: tx.defer(add, {"n": n, "parent": None})

    answers = await in_one_group(notes.write, put_off(1), put_off(1), put_off(2))

    assert [False, True, False] == [isinstance(answer, InvalidValue) for answer in answers]
    assert [1, 2] == await notes.read(noted)


async def test_the_deferred_rows_of_a_failing_unit_are_dropped(notes):
    def put_off_and_fail(tx):
        tx.defer(ADD, {"n": 9, "parent": None})
        raise Mishap

    await in_one_group(notes.write, note(1), put_off_and_fail)

    assert [1] == await notes.read(noted)


async def test_all_units_of_a_group_may_fail(notes):
    answers = await in_one_group(notes.write, fails, fails)

    assert [Mishap, Mishap] == [type(answer) for answer in answers]


async def test_a_unit_beside_a_failing_one_is_run_twice_and_leaves_its_row_once(notes):
    unit, runs = counted(note(1))

    await in_one_group(notes.write, unit, fails, fails)

    assert 2 == len(runs)
    assert [1] == await notes.read(noted)


async def test_a_unit_in_a_group_without_failure_is_run_once(notes):
    unit, runs = counted(note(1))

    await in_one_group(notes.write, unit, note(2))

    assert 1 == len(runs)


async def test_a_failing_unit_alone_is_run_once(notes):
    unit, runs = counted(fails)

    with pytest.raises(Mishap):
        await notes.write(unit)

    assert 1 == len(runs)


async def test_the_answer_is_that_of_the_run_that_was_kept(notes):
    runs = []

    def unit(tx):
        runs.append(tx)
        return len(runs)

    answers = await in_one_group(notes.write, unit, fails)

    assert 2 == answers[0]


async def test_a_unit_that_runs_out_of_an_iterator_leaves_nobody_waiting(notes):
    answers = await in_one_group(notes.write, lambda tx: next(iter(())), note(1))

    assert isinstance(answers[0], RuntimeError)
    assert 1 == answers[1]


async def test_a_unit_that_fails_is_not_remembered(notes):
    with pytest.raises(Mishap):
        await notes.write(note(1, then=Mishap()))

    assert 1 == await notes.write(note(1))


# Commits that fail


async def test_a_commit_that_fails_fails_every_waiter(notes):
    answers = await in_one_group(notes.write, note(1), note(2, parent=404), note(3))

    assert [InvalidValue] * 3 == [type(answer) for answer in answers]
    assert [] == await notes.read(noted)


async def test_a_commit_that_fails_tells_even_those_who_failed_by_themselves(notes):
    answers = await in_one_group(notes.write, fails, note(2, parent=404))

    assert [InvalidValue] * 2 == [type(answer) for answer in answers]


async def test_a_commit_that_fails_for_one_caller_is_told(notes):
    with pytest.raises(InvalidValue):
        await notes.write(note(1, parent=404))

    assert [] == await notes.read(noted)


async def test_a_commit_whose_end_nobody_knows_is_not_tried_again(notes):
    runs = []

    def lose(_connection):
        raise OperationalError("COMMIT", None, OSError("the line is gone"))

    def unit(tx):
        runs.append(tx)
        if len(runs) == 2:
            event.listen(notes.engine, "commit", lose)

    answers = await in_one_group(notes.write, unit, unit)

    assert [Unavailable] * 2 == [type(answer) for answer in answers]
    assert 2 == len(runs)
    event.remove(notes.engine, "commit", lose)


async def test_the_store_works_on_after_a_commit_that_failed(notes):
    await in_one_group(notes.write, note(1), note(2, parent=404))

    assert 1 == await notes.write(note(1))


# Readers


async def test_a_reader_sees_what_was_written_before(notes):
    await notes.write(note(1))

    assert [1] == await notes.read(noted)


async def test_a_reader_does_not_wait_for_the_writer(notes):
    gate = Gate(note(1))
    writing = asyncio.ensure_future(notes.write(gate.unit))
    await gate.is_reached()

    async with asyncio.timeout(20):
        assert [] == await notes.read(noted)

    gate.open()
    await writing


async def test_a_reader_looks_at_one_snapshot(notes):
    first_look = threading.Event()
    written = threading.Event()

    def look_twice(tx):
        before = noted(tx)
        first_look.set()
        assert written.wait(20)
        return before, noted(tx)

    reading = asyncio.ensure_future(notes.read(look_twice))
    await asyncio.to_thread(first_look.wait, 20)
    await notes.write(note(1))
    written.set()

    assert ([], []) == await reading


async def test_the_next_reader_looks_at_a_snapshot_of_its_own(notes):
    await notes.read(noted)
    await notes.write(note(1))

    assert [[1]] * 6 == [await notes.read(noted) for _ in range(6)]  # whichever thread answers


async def test_a_failing_reader_hurts_only_itself(database_url):
    store = open_store(database_url, readers=1)
    store.start()

    missing = text("SELECT 1 FROM no_such_table")
    answers = await in_one_group(
        store.read,
        lambda tx: 1,
        lambda tx: tx.execute(missing),
        fails,
        lambda tx: tx.execute(text("SELECT 2")).scalar(),
    )
    await store.stop()

    assert 1 == answers[0]
    assert isinstance(answers[2], Mishap)
    assert 2 == answers[3]


async def test_a_reader_keeps_nothing(notes):
    await notes.read(note(1))

    assert [] == await notes.read(noted)


async def test_a_read_on_the_loop_sees_every_earlier_write(notes):
    seen = []
    for n in (1, 2):
        await notes.write(note(n))
        seen.append(await notes.read_on_loop(noted))

    assert [[1], [1, 2]] == seen


async def test_a_read_on_the_loop_does_not_see_uncommitted_rows(notes):
    gate = Gate(note(1))
    writing = asyncio.ensure_future(notes.write(gate.unit))
    await gate.is_reached()

    assert [] == await notes.read_on_loop(noted)

    gate.open()
    await writing


async def test_a_read_on_the_loop_raises_what_its_unit_raised(notes):
    with pytest.raises(Mishap):
        await notes.read_on_loop(fails)


async def test_a_read_on_the_loop_works_again_after_a_database_error(notes):
    with pytest.raises(Exception, match="cannot answer"):
        await notes.read_on_loop(lambda tx: tx.execute(text("SELECT 1 FROM no_such_table")))

    assert [] == await notes.read_on_loop(noted)


# Errors


NAIVE = datetime(2026, 11, 23)  # noqa: DTZ001 (that is the point)
USER = {"id": "usr_1", "email": "ana@owner.example", "subject": "local:1", "created_at": NAIVE}

UNWANTED = [
    pytest.param(lambda tx: tx.execute(ADD, [{"n": 1, "parent": None}] * 2), InvalidValue, id="twice"),
    pytest.param(lambda tx: tx.execute(insert(users), {"id": "usr_1"}), InvalidValue, id="null"),
    pytest.param(lambda tx: tx.execute(insert(users), USER), InvalidValue, id="naive"),
    pytest.param(lambda tx: get_user_by_email(tx, "\ud800@owner.example"), InvalidValue, id="surrogate"),
    pytest.param(lambda tx: tx.execute(select(NOTES.c.n).where(text("nonsense("))), "Unavailable", id="no SQL"),
    pytest.param(lambda tx: tx.execute(text("SELECT 1 FROM no_such_table")), "Unavailable", id="no table"),
    pytest.param(lambda tx: get_user_by_email(tx, "nobody@owner.example"), UserNotFound, id="its own"),
]


@pytest.mark.parametrize("way", ["write", "read", "read_on_loop", "run"])
@pytest.mark.parametrize(("unit", "error"), UNWANTED)
async def test_callers_see_errors_of_the_store_alone(sqlite_notes, way, unit, error):
    ask = getattr(sqlite_notes, way)

    with pytest.raises(Exception) as caught:
        await (asyncio.to_thread(ask, unit) if way == "run" else ask(unit))

    assert error in {type(caught.value), type(caught.value).__name__}


@pytest.mark.parametrize(("unit", "error"), UNWANTED)
async def test_callers_see_the_same_errors_of_postgresql(postgres_notes, unit, error):
    with pytest.raises(Exception) as caught:
        await postgres_notes.write(unit)

    assert error in {type(caught.value), type(caught.value).__name__}


async def test_a_translated_error_keeps_its_cause(notes):
    await notes.write(note(1))

    with pytest.raises(InvalidValue) as caught:
        await notes.write(note(1))

    assert isinstance(caught.value.__cause__, SQLAlchemyError)


async def test_a_translated_error_tells_nothing_of_the_values(notes):
    await notes.write(note(4711))

    with pytest.raises(InvalidValue) as caught:
        await notes.write(note(4711))

    assert "4711" not in str(caught.value)


async def test_postgresql_refuses_a_nul_as_a_value_and_not_as_an_outage(postgres_notes, clock):
    with pytest.raises(InvalidValue):
        await postgres_notes.write(lambda tx: get_user_by_email(tx, "a\0@owner.example"))


# Callers that go away, and the end


async def test_the_unit_of_a_caller_that_went_away_is_run_all_the_same(notes):
    gate = Gate()
    holder = asyncio.ensure_future(notes.write(gate.unit))
    await gate.is_reached()
    gone, stays = await lined_up(notes.write, [note(1), note(2)])
    gone.cancel()
    gate.open()

    assert 2 == await stays
    assert gone.cancelled()
    await holder
    assert [1, 2] == await notes.read(noted)


async def test_nobody_is_told_of_the_error_of_a_caller_that_went_away(notes):
    gate = Gate()
    holder = asyncio.ensure_future(notes.write(gate.unit))
    await gate.is_reached()
    gone, stays = await lined_up(notes.write, [fails, note(2)])
    gone.cancel()
    gate.open()

    assert 2 == await stays
    await holder


async def test_stopping_finishes_what_is_in_line(database_url):
    store = open_store(database_url)
    store.start()
    await store.write(lambda tx: tx.execute(text("CREATE TABLE notes (n INTEGER PRIMARY KEY, parent INTEGER)")))
    gate = Gate()
    holder = asyncio.ensure_future(store.write(gate.unit))
    await gate.is_reached()
    waiting = await lined_up(store.write, [note(n) for n in range(2 * MAX_GROUP)])
    stopping = asyncio.ensure_future(store.stop())
    await asyncio.sleep(0)
    gate.open()
    await stopping

    assert list(range(2 * MAX_GROUP)) == await asyncio.gather(*waiting)
    await holder


@pytest.mark.parametrize("way", ["write", "read", "read_on_loop"])
async def test_a_store_that_was_stopped_answers_that_it_is_closed(database_url, way):
    store = open_store(database_url)
    store.start()
    await store.stop()

    with pytest.raises(Exception, match="closed"):
        await getattr(store, way)(lambda tx: 1)


async def test_stopping_leaves_no_connection_open(database_url):
    store = open_store(database_url)
    store.start()
    await store.write(lambda tx: 1)
    await store.read(lambda tx: 1)
    await store.read_on_loop(lambda tx: 1)

    await store.stop()

    assert 0 == store.engine.pool.checkedin() + store.engine.pool.checkedout()


def test_a_program_without_a_loop_runs_units_on_its_own_thread(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, "Ana@Owner.example", now=clock.now()))

    assert made == store.run(lambda tx: get_user_by_email(tx, "ana@owner.example"))


def test_what_a_failing_program_did_is_undone(store, clock):
    def unit(tx):
        bootstrap_user(tx, "ana@owner.example", now=clock.now())
        raise Mishap

    with pytest.raises(Mishap):
        store.run(unit)

    with pytest.raises(UserNotFound):
        store.run(lambda tx: get_user_by_email(tx, "ana@owner.example"))


# Statements put off


async def test_deferred_rows_are_seen_by_the_next_statement(notes):
    def unit(tx):
        tx.defer(ADD, {"n": 1, "parent": None})
        return noted(tx)

    assert [1] == await notes.write(unit)


async def test_a_statement_executed_before_the_deferred_ones_does_not_see_their_rows(notes):
    def unit(tx):
        tx.defer(ADD, {"n": 1, "parent": None})
        return list(tx.execute_before_deferred(select(NOTES.c.n)).scalars())

    assert [] == await notes.write(unit)
    assert [1] == await notes.read(noted)


async def test_deferred_values_may_be_changed_until_they_are_needed(notes):
    def unit(tx):
        values = {"n": 1, "parent": None}
        tx.defer(ADD, values)
        values["n"] = 2

    await notes.write(unit)

    assert [2] == await notes.read(noted)


async def test_notes_are_cleared_when_deferred_rows_are_written(notes):
    def unit(tx):
        tx.notes["seen"] = True
        tx.defer(ADD, {"n": 1, "parent": None})
        tx.flush()
        return tx.notes

    assert {} == await notes.write(unit)


async def test_deferred_rows_of_a_group_go_in_by_one_statement(notes):
    statements = []
    event.listen(notes.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    await in_one_group(notes.write, *[lambda tx, n=n: tx.defer(ADD, {"n": n, "parent": None}) for n in range(10)])

    assert 1 == sum("INTO notes" in statement for statement in statements)
