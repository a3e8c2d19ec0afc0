"""Local parts and display names that belong to the relay itself, and no agent can have.

Letters of the relay come from `mailseal@`: an agent there would read the ones that bounce, and an agent that is called
Mailseal could write letters that look like them. Names are compared by how they look, not by their characters.
"""

# ruff: noqa: RUF001 (look-alike letters are the data of this module)

import unicodedata
from typing import Final

from store.names import normalise_local

RELAY_LOCAL: Final = "mailseal"  # on every domain
SHARED_LOCAL: Final = "agents"  # on the domain of MAILSEAL_OUTBOUND_FROM_DOMAIN
# Characters that look like a letter of the name (Unicode TR39, those of "mailseal"), folded to one form.
_LOOK_ALIKES: Final = str.maketrans(
    {
        **dict.fromkeys("аɑα⍺", "a"),
        **dict.fromkeys("еєҽ℮ε3", "e"),
        **dict.fromkeys("іıɩι|1lӏ!ⅼ", "i"),
        **dict.fromkeys("мⅿ", "m"),
        **dict.fromkeys("ѕꜱ5$ƽ", "s"),
        **dict.fromkeys("@4", "a"),
        "0": "o",
    }
)
_PAIRS: Final = (("rn", "m"),)


def is_relays_local(local: str) -> bool:
    """Whether a local part, with or without a tag, is the relay's own by its characters."""
    return normalise_local(local).partition("+")[0] == RELAY_LOCAL


def looks_like_relay(text: str) -> bool:
    """Whether a display name or local part reads as the relay's own name.

    Case, accents, width, spaces, punctuation and look-alike letters make no difference.
    """
    return _folded(text) == _OWN


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    alike = plain.translate(_LOOK_ALIKES)
    letters = "".join(sign for sign in alike if sign.isalnum())
    for pair, sign in _PAIRS:
        letters = letters.replace(pair, sign)
    return letters


_OWN: Final = _folded(RELAY_LOCAL)
