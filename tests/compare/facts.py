"""What is known about one mail, for the rules that decide a disagreement."""

from collections import Counter
from functools import cached_property

from relay.mail.headers import split_headers
from relay.mail.parse import attachments, parse
from relay.mail.parsed_mail import ParsedMail
from tests.compare.readers import words_of


class Facts:
    """A mail, and what our reader says beyond the members that are compared."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def parsed(self) -> ParsedMail:
        """Our whole reading."""
        return parse(self.raw)

    def fields(self, name: str) -> int:
        """How often the header has a field *name*."""
        return sum(field.name == name for field in split_headers(self.raw).fields)

    @cached_property
    def has_defects(self) -> bool:
        """Whether our reader tells that the structure or a coding is damaged."""
        return bool(self.parsed.defects)

    @cached_property
    def has_odd_line(self) -> bool:
        """Whether the header has a line that is no field."""
        return any(not field.name for field in split_headers(self.raw).fields)

    @cached_property
    def inside(self) -> set[str]:
        """The words of the files, of the page with its mark-up, and of hidden text."""
        found = set(words_of(self.parsed.html or "")) | set(self.hidden)
        for each in self.parsed.attachments:
            if each.message:
                found.update(words_of(f"{each.message.from_} {each.message.subject} {each.message.text}"))
        for part in attachments(self.raw):
            for charset in ("utf-8", "windows-1252"):
                found.update(words_of(part.content[:200_000].decode(charset, "replace")))
        return found

    @cached_property
    def written(self) -> set[str]:
        """The words of the octets of the mail, before any decoding."""
        return set(words_of(self.raw[:500_000].decode("utf-8", "replace")))

    @cached_property
    def hidden(self) -> Counter[str]:
        """The words that the page hides."""
        return Counter(word for each in self.parsed.hidden for word in words_of(each.text))

    @cached_property
    def targets(self) -> Counter[str]:
        """The words of the targets of links."""
        return Counter(word for link in self.parsed.links for word in words_of(link.url))
