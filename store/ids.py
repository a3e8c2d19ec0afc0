"""Id generation: type prefix, time in nanoseconds, random part.

The ids of docs/contract.md §1. The time part keeps ids that are close in time close in an index, and orders the
ids of one process by creation. The random part has 87 bits, so ids cannot be guessed. Id order is not commit
order: use a sequence number for that.
"""

import secrets
import time
from hashlib import sha256
from threading import Lock
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_TIME_DIGITS: Final = 12  # nanoseconds since 1970 fit until the year 2120
_CHANCE_DIGITS: Final = 17


MARK_DIGITS: Final = 3


class _Mark:
    """The last digits of the ids by which the leases of a process are found; none where it has no peers."""

    text = ""


class _Moments:
    """Nanoseconds since 1970, strictly increasing.

    Each value exceeds the one before, even if the clock is coarse or steps back.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = Lock()

    def next(self) -> int:
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


_MOMENTS: Final = _Moments()
_MARK: Final = _Mark()


def new_message_id() -> str:
    """A new ``msg_`` id; usable before the message is stored."""
    return _new_id("msg_")


def new_user_id() -> str:
    """A new ``usr_`` id."""
    return _new_id("usr_")


def new_key_id() -> str:
    """A new ``key_`` id, for API keys and agents' signing secrets."""
    return _new_id("key_")


def new_event_id() -> str:
    """A new ``evt_`` id, sent as ``webhook-id`` with every attempt."""
    return _new_id("evt_")


def event_id_of(message_id: str, event_type: str) -> str:
    """The ``evt_`` id of an event about a message that has no webhook delivery.

    Deterministic: the same message and type give the same id. It starts with the message's time part and is as hard to
    guess as the message's id.
    """
    time_part = message_id.partition("_")[2][:_TIME_DIGITS]
    digest = sha256(f"{event_type}\n{message_id}".encode()).digest()
    return f"evt_{time_part}{_base36(int.from_bytes(digest[:13], 'big'), _CHANCE_DIGITS)}"


def new_delivery_id() -> str:
    """A new ``dlv_`` id, with the mark of this process."""
    return _marked_id("dlv_")


def new_conversation_id() -> str:
    """A new ``conv_`` id."""
    return _new_id("conv_")


def new_send_id() -> str:
    """A new ``snd_`` id, of one send attempt, with the mark of this process."""
    return _marked_id("snd_")


def new_letter_id() -> str:
    """A new ``ltr_`` id, of a letter that the relay itself sends."""
    return _new_id("ltr_")


def make_mark() -> str:
    """A mark for one process."""
    return _base36(secrets.randbelow(36**MARK_DIGITS), MARK_DIGITS)


def mark_ids(mark: str) -> None:
    """End the ids of this process's deliveries and send attempts with *mark*; 72 bits of chance are left."""
    _MARK.text = mark


def _marked_id(prefix: str) -> str:
    made = _new_id(prefix)
    return made[: len(made) - len(_MARK.text)] + _MARK.text


def _new_id(prefix: str) -> str:
    chance = secrets.randbelow(36**_CHANCE_DIGITS)
    return prefix + _base36(_MOMENTS.next(), _TIME_DIGITS) + _base36(chance, _CHANCE_DIGITS)


def _base36(number: int, digits: int) -> str:
    pairs = []
    for _ in range((digits + 1) // 2):
        number, pair = divmod(number, 36 * 36)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-digits:]
