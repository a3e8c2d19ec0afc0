"""The machine's clock, for what is compared with a server's."""

import pytest

from relay.clock import SystemClock


@pytest.fixture
def system_clock() -> SystemClock:
    return SystemClock()
