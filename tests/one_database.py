"""A mark for tables of cases in which the database makes no difference."""

import pytest

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
