"""The subject of a reply or forward: exactly one prefix, replacing those of other languages."""

import re
from typing import Final

from store.names import as_line
from store.outbound.outbound import MAX_SUBJECT

_REPLIES: Final = "re|aw|antw|sv|vs|rif|ris|r|odp|res|ref|ynt|atb|回复|回覆|答复|答覆|返信|답장"
_FORWARDS: Final = "fwd?|wg|tr|vb|vl|rv|enc|i|doorst|pd|ilt|转发|轉寄|転送|전달"
_COLON: Final = r"(?:\[\d{1,3}\])?[ ]?[:\uff1a][ ]*"
_REPLIED: Final = re.compile(rf"(?:(?:{_REPLIES}){_COLON})+", re.IGNORECASE)
_FORWARDED: Final = re.compile(rf"(?:(?:{_FORWARDS}){_COLON})+", re.IGNORECASE)


def reply_subject(subject: str) -> str:
    """*subject* behind exactly one ``Re:`` (RFC 5322 §3.6.5)."""
    return _behind("Re: ", subject, _REPLIED)


def forward_subject(subject: str) -> str:
    """*subject* behind exactly one ``Fwd:``."""
    return _behind("Fwd: ", subject, _FORWARDED)


def _behind(prefix: str, subject: str, known: re.Pattern[str]) -> str:
    subject = as_line(subject).strip()
    found = known.match(subject)
    return (prefix + subject[found.end() if found else 0 :])[:MAX_SUBJECT].rstrip()
