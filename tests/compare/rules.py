"""The classes of disagreement, as rules: which member, which readers, how it is told, and who is right.

A disagreement belongs to the first rule that holds. `right` is "ours", "theirs", "either" (readers may choose) or
"none" (the mail is too damaged). One that no rule holds for is undecided, and the run fails.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.compare.facts import Facts
from tests.compare.readers import failed

_CODED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9]{14,}")
_UUENCODED: Final = re.compile(rb"\nbegin [0-7]{3,4} ")
ALL: Final = ("mailparser", "postal-mime", "email")
PEOPLE: Final = ("from", "to", "cc", "reply_to")
IDS: Final = ("message_id", "in_reply_to", "references")
_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+")
_ADDRESS: Final = re.compile(r"[^\s\"<>()@,;:]+@[^\s\"<>()@,;:]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One class."""

    members: tuple[str, ...]
    readers: tuple[str, ...]
    name: str  # what is in the mail and what the other reader does
    right: Literal["ours", "theirs", "either", "none"]
    why: str  # the RFC and section, or what people see
    holds: Callable[[Facts, Any, Any], bool]  # of the mail, our value and theirs


def _lost(value: Any) -> bool:
    """Whether an octet could not be read."""
    return "\ufffd" in repr(value) or "\\udc" in repr(value) or "ï¿½" in repr(value)


def _made_up(_: Facts, __: Any, theirs: list[str]) -> bool:
    return any(not _ADDRESS.fullmatch(each) for each in theirs)


def _fewer(one: list[str], other: list[str]) -> bool:
    return not Counter(one) - Counter(other)


def _extra(one: list[str], other: list[str]) -> Counter[str]:
    return Counter(one) - Counter(other)


def _names(found: list[tuple]) -> list[tuple]:
    return sorted(((kind, digest) for _, kind, digest in found), key=repr)


def _digests(found: list[tuple]) -> list[str]:
    return sorted(digest for *_, digest in found)


def _kinds(found: list[tuple]) -> list[tuple]:
    return sorted(((name, kind) for name, kind, _ in found), key=repr)


def _only_kinds(found: Counter, *starts: str) -> bool:
    return bool(found) and all(kind.startswith(starts) for _, kind, _ in found)


def _as_page(mail: Facts, ours: list[str], theirs: list[str]) -> bool:
    """Whether nothing but hidden words, targets of links and blanks between words differs."""
    more, less = _extra(ours, theirs) - mail.targets, _extra(theirs, ours) - mail.hidden
    return mail.parsed.html is not None and Counter("".join(more.elements())) == Counter("".join(less.elements()))


def _undecoded(_: Facts, ours: list[str], theirs: list[str]) -> bool:
    """Whether they have words that look like base64 and are none of ours."""
    return any(_CODED.fullmatch(word) for word in _extra(theirs, ours))


def _from_inside(mail: Facts, ours: list[str], theirs: list[str]) -> bool:
    """Whether their other words are those of files, of mark-up, or words that the page hides."""
    return not _extra(ours, theirs) and mail.inside.issuperset(_extra(theirs, ours))


def _several(mail: Facts, ours: list[str], theirs: list[str]) -> bool:
    """Whether their other words are hidden ones, those of files, or ours without the blanks between them."""
    more, all_ours = _extra(theirs, ours), "".join(ours)
    return bool(more) and all(word in mail.inside or word in all_ours for word in more)


def _odd(found: list[str]) -> int:
    return "".join(found).count("\ufffd")


def _other_letters(_: Facts, ours: list[str], theirs: list[str]) -> bool:
    """Whether all ASCII words of ours are in theirs, if only as a part of a word."""
    all_theirs = " ".join(theirs)
    return "\ufffd" not in "".join(ours) and all(word in all_theirs for word in _extra(ours, theirs) if word.isascii())


