"""A table that is nobody's, so that a test of the engine sees rows and nothing else."""

from sqlalchemy import column, insert, select, table, text

NOTES = table("notes", column("n"), column("parent"))
ADD = insert(NOTES)


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
        tx.execute(ADD, {"n": n, "parent": parent})
        if then is not None:
            raise then
        return n

    return unit


def noted(tx):
    """All numbers there are."""
    return sorted(tx.execute(select(NOTES.c.n)).scalars())
