"""Parse a message into a `ParsedMail`: text, HTML, attachments and headers.

Do not call this in the SMTP transaction or on the event loop: a large message takes tens of
milliseconds. Never raises, for any input.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import Final, TypeVar

from relay.mail.body import MAX_BODY_PARTS, MailBody, cut
from relay.mail.contents import File, OpenMail, unpacked_leaf
from relay.mail.decode import clean_text, decode_bytes, decode_value
from relay.mail.fields.automatic import AUTOMATIC_FIELDS, automated_reason
from relay.mail.headers import Headers
from relay.mail.parsed_mail import Attachment, Calendar, InnerAttachment, InnerMail, ParsedMail, Part, Report
from relay.mail.part import Leaf
from relay.mail.report import read_report
from relay.mail.unpack.calendar import CALENDAR_TYPES, MAX_BYTES, event_text, read_calendar
from relay.mail.unpack.rtf import inflate_rtf, rtf_text
from relay.mail.unpack.tnef import Tnef

MAX_ATTACHMENTS: Final = 1000
MAX_HEADERS: Final = 1000
MAX_LINKS: Final = 100
MAX_HIDDEN: Final = 20
_T = TypeVar("_T")
_MAX_INNER_TEXT: Final = 256 * 1024  # characters of the texts of all mails in the mail
_MAX_RTF_BODIES: Final = 2  # of TNEF streams whose words are read
_REPORT_TYPES: Final = frozenset(
    {
        "message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
        "message/global-disposition-notification", "message/feedback-report", "message/tracking-status",
        "message/partial",
    }
)  # fmt: skip


def parse(
    raw: bytes, headers: Headers | None = None, *, null_sender: bool = False, is_bounce: bool | None = None
) -> ParsedMail:
    """Parse *raw*, a complete message with CRLF line ends; *null_sender*: it came from the null reverse-path.

    *is_bounce*: what ``summarise`` says of the header; None when it was not asked.
    """
    mail = OpenMail(raw, headers)
    reading = _Reading(mail)
    text, html = reading.text(mail), mail.reader.join(mail.body.html, words=False)
    pages = [mail.reader.page(leaf) for leaf in mail.body.html[:MAX_BODY_PARTS]]
    attachments = reading.attachments(frozenset[str]().union(*(page.references for page in pages)))
    return ParsedMail(
        text=text.text,
        text_is_inside=reading.is_inside,
        html=html.text if html else None,
        charset_used=text.charset or (html.charset if html else None),
        truncated=text.truncated or (html is not None and html.truncated),
        attachments=attachments,
        attachments_truncated=len(reading.files) > MAX_ATTACHMENTS,
        headers=_header_list(mail.headers),
        defects=tuple(dict.fromkeys((*_header_defects(mail.headers), *reading.defects()))),
        links=_first((link for page in pages for link in page.links), MAX_LINKS),
        hidden=_first((hidden for page in pages for hidden in page.hidden), MAX_HIDDEN),
        calendar=_calendar(mail),
        report=_report(mail, text.text, null_sender=null_sender, is_bounce=is_bounce),
    )


def _report(mail: OpenMail, text: str, *, null_sender: bool, is_bounce: bool | None) -> Report | None:
    """The report in the message, for a bounce without a part for programs out of its words."""
    values = {field.name: field.value for field in reversed(mail.headers.fields) if field.name in AUTOMATIC_FIELDS}
    if is_bounce is None:
        is_bounce = automated_reason(values, null_sender=null_sender) == "bounce"
    return read_report(mail.leaves, values, text, is_bounce=is_bounce)


def attachment(raw: bytes, index: int) -> Part | None:
    """The part listed as ``parse(raw).attachments[index]``; None without such a part."""
    if not 0 <= index < MAX_ATTACHMENTS:
        return None
    return next((_part(file) for file in islice(OpenMail(raw).listed(), index, index + 1)), None)


def attachments(raw: bytes) -> Iterator[Part]:
    """The parts listed in ``parse(raw).attachments``, in the same order."""
    return (_part(file) for file in islice(OpenMail(raw).listed(), MAX_ATTACHMENTS))


def _part(file: File) -> Part:
    return Part(
        content=file.leaf.read(),
        content_type=file.leaf.content_type,
        filename=file.filename,
        unpacked=file.unpacked,
    )


class _Reading:
    """The texts and the list of files of an open message."""

    def __init__(self, mail: OpenMail) -> None:
        self._mail = mail
        self.files = list(mail.listed())
        self._indexes = {id(file.leaf): index for index, file in enumerate(self.files[:MAX_ATTACHMENTS])}
        self._left = _MAX_INNER_TEXT
        self._rtf_left = _MAX_RTF_BODIES
        self.is_inside = False  # the text of the message is that of its files
        self._sizes: dict[int, int] = {}  # by id of the leaf

    def text(self, mail: OpenMail) -> MailBody:
        """The words of *mail*: of its body, else of what is inside its files."""
        body = mail.reader.join(mail.body.text, words=True)
        if body is not None and body.text.strip():
            return body
        words = self._words_of_files(mail)
        self.is_inside = self.is_inside or (mail is self._mail and words is not None)
        return words or body or MailBody("", "", truncated=False)

    def _words_of_files(self, mail: OpenMail) -> MailBody | None:
        """Where the body says nothing: the words of reports, of TNEF, of mails in the mail, of an invitation."""
        found = [mail.reader.decoded(leaf).text for leaf in mail.leaves if leaf.content_type in _REPORT_TYPES]
        found = found or [words for stream in mail.tnef if (words := self._words_of_tnef(mail, stream)).strip()]
        found = found or [self.text(file.mail).text for file in mail.files if file.mail]
        found = found or [_event_words(leaf) for leaf in _calendars(mail)[:1]]
        words = "\n\n".join(text.strip("\n") for text in found if text.strip())
        if not words:
            return None
        text, truncated = cut(words)
        return MailBody(text, "utf-8", truncated)

    def _words_of_tnef(self, mail: OpenMail, stream: Tnef) -> str:
        if stream.text.strip():
            return stream.text
        if not stream.html.strip():
            self._rtf_left -= 1
            return rtf_text(inflate_rtf(stream.rtf)) if self._rtf_left >= 0 else ""
        page = mail.reader.join([unpacked_leaf(stream.html, "", "text/html")], words=True)
        return page.text if page else ""

    def attachments(self, references: frozenset[str]) -> tuple[Attachment, ...]:
        """The files as they are listed, of a message whose pages have *references*."""
        return tuple(self._listed(index, file, references) for index, file in enumerate(self.files[:MAX_ATTACHMENTS]))

    def _listed(self, index: int, file: File, references: frozenset[str]) -> Attachment:
        size, digest = 0, sha256()
        for piece in file.leaf.pieces():
            size += len(piece)
            digest.update(piece)
        self._sizes[id(file.leaf)] = size
        return Attachment(
            index=index,
            filename=file.filename,
            content_type=file.leaf.content_type,
            size=size,
            sha256=digest.hexdigest(),
            content_id=file.leaf.content_id,
            inline=_is_shown(file.leaf, references),
            message=self._inner(file.mail) if file.mail else None,
        )

    def _inner(self, mail: OpenMail) -> InnerMail:
        summary = mail.summary
        text = self.text(mail).text[: self._left]
        self._left -= len(text)
        return InnerMail(
            from_=summary.from_,
            subject=summary.subject,
            date=summary.date,
            text=text,
            attachments=tuple(self._inner_file(file) for file in mail.files[:MAX_ATTACHMENTS]),
        )

    def _inner_file(self, file: File) -> InnerAttachment:
        return InnerAttachment(
            index=self._indexes.get(id(file.leaf)),
            filename=file.filename,
            content_type=file.leaf.content_type,
            size=self._size(file.leaf),
            message=self._inner(file.mail) if file.mail else None,
        )

    def _size(self, leaf: Leaf) -> int:
        if id(leaf) not in self._sizes:
            self._sizes[id(leaf)] = sum(map(len, leaf.pieces()))
        return self._sizes[id(leaf)]

    def defects(self) -> list[str]:
        """What is wrong in the structure and the encodings."""
        mail = self._mail
        found = [*mail.defects, *(defect for leaf in mail.leaves if (defect := leaf.defect)), *mail.limits.defects]
        if len(self.files) > MAX_ATTACHMENTS:
            found.append(f"only the first {MAX_ATTACHMENTS} of {len(self.files)} attachments are listed")
        return found


def _first(found: Iterable[_T], most: int) -> tuple[_T, ...]:
    """The first *most* different values."""
    return tuple(islice(dict.fromkeys(found), most))


def _header_list(headers: Headers) -> tuple[tuple[str, str], ...]:
    named = (field for field in headers.fields if field.name)
    return tuple(
        (field.raw.partition(b":")[0].strip(b" \t").decode("ascii"), decode_value(field.value))
        for field in islice(named, MAX_HEADERS)
    )


def _header_defects(headers: Headers) -> list[str]:
    defects: list[str] = []
    if any(not field.name for field in headers.fields):
        defects.append("a line of the header section is not a header field")
    if len(headers.fields) > MAX_HEADERS:
        defects.append(f"only the first {MAX_HEADERS} header fields are listed")
    return defects


def _is_shown(leaf: Leaf, references: frozenset[str]) -> bool:
    """Whether *leaf* belongs to a page: the page refers to it, or it is a picture sent with a page.

    References are by Content-ID or Content-Location (RFC 2392, RFC 2557).
    """
    if leaf.content_id in references or (leaf.content_location and leaf.content_location in references):
        return True
    if leaf.disposition == "attachment":
        return False
    return leaf.place.companion or (leaf.disposition == "inline" and leaf.content_type.startswith("image/"))


def _calendars(mail: OpenMail) -> list[Leaf]:
    return [leaf for leaf in mail.leaves if leaf.content_type in CALENDAR_TYPES]


def _calendar(mail: OpenMail) -> Calendar | None:
    for leaf in _calendars(mail)[:3]:
        if found := read_calendar(_calendar_text(leaf), method=leaf.parameters.get("method")):
            return found
    return None


def _event_words(leaf: Leaf) -> str:
    text = _calendar_text(leaf)
    calendar = read_calendar(text)
    return event_text(calendar, text) if calendar else text


def _calendar_text(leaf: Leaf) -> str:
    return clean_text(decode_bytes(leaf.read(MAX_BYTES)[:MAX_BYTES], leaf.charset)[0])
