"""Translate database and driver errors into store errors."""

import sqlite3
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from store.errors import InvalidValue, StoreError, Unavailable, Unusable, cause_of

# Serialization failure, deadlock, unique violation (PostgreSQL, appendix A). In the last case a concurrent
# transaction's row was not visible when the unit read; a second run sees it.
_RACE_LOST: Final = frozenset({"40001", "40P01", "23505"})

_LOCK_NOT_AVAILABLE: Final = "55P03"

# Waiting does not change these: no such file or folder, no right to it, not a SQLite file, or a damaged one.
_NO_STORE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
)
_REFUSED_WORDS: Final = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")


def as_sqlalchemy(connection: Connection, error: Any, statement: str | None = None) -> DBAPIError:
    """A driver's error as SQLAlchemy raises it, with the *statement* and without its values.

    After an error that ends the connection *connection* is invalid, as after one of SQLAlchemy's own statements.
    """
    dialect = connection.dialect
    is_cut = dialect.is_disconnect(error, connection.connection, None)
    if is_cut:
        connection.invalidate(error)
    of_driver = dialect.loaded_dbapi.Error
    raised = DBAPIError.instance(statement, None, error, of_driver, True, is_cut, dialect)
    assert isinstance(raised, DBAPIError)
    return raised


def unbindable(error: Exception) -> StatementError:
    """The error of a value that a statement cannot take, as SQLAlchemy raises it."""
    return StatementError(f"({type(error).__name__}) {error}", None, None, error)


def lost_a_race(error: Exception) -> bool:
    """Whether a concurrent transaction made the database abort this one; retry it."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RACE_LOST


def waited_for_a_lock(error: Exception) -> bool:
    """Whether PostgreSQL ended a wait for a lock (lock_not_available)."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


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


def _because(store_error: StoreError, error: BaseException) -> StoreError:
    store_error.__cause__ = error
    return store_error


def cannot_open(error: Exception, *, place: str) -> StoreError:
    """The error for a database that cannot be opened: Unusable where a person must act, else Unavailable."""
    cause = cause_of(error)
    kind = Unusable if _needs_a_person(error, cause) else Unavailable
    return _because(kind(f"{place} cannot be opened: {cause}"), error)


def cannot_use(error: Unavailable, *, place: str) -> StoreError:
    """*error* of a unit at the start, with the driver's words: Unusable where a person must act, else Unavailable."""
    if error.__cause__ is None:
        return error
    cause = cause_of(error.__cause__)
    kind = Unusable if _needs_a_person(error.__cause__, cause) else Unavailable
    return _because(kind(f"the database {place} cannot be used: {cause}"), error.__cause__)


def _needs_a_person(error: BaseException, cause: str) -> bool:
    driven = getattr(error, "orig", None) or error
    if isinstance(driven, sqlite3.Error):
        return (getattr(driven, "sqlite_errorcode", 0) or 0) & 0xFF in _NO_STORE
    # libpq gives no SQLSTATE when a connection fails, and its words may be translated: then the relay waits.
    return any(words in cause for words in _REFUSED_WORDS)
