"""The same surroundings as the journeys have."""

from tests.journeys.conftest import home, nameserver, sink, sqlite_home

__all__ = ["home", "nameserver", "sink", "sqlite_home"]
