"""Convert a draft to form fields, and submitted fields to an edit. Pure.

Fields that were submitted unchanged are not part of the edit.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.outbound.compose.recipients import with_name
from relay.web.pages.forms import Form
from store.outbound.edit import UNCHANGED, PendingApprovalEdit
from store.records.outbound import AttachmentInfo, Draft, OutboundMessage, RecipientSet

_BETWEEN_BARE: Final = re.compile(r"[\s,;]+")
_BETWEEN_NAMED: Final = re.compile(r"(?<=>)\s*[,;]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The form fields; recipients one a line, with their names."""

    to: str
    cc: str
    bcc: str
    subject: str
    text: str
    html: str
    files: Sequence[AttachmentInfo]
    kept: frozenset[int]  # numbers of files to keep


def edited_of(message: OutboundMessage, form: Form | None = None) -> Edited:
    """The fields submitted in *form*, or those of the current draft."""
    fields = {field: _lines(people, message) for field, people in message.by_field}
    fields |= {"subject": message.subject, "text": _plain(message.text), "html": _plain(message.html)}
    if form is not None:
        fields = {name: form[name] for name in fields}
    numbers = frozenset(file.number for file in message.attachments)
    kept = numbers if form is None else frozenset(n for n in numbers if str(n) in form.all("keep"))
    return Edited(**fields, files=message.attachments, kept=kept)


def edit_of(edited: Edited, draft: Draft) -> PendingApprovalEdit:
    """The changes from *draft* to the submitted fields."""
    files = tuple(file for number, file in enumerate(draft.attachments) if number in edited.kept)
    edit = PendingApprovalEdit(
        subject=UNCHANGED if edited.subject == draft.subject else edited.subject,
        text=UNCHANGED if edited.text == _plain(draft.text) else edited.text or None,
        html=UNCHANGED if edited.html == _plain(draft.html) else edited.html or None,
        attachments=UNCHANGED if len(files) == len(draft.attachments) else files,
    )
    if all(getattr(edited, field).strip() == _lines(people, draft) for field, people in draft.by_field):
        return edit
    to, cc, bcc = (tuple(_people(written)) for written in (edited.to, edited.cc, edited.bcc))
    # Replaces all names: the form holds every name, so a name removed in the form must not be kept.
    return replace(edit, to=to, cc=cc, bcc=bcc, names=())


def _people(text: str) -> Iterator[str]:
    """Split pasted recipients.

    Addresses separated by blanks or commas, or ``Name <address>`` separated by commas.
    """
    for line in text.splitlines():
        yield from filter(None, map(str.strip, (_BETWEEN_NAMED if "<" in line else _BETWEEN_BARE).split(line)))


def _lines(people: Sequence[str], addressed: RecipientSet) -> str:
    return "\n".join(with_name(addressed.name_of(each), each) for each in people)


def _plain(text: str | None) -> str:
    """*text* with LF line ends, as a text area submits it."""
    return (text or "").replace("\r\n", "\n").replace("\r", "\n")
