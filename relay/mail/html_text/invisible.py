"""Characters that no reader sees: padding of newsletters, joiners, and text in tag characters."""

import re
from typing import Final

# A joiner between letters of scripts that need it, or between the pictures of an emoji, is part of a word.
_JOINED: Final = "\u0600-\u1fff\u2190-\u2bff\ufb50-\ufdff\ufe0f\ufe70-\ufefc\U00010000-\U0001faff"
_PADDING: Final = re.compile(
    rf"[\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff]+|(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"
)
# Tags spell ASCII (Unicode chapter 23.9). Behind a black flag a few of them and an end name a region.
_TAGS: Final = re.compile("(\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f)|[\U000e0020-\U000e007e]+\U000e007f?")
_TAG: Final = re.compile("[\U000e0020-\U000e007e]")
_SEEN_BLANKS: Final = re.compile("[ \t\n\r\f\x0b\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f]+")

_UNSEEN: Final = re.compile("[\u00ad\u034f\u180e\u200b-\u200d\u2060-\u2064\ufeff\U000e0020-\U000e007f]")

# What Python takes for a blank, and what is none or stays.
_UNCOMMON_BLANKS: Final = re.compile("[\x1c-\x1f\x85\u3000]")


def may_be_unseen(text: str) -> bool:
    """Whether *text* may hold a character that nothing shows."""
    return not text.isascii() and _UNSEEN.search(text) is not None


def visible(text: str) -> str:
    """*text* without characters that nothing shows."""
    return _PADDING.sub("", _TAGS.sub(r"\1", text))


def spelled_in_tags(text: str) -> str:
    """The words that *text* spells in tag characters."""
    if not _TAG.search(text):
        return ""
    runs = (found[0].rstrip("\U000e007f") for found in _TAGS.finditer(text) if not found[1])
    return " ".join("".join(chr(ord(sign) - 0xE0000) for sign in run) for run in runs)


def collapse(text: str) -> str:
    """*text* with each run of blanks as one space; an ideographic space stays."""
    if text.isascii() or not _UNCOMMON_BLANKS.search(text):
        return " ".join(text.split())
    return _SEEN_BLANKS.sub(" ", text).strip(" ")
