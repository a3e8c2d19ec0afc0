"""How SQLite means to find the rows of the statements that a unit runs."""

from contextlib import contextmanager

from sqlalchemy import event


@contextmanager
def statements(engine):
    """A list of the statements with their parameters that *engine* runs meanwhile."""
    found = []

    def note(_connection, _cursor, statement, parameters, _context, many):
        found.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plan_of(store, unit):
    """What EXPLAIN QUERY PLAN says about every statement that *unit* runs, a line a step."""
    with statements(store.engine) as found:
        store.run(unit)
    questions = [(text, values) for text, values in found if text.split()[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}]
    assert questions, "the unit asks nothing"
    with store.engine.connect() as connection:
        return [
            row.detail
            for text, values in questions
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
        ]
