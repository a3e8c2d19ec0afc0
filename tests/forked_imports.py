"""What a process of tests/forked.py has imported before it is forked: all that `serve` needs on SQLite."""

import uvloop  # noqa: F401

import store.database.migrate  # noqa: F401
