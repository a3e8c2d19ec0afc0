"""Letters of the relay to people that came back: review requests and sign-in links that were not delivered."""

from datetime import datetime, timedelta
from typing import Final

from relay.checkup.database import opened
from relay.finding import Finding, ok, warning
from relay.settings import Settings
from store.outbound.returned_letters import list_bounced_letters

RECENT: Final = timedelta(days=7)
_MOST: Final = 20


def check_letters(settings: Settings, *, now: datetime) -> list[Finding]:
    """The letters of the last week that bounced."""
    with opened(settings) as store:
        found = store.run(lambda tx: list_bounced_letters(tx, since=now - RECENT, limit=_MOST))
    remedy = "Its link is revoked. Ask the user to check the mailbox; `mailseal letters` lists all."
    return [
        warning("letters", f"a {each.kind} letter to {each.email} came back: {each.bounce or 'no report'}", remedy)
        for each in found
    ] or [ok("letters", "none came back in the last week")]
