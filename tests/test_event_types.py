"""The list of event types is whole: each name has its row, and no other name is used in the code."""

import re
from pathlib import Path

from relay.events.types import EVENT_NAMES, EVENT_TYPES

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r'"(email\.[a-z_]+)"')


def test_each_event_name_has_one_row():
    assert list(EVENT_NAMES) == [each.name for each in EVENT_TYPES]


def test_the_store_records_the_event_types_of_the_list_and_no_others():
    found = {name for file in (ROOT / "store").rglob("*.py") for name in NAMED.findall(file.read_text())}
    feedback = set(NAMED.findall((ROOT / "relay/outbound/feedback/feedback.py").read_text()))

    assert set(EVENT_NAMES) == found | feedback


def test_only_received_messages_are_events_of_the_stream():
    assert ["email.received"] == [each.name for each in EVENT_TYPES if "stream" in each.channels]
    assert ["email.received"] == [each.name for each in EVENT_TYPES if each.subject == "inbound"]
