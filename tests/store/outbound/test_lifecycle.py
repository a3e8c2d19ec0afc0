from typing import get_args

import pytest

from store.outbound.lifecycle import FINAL, MOVES, may_move, sources
from store.records.outbound import OutboundStatus

STATUSES = get_args(OutboundStatus)


def test_every_status_has_its_row():
    assert set(STATUSES) == set(MOVES)


def test_what_has_ended_has_no_further_move():
    assert {"sent", "rejected", "expired_approved", "expired_rejected"} == FINAL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("unconfirmed", "sending"),
        ("sent", "queued"),
        ("rejected", "sending"),
        ("queued", "rejected"),
        ("failed", "sending"),
    ],
)
def test_a_move_that_could_send_twice_or_undo_a_decision_is_not_in_the_table(old, new):
    assert not may_move(old, new)


def test_sources_are_the_table_read_backwards():
    assert {(old, new) for old in STATUSES for new in MOVES[old]} == {
        (o, new) for new in STATUSES for o in sources(new)
    }
