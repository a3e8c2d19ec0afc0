"""One daemon of two workers for each file of tests that asks, on SQLite."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.journeys.home import Home


@pytest.fixture(scope="module")
def folder():
    """A short path, as a Unix socket needs."""
    made = Path(tempfile.mkdtemp(prefix="ms-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def sqlite_home(folder):
    made = Home(folder / "data", f"sqlite:///{folder}/data/mailseal.db", "127.0.0.1:9", {"MAILSEAL_WORKERS": "2"})
    yield made
    made.close()
