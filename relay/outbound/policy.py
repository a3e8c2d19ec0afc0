"""Decide whether a message is sent at once or waits for approval. Pure."""

from dataclasses import dataclass

from store.records.outbound import HoldReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The limits of one agent, and of all agents of one user, without a review; 0 means no limit."""

    sends_per_hour: int = 200
    replies_per_conversation_hour: int = 20
    new_recipients_per_day: int = 100
    user_sends_per_hour: int = 1000
    user_new_recipients_per_day: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCounts:
    """An agent's counts with this message included."""

    asks_first: bool  # its owner reviews every message
    # Each is counted up to one above its cap, as more makes no difference.
    sends: int  # in the last hour, this one counted
    replies: int  # of them in this message's conversation; 0 for a new conversation
    new_recipients: int  # in the last day, this one's counted
    user_sends: int = 0  # as sends, of all agents of the user
    user_new_recipients: int = 0  # as new_recipients, of all agents of the user


def hold_reason(counts: SendCounts, caps: Caps) -> HoldReason | None:
    """The reason to hold the message for a reviewer; None: send it.

    A cap that is reached holds messages and drops none: a runaway agent fills the list of reviews, not mailboxes.
    """
    if counts.asks_first:
        return "owner"
    if 0 < caps.sends_per_hour < counts.sends or 0 < caps.user_sends_per_hour < counts.user_sends:
        return "sends"
    if 0 < caps.replies_per_conversation_hour < counts.replies:
        return "replies"
    if 0 < caps.new_recipients_per_day < counts.new_recipients:
        return "recipients"
    if 0 < caps.user_new_recipients_per_day < counts.user_new_recipients:
        return "recipients"
    return None
