"""Which conversation a mail belongs to, as far as its ids can tell (RFC 5322 §3.6.4).

A conversation is grouping and never authority: anybody may name an id. Ids are matched by
equality in the forms made here, case kept.
"""

import re
from typing import Final

from relay.mail.summary import Summary

MAX_PARENTS: Final = 50
# The provider answers a send with the bare local part, and puts one of these behind it in the mail.
_PROVIDER_DOMAIN: Final = re.compile(
    r"@(?:email|[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2})\.amazonses\.com(?:\.cn)?", re.IGNORECASE
)


def parent_ids(summary: Summary) -> tuple[str, ...]:
    """The ids a conversation is looked up by, likeliest first, at most 50, without angle brackets.

    What In-Reply-To names, then References from the newest to the oldest; each in the forms of
    bare_id, so that an id a provider rewrote is found too.
    """
    named = [summary.in_reply_to] if summary.in_reply_to else []
    forms = (form for written in (*named, *reversed(summary.references)) for form in bare_id(written))
    return tuple(dict.fromkeys(forms))[:MAX_PARENTS]


def bare_id(message_id: str) -> tuple[str, ...]:
    """The forms of an id that mean the same mail: without brackets, and without the provider's domain.

    ``<0100abc@eu-west-1.amazonses.com>`` gives ``0100abc@eu-west-1.amazonses.com`` and ``0100abc``;
    an id of anybody else gives its one form, and nothing gives none.
    """
    bare = message_id.strip().removeprefix("<").removesuffix(">").strip()
    if not bare:
        return ()
    local, at, domain = bare.rpartition("@")
    provided = at and local and _PROVIDER_DOMAIN.fullmatch(at + domain)
    return (bare, local) if provided else (bare,)
