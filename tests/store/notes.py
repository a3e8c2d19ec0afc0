"""A table that is nobody's, so that a test of the engine sees rows and nothing else."""

from sqlalchemy import bindparam, column, insert, select, table, text

from store.database.constant import Constant

NOTES = table("notes", column("n"), column("parent"))
ADD = insert(NOTES)
ADD_BY_DRIVER = Constant(ADD.values(n=bindparam("number"), parent=bindparam("of")))
DEFERRED_BY_DRIVER = Constant(ADD)


def make_notes(tx):
    # The reference is looked at by COMMIT alone: a way to make one fail.
    tx.execute(
        text(
            "CREATE TABLE notes (n INTEGER PRIMARY KEY,"
            " parent INTEGER REFERENCES notes (n) DEFERRABLE INITIALLY DEFERRED)"
        )
    )


def note(n, *, parent=None, then=None):
    """A unit that adds one row and answers its number, or raises *then*."""

    def unit(tx):
        tx.change(ADD_BY_DRIVER, {"number": n, "of": parent})
        if then is not None:
            raise then
        return n

    return unit


def noted(tx):
    """All numbers there are."""
    return sorted(tx.execute(select(NOTES.c.n)).scalars())
