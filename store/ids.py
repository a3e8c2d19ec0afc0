"""Ids: a prefix that says of what, then time in milliseconds, then chance (contract §1).

The time part makes neighbours in time neighbours in an index; 103 bits of chance make an id
that nobody can guess. Order by id is not order of commit: use a sequence for that.
"""

import secrets
import time
from hashlib import sha256
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS: Final = 9  # milliseconds fit until the year 5188
_CHANCE_DIGITS: Final = 20


def new_message_id() -> str:
    """A fresh ``msg_`` id, usable before anything is stored."""
    return _new_id("msg_")


def new_user_id() -> str:
    """A fresh ``usr_`` id."""
    return _new_id("usr_")


def new_key_id() -> str:
    """A fresh ``key_`` id, for API keys and agents' signing secrets alike."""
    return _new_id("key_")


def new_event_id() -> str:
    """A fresh ``evt_`` id, the ``webhook-id`` of every attempt."""
    return _new_id("evt_")


def event_id_of(message_id: str, event_type: str) -> str:
    """The ``evt_`` id of an event about a message for which nothing was promised to a webhook.

    Always the same one, with the message's time in front, and as hard to guess as the message's own.
    """
    time_part = message_id.partition("_")[2][:_TIME_DIGITS]
    digest = sha256(f"{event_type}\n{message_id}".encode()).digest()
    return f"evt_{time_part}{_base36(int.from_bytes(digest[:13], 'big'), _CHANCE_DIGITS)}"


def new_delivery_id() -> str:
    """A fresh ``dlv_`` id."""
    return _new_id("dlv_")


def new_conversation_id() -> str:
    """A fresh ``conv_`` id."""
    return _new_id("conv_")


def new_send_id() -> str:
    """A fresh ``snd_`` id, of one attempt to send."""
    return _new_id("snd_")


def new_letter_id() -> str:
    """A fresh ``ltr_`` id, of a letter of the relay's own."""
    return _new_id("ltr_")


def _new_id(prefix: str) -> str:
    milliseconds = time.time_ns() // 1_000_000
    return prefix + _base36(milliseconds, _TIME_DIGITS) + _base36(secrets.randbits(104), _CHANCE_DIGITS)


def _base36(number: int, digits: int) -> str:
    out = []
    for _ in range(digits):
        number, digit = divmod(number, 36)
        out.append(_DIGITS[digit])
    return "".join(reversed(out))
