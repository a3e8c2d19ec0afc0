"""Ids: a prefix that says of what, then the time of making in nanoseconds, then chance (contract §1).

The time part makes neighbours in time neighbours in an index, and puts what one process makes in the
order of its making; 87 bits of chance make an id that nobody can guess. Order by id is not order of
commit: use a sequence for that.
"""

import secrets
import time
from hashlib import sha256
from threading import Lock
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS: Final = 12  # nanoseconds since 1970 fit until the year 2120
_CHANCE_DIGITS: Final = 17


class _Moments:
    """Nanoseconds since 1970, each later than the one before though the clock is coarse or steps back."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


_MOMENTS: Final = _Moments()


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
    chance = secrets.randbelow(36**_CHANCE_DIGITS)
    return prefix + _base36(_MOMENTS.next(), _TIME_DIGITS) + _base36(chance, _CHANCE_DIGITS)


def _base36(number: int, digits: int) -> str:
    out = []
    for _ in range(digits):
        number, digit = divmod(number, 36)
        out.append(_DIGITS[digit])
    return "".join(reversed(out))
