"""Which pairs of databases the tests of a copy run over."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the pairs of different databases; only test_everything_arrives runs over all four."""
    items[:] = [item for item in items if not _is_same_pair(item)]


def _is_same_pair(item: pytest.Item) -> bool:
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    if not item.nodeid.startswith("tests/store/upkeep/test_copy.py") or "everything_arrives" in item.name:
        return False
    return chosen.get("target", "") == chosen.get("database_url")
