"""Find review and sign-in link tokens in the bytes of a mail, in any transfer encoding.

Pure, and linear in the size of the mail. It does not depend on how a parser reads the MIME structure: each line is
decoded as quoted-printable, lines are joined without quote marks, and each run of base64 lines is decoded and
searched in the same way, three levels deep. A token is only found here; its signature is checked by
relay/signing/link.py.
"""

import re
from binascii import Error, a2b_base64, a2b_qp, b2a_base64
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from relay.errors import UndecodableMail

MAX_TOKENS: Final = 1000  # distinct ones of one mail; a mail with more is refused
MAX_STARTS: Final = 100_000  # places at which a token may begin
MAX_DEPTH: Final = 3  # of base64 in base64
# base64url of "msg_" and "usr_", with which the words of every token begin.
_STARTS: Final = (b"bXNnX", b"dXNyX")
_TOKEN: Final = re.compile(rb"[A-Za-z0-9_-]{20,400}+\.[A-Za-z0-9_-]{43}")
_LONGEST: Final = 600
_LINE_END: Final = re.compile(rb"(?:(?<![ \t])[ \t]++)?\r?\n[ \t>|]*")
_BASE64_LINES: Final = re.compile(
    rb"^(?:[A-Za-z0-9+/]{20,}+={0,2}[ \t]*\r?\n)+(?:[A-Za-z0-9+/]+={0,2}[ \t]*\r?\n)?", re.MULTILINE
)
_PADDING: Final = re.compile(rb"=+")
_NO_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=]+")
_MOST_HELD: Final = 16 * 1024  # of a line without end
_PIECE: Final = 16 * 1024  # bytes searched at a time: one call on more would delay the other threads
_LEFT_OUT: Final = b"\r\n\t >|="


def _in_base64(mark: bytes) -> list[bytes]:
    """What base64 makes of *mark* at each of its three places in a group, without the characters that mix."""
    found = []
    for before in range(3):
        encoded = b2a_base64(b"\0" * before + mark, newline=False).rstrip(b"=")
        whole = (before + len(mark)) * 8 // 6  # characters that no later byte changes
        found.append(encoded[(0, 2, 3)[before] : whole])
    return found


_ONCE: Final = [form for mark in _STARTS for form in _in_base64(mark)]
_MARKS: Final = (*_STARTS, *_ONCE, *(form for mark in _ONCE for form in _in_base64(mark)))
_LONGEST_MARK: Final = max(map(len, _MARKS))


def may_hold_link_tokens(chunks: Iterable[bytes]) -> bool:
    """Whether the bytes of a mail may hold a token; much quicker than find_link_tokens, and never a false no.

    Line ends, quote marks and soft line breaks are left out. Then the first letters of a token are looked for as they
    are, and as base64 and base64 in base64 encode them, which they do in one of three ways, by their place.
    """
    carried = b""
    for chunk in chunks:
        compact = carried + chunk.translate(None, _LEFT_OUT)
        if any(mark in compact for mark in _MARKS):
            return True
        carried = compact[-_LONGEST_MARK:]
    return False


def find_link_tokens(chunks: Iterable[bytes]) -> set[str]:
    """The tokens in the mail that *chunks* make.

    Raises UndecodableMail: more look-alikes than any honest mail has; a mail that hides a token among them is refused.
    """
    search = _Search(set())
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE):
            search.feed(chunk[start : start + _PIECE])
    search.end()
    return search.found


class _Search:
    """The search in one stream of bytes, and in what its base64 lines hold."""

    def __init__(self, found: set[str], depth: int = 0) -> None:
        self.found = found
        self._depth = depth
        self._line = b""  # a last line without its end
        self._text = b""  # decoded text whose tokens may go on
        self._base64 = b""  # characters that do not yet make four
        self._inner: _Search | None = None
        self._starts = 0

    def feed(self, chunk: bytes) -> None:
        """Search *chunk* as far as whole lines go."""
        held = self._line + chunk
        cut = held.rfind(b"\n") + 1
        if not cut and len(held) > _MOST_HELD:
            cut = len(held) - 3
        self._line = held[cut:]
        if cut:
            self._search(held[:cut])

    def end(self) -> None:
        """Search what is left."""
        self._search(self._line + b"\n")
        self._search_text(self._text, upto=len(self._text))
        if self._inner is not None:
            self._inner.end()

    def _search(self, lines: bytes) -> None:
        text = self._text + _LINE_END.sub(b"", b"\n" + a2b_qp(lines))  # a line begins here, and may be quoted
        begun = max(0, len(text) - _LONGEST)
        self._search_text(text, upto=begun)
        self._text = text[begun:]
        if self._depth < MAX_DEPTH:
            self._search_base64(lines)

    def _search_text(self, text: bytes, *, upto: int) -> None:
        """Note the tokens of *text* that begin before *upto*."""
        for start in _STARTS:
            place = text.find(start, 0, upto + len(start) - 1)
            while place >= 0:
                self._note(text, place)
                place = text.find(start, place + 1, upto + len(start) - 1)

    def _note(self, text: bytes, place: int) -> None:
        self._starts += 1
        if token := _TOKEN.match(text, place):
            self.found.add(token[0].decode("ascii"))
        if len(self.found) > MAX_TOKENS or self._starts > MAX_STARTS:
            raise UndecodableMail("the mail has more link tokens than can be checked")

    def _search_base64(self, lines: bytes) -> None:
        held, self._base64 = self._base64, b""
        for run in _BASE64_LINES.finditer(lines):
            characters = _NO_BASE64.sub(b"", run[0])
            *padded, last = _PADDING.split(held + characters if run.start() == 0 else characters)
            for block in padded:
                self._feed_inner(block + b"=" * (-len(block) % 4))
            whole = len(last) // 4 * 4
            self._feed_inner(last[:whole])
            self._base64 = last[whole:] if run.end() == len(lines) else b""

    def _feed_inner(self, block: bytes) -> None:
        if self._inner is None:
            self._inner = _Search(self.found, self._depth + 1)
        with suppress(Error):  # characters that are no base64 after all
            self._inner.feed(a2b_base64(block))
