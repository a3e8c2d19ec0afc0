"""Which mails a mail answers, as its header says (RFC 5322 §3.6.4)."""

from relay.mail.summary import Summary
from store.mail.conversations import MAX_REFERENCES, bare_id


def parent_ids(summary: Summary) -> tuple[str, ...]:
    """The ids a conversation is looked up by, likeliest first, at most 50, without angle brackets.

    What In-Reply-To names, then References from the newest to the oldest.
    """
    named = [summary.in_reply_to] if summary.in_reply_to else []
    ids = (bare_id(written) for written in (*named, *reversed(summary.references)))
    return tuple(dict.fromkeys(each for each in ids if each))[:MAX_REFERENCES]
