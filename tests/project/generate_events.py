"""Write the examples of docs/events.md: ``python -m tests.project.generate_events``.

Everything behind the marker line is generated; the text before it is written by hand and kept.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from relay.events.types import EVENT_TYPES, EventType
from tests.project.event_examples import SECRET, make_examples

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "events.md"
MARK: Final = "## The events\n"
_WIDTH: Final = 110  # of an inner object that fits on one line


def generated(before: str) -> str:
    """The whole page, whose first part is *before*."""
    examples = asyncio.run(make_examples())
    seal = f"The seal of `email.received` below was made with the secret `whsec_{SECRET}`.\n"
    entries = [_entry(each, examples[each.name]) for each in EVENT_TYPES]
    return "\n".join([f"{before}{MARK}", seal, *entries])


def written_by_hand(page: str) -> str:
    """The part of *page* before the marker."""
    return page.partition(MARK)[0]


def _entry(event: EventType, example: dict[str, Any]) -> str:
    channels = " and ".join({"webhook": "the webhook", "stream": "the event stream"}[each] for each in event.channels)
    return (
        f"### `{event.name}`\n\nSent when {event.when}. Reaches {channels}. `data` shows an {event.subject} message.\n\n"
        f"```json\n{shown(example)}\n```\n"
    )


def shown(value: Any, indent: int = 0) -> str:
    """*value* as JSON: what fits on a line is on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and len(flat) + indent <= _WIDTH):
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(name)}: {shown(each, indent + 2)}" for name, each in value.items()]
    else:
        parts = [f"{pad}{shown(each, indent + 2)}" for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n" + ",\n".join(parts) + f"\n{' ' * indent}{closing}"


if __name__ == "__main__":
    PAGE.write_text(generated(written_by_hand(PAGE.read_text("utf-8"))), "utf-8")
    print(f"written: {PAGE}")