FIELD_RULES: Final = (
    Rule(("subject", *PEOPLE, "date", *IDS, "text", "html", "attachments"), ("email",),
         "a line that is no header field: `email` ends the header there", "ours",
         "the fields below are fields (RFC 5322 §2.2); mail programs show them",
         lambda mail, _, __: mail.has_odd_line),
    Rule(("subject", *PEOPLE, "date", *IDS, "text", "html", "attachments"), ALL,
         "the reader raises an error", "ours", "a damaged field takes no other away",
         lambda _, __, theirs: failed(theirs)),
    Rule(("subject",), ALL, "several Subject fields: the last is taken", "ours",
         "one is allowed (RFC 5322 §3.6); mail programs show the first",
         lambda mail, _, __: mail.fields("subject") > 1),
    Rule(("subject",), ALL, "raw or mislabelled octets in the subject come out as U+FFFD or as other letters", "ours",
         "the octets are letters in UTF-8, in the charset of the body or in the label's real charset",
         lambda mail, ours, theirs: _lost(theirs) and not _lost(ours)),
    Rule(("subject",), ALL, "encoded words with damage, odd labels or UTF-7 are read in part", "ours",
         "RFC 2047 §6.2 joins what was split; the label's charset is known",
         lambda mail, ours, _: b"=?" in mail.raw and not _lost(ours)),
    Rule(PEOPLE, ALL, "an address in UTF-8 comes out as octets", "ours", "RFC 6532 §3.2",
         lambda _, ours, theirs: _lost(theirs) and not _lost(ours)),
    Rule(PEOPLE, ("email",), "a stray quote in an address", "none", "such an address is never answered",
         lambda _, ours, __: any('"' in each for each in ours)),
    Rule(PEOPLE, ALL, "words that are no address are given as one, or words are joined to one", "ours",
         "an address is `x@y` (RFC 5322 §3.4.1), or the field is empty: a made-up one may be answered", _made_up),
    Rule(PEOPLE, ALL, "an address within damage is missed", "ours",
         "it is the only `x@y` of the field, or in the only angle brackets",
         lambda _, ours, theirs: _fewer(theirs, ours)),
    Rule(PEOPLE, ALL, "several fields of a name: other order, or one of them", "ours",
         "all of them, in the order of the mail", lambda _, ours, theirs: sorted(ours) == sorted(theirs)),
    Rule(("date",), ALL, "no date, or another: ISO 8601, a zone with a colon or behind a comment, a named zone, AM and PM",
         "ours", "what is written is clear (RFC 5322 §4.3 and common use)",
         lambda _, ours, theirs: ours is not None),
    Rule(("date",), ALL, "a date out of a field that tells none", "ours", "null, never wrong",
         lambda _, ours, theirs: ours is None),
    Rule(IDS, ALL, "an id with folds, phrases, commas or damage is kept as written", "ours",
         "an id is what is in the brackets, without blanks (RFC 5322 §3.6.4, §4.5.4)",
         lambda _, ours, theirs: ours != theirs and bool(ours)),
    Rule(IDS, ALL, "a value without an id is given as one", "ours", "RFC 5322 §3.6.4",
         lambda _, ours, theirs: not ours),
)  # fmt: skip


FILE_RULES: Final = (
    Rule(("attachments",), ("postal-mime",), "text files and mails in the mail are decoded and encoded again", "ours",
         "the hash is of the octets that were sent",
         lambda _, ours, theirs: _kinds(ours) == _kinds(theirs) and _digests(ours) != _digests(theirs)
         and all(kind.startswith(("text/", "message/", "application/p")) for _, kind, _ in set(ours) - set(theirs))),
    Rule(("attachments",), ALL, "a mail in the mail: not listed, without name or hash of its octets, or taken apart", "ours",
         "it is a part with a subject to name it, and can be fetched as it was sent",
         lambda _, ours, theirs: any(kind == "message/rfc822" for _, kind, _ in set(ours) - set(theirs))),
    Rule(("attachments",), ALL, "a Content-Type with a missing semicolon or noise is taken whole; its text becomes a file",
         "ours", "the type is the first word, and an unreadable one is text (RFC 2045 §5.1, §5.2)",
         lambda _, ours, theirs: any(not _TYPE.fullmatch(kind) for _, kind, _ in theirs)),
    Rule(("attachments",), ALL, "reports and calendars: not listed, or under another name", "ours",
         "each part for programs is listed (RFC 3462, RFC 5546)",
         lambda _, ours, theirs: _only_kinds(
             Counter(ours) - Counter(theirs), "message/", "text/calendar", "text/rfc822", "text/x-amp"
         )),
    Rule(("attachments",), ALL, "a text whose type cannot be read, or is unknown, is listed as a file", "ours",
         "it is text (RFC 2045 §5.2, RFC 2046 §4.1.4)",
         lambda _, ours, theirs: _fewer(ours, theirs) and _only_kinds(Counter(theirs) - Counter(ours), "text", "html", "plain")),
    Rule(("attachments",), ALL, "a multipart without parts is listed as a file", "ours", "its words are the text",
         lambda _, ours, theirs: _only_kinds(Counter(theirs) - Counter(ours), "multipart")),
    Rule(("attachments",), ALL, "file names in odd forms: none, in part, with U+FFFD, quotes or a path", "ours",
         "RFC 2183 §2.3, RFC 2231, RFC 2047; a name is safe to write",
         lambda _, ours, theirs: _names(ours) == _names(theirs)),
    Rule(("attachments",), ALL, "the type is guessed from the name", "either", "ours is the declared one",
         lambda _, ours, theirs: _digests(ours) == _digests(theirs)),
    Rule(("attachments",), ALL, "files within uuencoded text, winmail.dat, S/MIME or a mail in the mail are not listed", "ours",
         "people see them; all can be fetched",
         lambda _, ours, theirs: _fewer(theirs, ours)),
    Rule(("attachments",), ALL, "octets of a file in a damaged coding or structure differ", "either",
         "what can be read is read, and `parse.defects` tells",
         lambda mail, ours, theirs: mail.has_defects or len(ours) == len(theirs)),
)  # fmt: skip


