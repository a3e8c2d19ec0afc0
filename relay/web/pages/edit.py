"""A draft in a form, and what somebody changed in it: fields that came back as they were are not edits. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.web.pages.forms import Form
from store.pending_approval_edit import UNCHANGED, Absent, PendingApprovalEdit
from store.records_outbound import AttachmentInfo, Draft, OutboundMessage

_BETWEEN: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What the form holds; addresses one a line."""

    to: str
    cc: str
    bcc: str
    subject: str
    text: str
    html: str
    files: Sequence[AttachmentInfo]
    kept: frozenset[int]  # numbers of files that stay


def edited_of(message: OutboundMessage, form: Form | None = None) -> Edited:
    """The form as *form* brought it back, or with the draft as it is."""
    fields = {"to": _lines(message.to), "cc": _lines(message.cc), "bcc": _lines(message.bcc)}
    fields |= {"subject": message.subject, "text": _plain(message.text), "html": _plain(message.html)}
    if form is not None:
        fields = {name: form[name] for name in fields}
    numbers = frozenset(file.number for file in message.attachments)
    kept = numbers if form is None else frozenset(n for n in numbers if str(n) in form.all("keep"))
    return Edited(**fields, files=message.attachments, kept=kept)


def edit_of(edited: Edited, draft: Draft) -> PendingApprovalEdit:
    """What is changed in *draft*."""
    files = tuple(file for number, file in enumerate(draft.attachments) if number in edited.kept)
    return PendingApprovalEdit(
        to=_changed_people(edited.to, draft.to),
        cc=_changed_people(edited.cc, draft.cc),
        bcc=_changed_people(edited.bcc, draft.bcc),
        subject=UNCHANGED if edited.subject == draft.subject else edited.subject,
        text=UNCHANGED if edited.text == _plain(draft.text) else edited.text or None,
        html=UNCHANGED if edited.html == _plain(draft.html) else edited.html or None,
        attachments=UNCHANGED if len(files) == len(draft.attachments) else files,
    )


def _changed_people(written: str, was: tuple[str, ...]) -> tuple[str, ...] | Literal[Absent.UNCHANGED]:
    people = tuple(each for each in _BETWEEN.split(written) if each)
    return UNCHANGED if people == was else people


def _lines(addresses: Sequence[str]) -> str:
    return "\n".join(addresses)


def _plain(text: str | None) -> str:
    """A text as a text area gives it back."""
    return (text or "").replace("\r\n", "\n").replace("\r", "\n")
