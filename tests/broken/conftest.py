"""A store to break, and certificates."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from relay.clock import SystemClock
from relay.database import make_database
from relay.master_files import read_master
from tests.broken.place import Place, settings_of
from tests.broken.relay import Relay
from tests.places import Places


@pytest.fixture(scope="session")
def whole_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an agent, that tests' own are copied from."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    settings = settings_of(folder)
    store = make_database(settings, now=SystemClock().now())
    places = Places(SystemClock(), read_master(settings))
    store.run(lambda tx: places.poll_agent(tx, "bot@agents.example"))
    store.engine.dispose()
    return folder


@pytest.fixture
def place(tmp_path: Path, whole_data: Path, authority: trustme.CA) -> Place:
    """A whole relay of this test's own."""
    shutil.copytree(whole_data, tmp_path / "data")
    return Place(tmp_path, authority)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Signs certificates."""
    return trustme.CA()


@pytest.fixture
def start(place: Place) -> Iterator[Callable[[], Relay]]:
    """Starts the daemon of the place."""
    running = []

    def begin() -> Relay:
        running.append(place.process().start())
        return Relay(place, running[-1])

    yield begin
    for each in running:
        each.kill()