TEXT_RULES: Final = (
    Rule(("html",), ALL, "a page whose type, place or boundary is odd is not found", "ours",
         "RFC 8621 §4.1.4, RFC 2387 §3.2; mail programs show it", lambda _, ours, __: ours),
    Rule(("html",), ALL, "an HTML file, or HTML of another mail, is taken for the page", "ours",
         "a part with a name or below a delimiter that is no part's is none", lambda _, ours, __: not ours),
    Rule(("text",), ALL, "the same letters, in other words: folds of format=flowed, soft breaks, mark-up within words", "ours",
         "RFC 3676 §4.1, RFC 2045 §6.7", lambda _, ours, theirs: "".join(ours) == "".join(theirs)),
    Rule(("text",), ALL, "octets come out as U+FFFD or are left out", "ours",
         "the WHATWG Encoding Standard's label, else UTF-8, else windows-1252",
         lambda _, ours, theirs: _odd(theirs) > _odd(ours)),
    Rule(("text",), ALL, "a page: hidden words are part of the text, targets of links are not, cells run together", "ours",
         "`hidden_text` has the hidden words; an agent needs the targets and the cells", _as_page),
    Rule(("text",), ALL, "base64 or quoted-printable stays as it is, for blanks or damage in the declaration", "ours",
         "RFC 2045 §6: the mechanism is a word without case; its damage is told in `parse.defects`", _undecoded),
    Rule(("text",), ALL, "hidden words, mark-up, or words of reports and mails inside are part of the text", "ours",
         "people do not see them; `hidden_text`, `report` and `attachments` have them", _from_inside),
    Rule(("text",), ALL, "words are missing: of one half of a mixed mail, of a page, of a text that is listed as a file", "ours",
         "all inline text is shown (RFC 8621 §4.1.4)",
         lambda _, ours, theirs: _fewer(theirs, ours)),
    Rule(("text",), ALL, "uuencoded lines are part of the text", "ours", "people see a file; it is listed",
         lambda mail, _, __: bool(_UUENCODED.search(mail.raw))),
    Rule(("text",), ALL, "text beyond 256 KiB", "ours", "a bound: `truncated` is true",
         lambda mail, _, __: mail.parsed.truncated),
    Rule(("text",), ("mailparser",), "headings of a page are written in capitals", "either", "a choice of layout",
         lambda _, ours, theirs: [word.lower() for word in ours] == [word.lower() for word in theirs]),
    Rule(("text",), ALL, "letters beyond ASCII come out as other letters: an unknown or wrong label or coding", "ours",
         "the WHATWG Encoding Standard's label, and UTF-8 where the octets are that beyond accident", _other_letters),
    Rule(("text",), ALL, "fields and delimiters of parts are taken for words", "ours",
         "a delimiter ends the part before it (RFC 2046 §5.1.1)",
         lambda mail, ours, theirs: not _extra(ours, theirs) and mail.written.issuperset(_extra(theirs, ours))),
    Rule(("text",), ("mailparser", "postal-mime"), "a page in quoted-printable that is declared 7bit", "none",
         "its attributes cannot be told from its words", lambda mail, _, __: b"=3D" in mail.raw),
    Rule(("text",), ALL, "several of the differences above in one mail", "ours", "as above", _several),
    Rule(("text",), ALL, "an empty line within the fields of a part or the mail", "none",
         "it ends the fields (RFC 5322 §2.1)", lambda _, ours, __: not {"Content", "charset"}.isdisjoint(ours)),
    Rule(("text",), ALL, "a mail that is damaged in its structure or coding: readers save other words of it", "none",
         "what can be read is read, and `parse.defects` tells", lambda mail, _, __: mail.has_defects),
)  # fmt: skip

RULES: Final = (*FIELD_RULES, *FILE_RULES, *TEXT_RULES)


def rule_of(member: str, reader: str, mail: Facts, ours: Any, theirs: Any) -> Rule | None:
    """The first rule that a disagreement belongs to."""
    for rule in RULES:
        if member in rule.members and reader in rule.readers and rule.holds(mail, ours, theirs):
            return rule
    return None
