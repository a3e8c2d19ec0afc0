"""Whether a mail is a forward, by its subject, and where forwarded mail begins in a text."""

import re
from typing import Final

from relay.mail.reply.lines import NAMES_MESSAGE, Stems

_TAGS: Final = re.compile(r"(?:\s{0,9}[\[(\u3010][^\[\]()\u3010\u3011]{0,40}[\])\u3011]){0,3}\s{0,9}")
_PREFIX: Final = re.compile(
    r"(?:fwd?|fwd? ?\[\d+\]|wg|tr|rv|enc|i|vs|vl|vb|pd|fs|trs|ilt|i\u0307lt|yml|doorst(?:uren)?|doorgestuurd"
    r"|weiterleitung"
    r"|réf|reenviar|reenviado|encaminhada?|inoltro?|inoltrata?|továbbítás|továbbított|redirecționat|πρθ|пер|пересылка"
    r"|перес|přeposláno|chuyển tiếp|diteruskan|forward(?:ed)?|videresendt?|vidarebefordrat"
    r"|הועבר|إعادة توجيه|转发|轉寄|轉發|転送|전달|ส่งต่อ)\s{0,3}[:\uff1a]",
    re.IGNORECASE,
)
_STEMS: Final = (
    r"forward|fwd|weitergeleit|weiterleit|transf[ée]r|réexpédi|réachemin|reenvi|reencaminh|encaminh|inoltr|doorgest"
    r"|doorsturen|vidarebefordr|vidareb|videresend|przekaz|przesłan|пересл|пересыла|переадрес|перенаправ|přepos"
    r"|prepos"
    r"|továbbít|redirec|προωθ|iletil|yönlendir|välite|edelleenlähet|転送|转发|轉寄|轉發|전달|הועבר|מועבר|שהועבר"
    r"|توجيه|المحو|chuyển tiếp|diteruskan|terusan|ส่งต่อ|अग्रेषित|prosl[ij]|прослеђ|препра|edasta|persiųs|pārsū"
    r"|áframsen"
    r"|posredov|пренасоч"
)
_STEM: Final = re.compile(_STEMS, re.IGNORECASE)
_BEGINNINGS: Final = Stems(*(stem.partition("[")[0] for stem in _STEMS.split("|")))
_MOST_WORDS: Final = 12


def is_forward(subject: str) -> bool:
    """Whether *subject* begins as mail programs mark a forward: "Fwd:", "WG:", "TR:", …; or ends in "(fwd)"."""
    subject = subject[:200].strip()
    start = _TAGS.match(subject)
    return _PREFIX.match(subject, start.end() if start else 0) is not None or subject.lower().endswith("(fwd)")


def says_forwarded(line: str) -> bool:
    """Whether a short bare *line* has a word for "forwarded", in about thirty languages."""
    return len(line.split()) <= _MOST_WORDS and _BEGINNINGS.within(line) and _STEM.search(line) is not None


def announces_forward(line: str) -> bool:
    """Whether a bare *line* is "Begin forwarded message:" or "Forwarded message"."""
    if not says_forwarded(line):
        return False
    return line.endswith((":", "\uff1a")) or (len(line.split()) <= 4 and NAMES_MESSAGE.search(line) is not None)
