"""Translate database and driver errors into store errors."""

from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from store.errors import InvalidValue, StoreError, Unavailable

# Serialization failure, deadlock, unique violation (PostgreSQL, appendix A). In the last case a concurrent
# transaction's row was not visible when the unit read; a second run sees it.
_RACE_LOST: Final = frozenset({"40001", "40P01", "23505"})


def lost_a_race(error: Exception) -> bool:
    """Whether a concurrent transaction made the database abort this one; retry it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RACE_LOST


def translated(error: Exception) -> Exception:
    """*error* as callers see it: never an exception of SQLAlchemy or a driver.

    Integrity and data errors become InvalidValue, other database errors Unavailable; other errors pass unchanged.
    """
    if isinstance(error, IntegrityError | DataError | UnicodeError):
        return _because(InvalidValue("the database refused a value"), error)
    if isinstance(error, DBAPIError):
        return _because(Unavailable("the database cannot answer"), error)
    if isinstance(error, StatementError):
        return _because(InvalidValue("a value has the wrong type"), error)
    if isinstance(error, SQLAlchemyError | OSError):
        return _because(Unavailable("the database cannot answer"), error)
    if isinstance(error, StopIteration):  # a Future rejects it, and the units after it would get no result
        return RuntimeError("a unit raised StopIteration: catch it inside the unit")
    return error


def _because(store_error: StoreError, error: Exception) -> StoreError:
    store_error.__cause__ = error
    return store_error
