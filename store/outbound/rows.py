"""Map outbound rows to records, from ``messages`` and the tables that belong to it."""

from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, exists, select

from store.errors import MessageNotFound
from store.records.outbound import AnsweredMessage, AttachmentInfo, OutboundMessage, OutboundSummary
from store.schema.inbound import messages
from store.schema.outbound import outbound, outbound_attachments
from store.transaction import Tx

_BESIDE: Final = {column.name for column in outbound.c}
_NAMES: Final = [field.name for field in fields(OutboundSummary)]
_SUMMARY: Final = [(outbound if name in _BESIDE else messages).c[name] for name in _NAMES if name != "created_at"] + [
    messages.c.received_at.label("created_at")
]
_FILES: Final = [outbound_attachments.c[field.name] for field in fields(AttachmentInfo)]
_TEXTS: Final = (outbound.c.text, outbound.c.html, outbound.c.headers, outbound.c.answered)
_HAS_FILES: Final = exists().where(outbound_attachments.c.message_id == messages.c.id).label("has_files")
WHOLE: Final = select(*_SUMMARY, *_TEXTS, _HAS_FILES).join_from(outbound, messages)
_FILES_OF: Final = (
    select(*_FILES)
    .where(outbound_attachments.c.message_id == bindparam("message"))
    .order_by(outbound_attachments.c.number)
)


def summaries() -> Select[Any]:
    """A query for all outbound messages, without texts and attachments."""
    return select(*_SUMMARY).join_from(outbound, messages)


def summary_of(row: Row[Any]) -> OutboundSummary:
    """The record of a row of summaries()."""
    return OutboundSummary(**_summary_values(row))


def one_message(tx: Tx, query: Select[Any], **values: str) -> OutboundMessage:
    """The record of the row that *query*, a restriction of WHOLE, returns.

    Raises MessageNotFound: no row.
    """
    row = tx.execute(query, values).first()
    if row is None:
        raise MessageNotFound
    return OutboundMessage(
        **_summary_values(row),
        text=row.text,
        html=row.html,
        headers=tuple((name, value) for name, value in row.headers),
        answered=_answered(row.answered),
        attachments=_files(tx, row.id) if row.has_files else (),
    )


def _files(tx: Tx, message_id: str) -> tuple[AttachmentInfo, ...]:
    return tuple(AttachmentInfo(**file._mapping) for file in tx.execute(_FILES_OF, {"message": message_id}))


def _answered(kept: dict[str, Any] | None) -> AnsweredMessage | None:
    return AnsweredMessage(in_reply_to=kept["in_reply_to"], references=tuple(kept["references"])) if kept else None


def _summary_values(row: Row[Any]) -> dict[str, Any]:
    values = {name: row._mapping[name] for name in _NAMES}
    values |= {name: tuple(values[name]) for name in ("to", "cc", "bcc")}
    return values | {"names": tuple((address, name) for address, name in values["names"])}
