"""Decide whether a message is sent at once or waits for approval. Pure."""

from dataclasses import dataclass

from store.records.outbound import HoldReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What one agent, and all agents of one user, may do without a person looking at it; 0 is no end."""

    sends_per_hour: int = 200
    replies_per_conversation_hour: int = 20
    new_recipients_per_day: int = 100
    user_sends_per_hour: int = 1000
    user_new_recipients_per_day: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCounts:
    """An agent as it would be with this mail sent."""

    asks_first: bool  # its owner wants to see every mail
    # Each is counted no further than one more than its cap, as more makes no difference.
    sends: int  # in the last hour, this one counted
    replies: int  # of them in this mail's conversation; 0 for one that begins a conversation
    new_recipients: int  # in the last day, this one's counted
    user_sends: int = 0  # as sends, of all agents of the user
    user_new_recipients: int = 0  # as new_recipients, of all agents of the user


def hold_reason(standing: SendCounts, caps: Caps) -> HoldReason | None:
    """Why a person is asked about the mail; None: nobody is.

    A cap that is reached holds and drops nothing: a runaway agent fills a list, and no stranger's mailbox.
    """
    if standing.asks_first:
        return "owner"
    if 0 < caps.sends_per_hour < standing.sends or 0 < caps.user_sends_per_hour < standing.user_sends:
        return "sends"
    if 0 < caps.replies_per_conversation_hour < standing.replies:
        return "replies"
    if 0 < caps.new_recipients_per_day < standing.new_recipients:
        return "recipients"
    if 0 < caps.user_new_recipients_per_day < standing.user_new_recipients:
        return "recipients"
    return None
