"""Open a message: its leaves, its body, its files, and the mails and files inside those.

What is inside an opaque S/MIME signature is read as parts of the message. Files of TNEF streams, of
uuencoded text and of mails in the mail are listed behind the files of the message itself. All is
bounded: depth, mails and streams that are opened, and files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from relay.mail.body import MAX_BODY_PARTS, BodyReader, HtmlBudget
from relay.mail.body_choice import BodyChoice
from relay.mail.headers import Headers, split_headers
from relay.mail.parameters import MAX_FILENAME, safe_filename
from relay.mail.part import Leaf, leaves
from relay.mail.summary import Summary, summarise
from relay.mail.tree import Node, read_entity, read_tree
from relay.mail.unpack.calendar import CALENDAR_TYPES
from relay.mail.unpack.smime import MAX_INFLATED, SIGNED_TYPES, opaque_content
from relay.mail.unpack.tnef import TNEF_TYPES, Tnef, read_tnef

MAX_DEPTH: Final = 3  # of mails in mails
MAX_OPENED: Final = 100  # mails that are opened in a message
MAX_STREAMS: Final = 8  # TNEF streams and opaque signatures that are opened in a message
MAIL_TYPES: Final = frozenset({"message/rfc822", "message/global", "message/news"})
_MAX_SIGNATURES: Final = 3  # one inside the other
_LISTED_HEADER: Final = 64 * 1024  # bytes of a mail in the mail that is not opened, read for its subject


@dataclass(slots=True)
class OpeningBudget:
    """What may still be opened."""

    opened: int = MAX_OPENED
    streams: int = MAX_STREAMS
    inflated: int = MAX_INFLATED
    html: HtmlBudget = field(default_factory=HtmlBudget)
    defects: list[str] = field(default_factory=list)

    def take(self) -> bool:
        """Whether one more mail may be opened."""
        self.opened -= 1
        if self.opened == -1:
            self.defects.append(f"only the first {MAX_OPENED} mails in the mail were opened")
        return self.opened >= 0

    def take_stream(self) -> bool:
        """Whether one more TNEF stream or signature may be opened."""
        self.streams -= 1
        if self.streams == -1:
            self.defects.append(f"only the first {MAX_STREAMS} TNEF streams and signatures were opened")
        return self.streams >= 0


@dataclass(slots=True)
class File:
    """A part that is listed as an attachment."""

    leaf: Leaf
    unpacked: bool  # its bytes are in another file that is listed
    mail: "OpenMail | None" = None  # of a part that is a mail, to a depth of three

    @property
    def filename(self) -> str | None:
        """The name that is listed: of a mail its subject, where the part has none."""
        if self.leaf.filename:
            return self.leaf.filename
        if self.leaf.content_type in MAIL_TYPES:
            return _named_after(self._summary.subject)
        return "invite.ics" if self.leaf.content_type in CALENDAR_TYPES else None

    @property
    def _summary(self) -> Summary:
        return self.mail.summary if self.mail else summarise(split_headers(self.leaf.read(_LISTED_HEADER)))


class OpenMail:
    """A message with its structure read. Nothing of it is decoded but what the choice of the body needs."""

    def __init__(self, raw: bytes, headers: Headers | None = None, *, inside: "OpenMail | None" = None) -> None:
        self.headers = headers or split_headers(raw)
        self.limits: OpeningBudget = inside.limits if inside else OpeningBudget()
        self.depth: int = inside.depth + 1 if inside else 0
        self.reader = BodyReader(self.limits.html)
        self.tnef: list[Tnef] = []
        tree = read_tree(raw, self.headers)
        self.defects = list(tree.defects)
        found: list[Leaf] = []
        self._inside: set[int] = set()  # ids of the leaves that are inside a signature
        numbers = count()
        for leaf in leaves(tree, numbers):
            found.append(leaf)
            self._open_signed(leaf, found, numbers, left=_MAX_SIGNATURES)
        self.leaves = found
        self.body = BodyChoice(found, self.reader.is_blank)
        self.files = list(self._own_files())

    @property
    def summary(self) -> Summary:
        """The main header fields."""
        return summarise(self.headers)

    def listed(self) -> Iterator[File]:
        """All files: those of the message, then those of the mails in it, but for texts without a name."""
        yield from self.files
        for each in self.files:
            if each.mail:
                for inner in each.mail.listed():
                    if inner.filename or not inner.leaf.content_type.startswith("text/"):
                        yield File(inner.leaf, unpacked=True, mail=inner.mail)

    def _open_signed(self, leaf: Leaf, found: list[Leaf], numbers: Iterator[int], *, left: int) -> None:
        """Put the leaves inside an opaque signature or compressed part behind *leaf* in *found*."""
        if leaf.content_type not in SIGNED_TYPES or not left or not self.limits.take_stream():
            return
        opened = opaque_content(leaf.read(), most=self.limits.inflated)
        if opened is None:
            return
        self.limits.inflated -= opened.inflated
        if not opened.whole:
            self.defects.append("a compressed part is damaged, or too large to be read to its end")
        tree = read_entity(opened.content)
        self.defects.extend(tree.defects)
        for inner in leaves(tree, numbers):
            found.append(inner)
            self._inside.add(id(inner))
            self._open_signed(inner, found, numbers, left=left - 1)

    def _own_files(self) -> Iterator[File]:
        inside: list[Leaf] = []
        for leaf in self.body.others:
            if id(leaf) in self._inside:
                inside.append(leaf)
            else:
                yield self._file(leaf, unpacked=False)
        for leaf in inside:
            yield self._file(leaf, unpacked=True)
        for leaf in self.body.text[:MAX_BODY_PARTS]:
            for name, content in self.reader.files(leaf):
                yield File(unpacked_leaf(content, name), unpacked=False)
        for leaf in self.body.others:
            yield from self._tnef_files(leaf)

    def _file(self, leaf: Leaf, *, unpacked: bool) -> File:
        is_mail = leaf.content_type in MAIL_TYPES and self.depth < MAX_DEPTH
        if not is_mail or not self.limits.take():
            return File(leaf, unpacked)
        raw = leaf.read()
        return File(leaf, unpacked, OpenMail(raw, inside=self))

    def _tnef_files(self, leaf: Leaf) -> Iterator[File]:
        named = leaf.content_type == "application/octet-stream" and (leaf.filename or "").lower() == "winmail.dat"
        if not (named or leaf.content_type in TNEF_TYPES) or not self.limits.take_stream():
            return
        stream = read_tnef(leaf.read())
        if stream is None or not stream.whole:
            self.defects.append("a winmail.dat part is damaged")
        if stream is not None:
            self.tnef.append(stream)
            for each in stream.files:
                leaf = unpacked_leaf(each.content, each.name, each.content_type, each.content_id)
                yield File(leaf, unpacked=True)


def unpacked_leaf(
    content: bytes, name: str, content_type: str = "application/octet-stream", content_id: str | None = None
) -> Leaf:
    """A leaf of the bytes *content*, which have no header."""
    fields = {"content-id": content_id} if content_id else {}
    return Leaf(content, Node(fields, 0, len(content), content_type), name=name)


def _named_after(subject: str) -> str | None:
    return safe_filename(f"{subject[: MAX_FILENAME - 4].strip(' .')}.eml") if subject.strip(" .") else None
