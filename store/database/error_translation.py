"""What went wrong in the database, as callers may see it."""

from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from store.errors import InvalidValue, StoreError, Unavailable

# Serialization failure, deadlock, unique violation (PostgreSQL, appendix A): another's row was not to be seen
# when the unit looked; when it looks again, it is.
_RACE_LOST: Final = frozenset({"40001", "40P01", "23505"})


def lost_a_race(error: Exception) -> bool:
    """Whether the database undid a transaction only because of another one: a second try will do."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RACE_LOST


def translated(error: Exception) -> Exception:
    """*error* as callers may see it: nothing of SQLAlchemy or a driver."""
    if isinstance(error, IntegrityError | DataError | UnicodeError):
        return _because(InvalidValue("the database refused a value"), error)
    if isinstance(error, DBAPIError):
        return _because(Unavailable("the database cannot answer"), error)
    if isinstance(error, StatementError):
        return _because(InvalidValue("a value has the wrong type"), error)
    if isinstance(error, SQLAlchemyError | OSError):
        return _because(Unavailable("the database cannot answer"), error)
    if isinstance(error, StopIteration):  # a Future does not take one, and nobody behind it would be answered
        return RuntimeError("a unit raised StopIteration")
    return error


def _because(told: StoreError, error: Exception) -> StoreError:
    told.__cause__ = error
    return told
