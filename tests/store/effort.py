"""What a unit's statements cost, as the database itself counts it while it runs them."""

from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import event

READING = {"SELECT", "UPDATE", "DELETE", "WITH"}
_INSTRUCTIONS = 10  # of SQLite's virtual machine between two looks


@dataclass
class Effort:
    """What was seen of a unit."""

    plan: list[str] = field(default_factory=list)  # a line a step
    most: int = 0  # rows that PostgreSQL's busiest step went through; all instructions of SQLite


class _UndoneError(Exception):
    """Nothing of the unit is to be kept."""


def effort_of(store, unit):
    """Run *unit* in *store*, and take it back; its Effort."""
    found = Effort()

    def undone(tx):
        unit(tx)
        tx.flush()
        raise _UndoneError

    with {"sqlite": _watched_sqlite, "postgresql": _watched_postgresql}[store.engine.dialect.name](store.engine, found):
        try:
            store.run(undone)
        except _UndoneError:
            return found
    raise AssertionError("the unit was kept")


@contextmanager
def _watched_sqlite(engine, found):
    def tick():
        found.most += _INSTRUCTIONS

    def count(connection, _record, _proxy):
        connection.set_progress_handler(tick, _INSTRUCTIONS)

    def explain(connection, statement, values):
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        found.plan.extend(row.detail for row in rows)

    event.listen(engine, "checkout", count)
    try:
        with _explained(engine, explain):
            yield
    finally:
        event.remove(engine, "checkout", count)


@contextmanager
def _watched_postgresql(engine, found):
    def explain(connection, statement, values):
        """Have the statement run and undone, just before it is run."""
        connection.exec_driver_sql("SAVEPOINT explained")
        answer = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", values)
        for step in _steps(answer.scalar_one()[0]["Plan"]):
            found.plan.append(f"{step['Node Type']} {step.get('Index Name') or step.get('Relation Name')}")
            found.most = max(found.most, _rows(step))
        connection.exec_driver_sql("ROLLBACK TO explained")

    with _explained(engine, explain):
        yield


@contextmanager
def _explained(engine, explain):
    """Each statement that reads is explained before it is run."""

    def before(connection, _cursor, statement, parameters, _context, many):
        if statement.split()[0] in READING:
            explain(connection, statement, parameters[0] if many else parameters)

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)


def _steps(plan):
    yield plan
    for below in plan.get("Plans", ()):
        yield from _steps(below)


def _rows(step):
    seen = step["Actual Rows"] + step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
    return round(seen * step["Actual Loops"])
