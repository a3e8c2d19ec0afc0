"""The signed tag of the reverse-path: a returned mail proves by it which send attempt it is about.

Mail leaves from ``local+bTOKEN@domain``. TOKEN has 28 characters: the time part of the attempt's id, which names the
attempt, and an HMAC over it and the agent. It is lower-case, so it survives servers that fold local parts. Each server
that the mail reached can read the tag; it proves that the sender of a report had the mail, and no more. Pure.
"""

import base64
import re
from typing import Final

from relay.signing.secrets import mac, same

_TIME_LENGTH: Final = 12  # of the time part of an id (store/ids.py)
_MAC_LENGTH: Final = 16  # characters of base32: 80 bits, which can only be tried over SMTP
_TAG: Final = re.compile(rf"b([0-9a-z]{{{_TIME_LENGTH}}})([a-z2-7]{{{_MAC_LENGTH}}})", re.IGNORECASE)


def return_tag(attempt_id: str, agent: str, *, key: bytes) -> str:
    """The tag for mail that *agent* sends in the attempt *attempt_id*: 29 characters."""
    moment = attempt_id.partition("_")[2][:_TIME_LENGTH]
    return f"b{moment}{_signature(moment, agent, key)}"


def read_return_tag(tag: str, agent: str, *, key: bytes) -> str | None:
    """The time part of the attempt id in *tag*; None where this relay did not make *tag* for *agent*."""
    found = _TAG.fullmatch(tag) if tag.isascii() else None
    if found is None:
        return None
    moment, signature = found[1].lower(), found[2].lower()
    return moment if same(signature, _signature(moment, agent, key)) else None


def _signature(moment: str, agent: str, key: bytes) -> str:
    digest = mac(key, f"return tag\n{agent}\n{moment}".encode())
    return base64.b32encode(digest)[:_MAC_LENGTH].decode("ascii").lower()
