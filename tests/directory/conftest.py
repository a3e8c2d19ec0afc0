"""Rows to start from."""

import pytest

from tests.places import Places


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)
