"""The messages a message replies to, by In-Reply-To and References.

RFC 5322 §3.6.4.
"""

from relay.mail.summary import Summary
from store.mail.conversations import MAX_REFERENCES, bare_id


def parent_ids(summary: Summary) -> tuple[str, ...]:
    """Message ids to find the conversation by, most likely first, at most 50.

    Without angle brackets. In-Reply-To comes first, then References from newest to oldest; of more than 50 the
    oldest is kept, which is the root of the conversation.
    """
    named = [summary.in_reply_to] if summary.in_reply_to else []
    ids = (bare_id(written) for written in (*named, *reversed(summary.references)))
    unique = tuple(dict.fromkeys(each for each in ids if each))
    return unique if len(unique) <= MAX_REFERENCES else (*unique[: MAX_REFERENCES - 1], unique[-1])
