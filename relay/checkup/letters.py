"""Letters of the relay to people that were not delivered: review requests and sign-in links."""

from datetime import datetime, timedelta
from typing import Final

from relay.checkup.database import opened
from relay.finding import Finding, ok, warning
from relay.settings import Settings
from store.outbound.letters_queue import count_withheld_letters
from store.outbound.returned_letters import list_bounced_letters

RECENT: Final = timedelta(days=7)
_MOST: Final = 20


def check_letters(settings: Settings, *, now: datetime) -> list[Finding]:
    """The letters of the last week that bounced, or that a restore withheld."""
    since = now - RECENT
    with opened(settings) as store:
        found, withheld = store.run(
            lambda tx: (list_bounced_letters(tx, since=since, limit=_MOST), count_withheld_letters(tx, since=since))
        )
    remedy = "Its link is revoked. Ask the user to check the mailbox; `mailseal letters` lists all."
    bounced = [
        warning("letters", f"a {each.kind} letter to {each.email} came back: {each.bounce or 'no report'}", remedy)
        for each in found
    ]
    return bounced + _withheld(withheld) or [ok("letters", "none came back in the last week")]


def _withheld(count: int) -> list[Finding]:
    remedy = "Decide about what `mailseal review list` shows, and ask for new sign-in letters."
    told = f"{count} were pending when the backup was made that was restored, and were not sent"
    return [warning("letters", told, remedy)] if count else []
