"""The messages a message replies to, by In-Reply-To and References.

RFC 5322 §3.6.4.
"""

from relay.mail.summary import Summary
from store.mail.conversations import MAX_REFERENCES, bare_id


def parent_ids(summary: Summary) -> tuple[str, ...]:
    """Message ids to find the conversation by, most likely first, at most 50.

    Without angle brackets. In-Reply-To comes first, then References from newest to oldest.
    """
    named = [summary.in_reply_to] if summary.in_reply_to else []
    ids = (bare_id(written) for written in (*named, *reversed(summary.references)))
    return tuple(dict.fromkeys(each for each in ids if each))[:MAX_REFERENCES]
