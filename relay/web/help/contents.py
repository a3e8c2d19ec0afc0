"""The help pages by group, in reading order; mkdocs.yml has the same groups, and a test compares the two."""

from typing import Final

CONTENTS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("Start", ("index", "try-it", "install")),
    ("Use", ("receiving", "sending", "approvals", "events", "errors")),
    ("Operate", ("settings", "operations", "performance")),
    ("Understand", ("contract", "architecture", "glossary")),
    (
        "Decisions",
        (
            "decisions/0001-one-loop-one-writer",
            "decisions/0002-outbox-row-is-the-queue",
            "decisions/0003-postgresql-beyond-one-machine",
            "decisions/0004-bytes-apart-from-lists",
            "decisions/0005-send-is-a-state-machine",
            "decisions/0006-dns-through-one-interface",
            "decisions/0007-workers-below-a-supervisor",
        ),
    ),
)
