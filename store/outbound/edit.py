"""A reviewer's edit of a held message, before approval.

A field that is ``UNCHANGED`` keeps its value; ``""``, ``()`` or None empties it.
"""

from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Final, Literal

from store.records.outbound import Draft, OutboundAttachment


class Absent(Enum):
    """The sentinel for a field that the edit does not name."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Absent.UNCHANGED
_Absent = Literal[Absent.UNCHANGED]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingApprovalEdit:
    """The fields of a draft that a reviewer changes; addresses are bare."""

    subject: str | _Absent = UNCHANGED
    text: str | _Absent | None = UNCHANGED
    html: str | _Absent | None = UNCHANGED
    to: tuple[str, ...] | _Absent = UNCHANGED
    cc: tuple[str, ...] | _Absent = UNCHANGED
    bcc: tuple[str, ...] | _Absent = UNCHANGED
    names: tuple[tuple[str, str], ...] | _Absent = UNCHANGED
    attachments: tuple[OutboundAttachment, ...] | _Absent = UNCHANGED


NO_EDIT: Final = PendingApprovalEdit()


def apply(edit: PendingApprovalEdit, draft: Draft) -> tuple[Draft, bool]:
    """*draft* with the edited fields, and whether any value differs."""
    named = {field.name: getattr(edit, field.name) for field in fields(edit)}
    given = {name: value for name, value in named.items() if value is not UNCHANGED}
    edited = replace(draft, **given)
    return edited, edited != draft
