"""Assign messages to conversations by the Message-IDs they name (RFC 5322 §3.6.4).

Grouping only, never authority: any sender may name any id. Ids are compared for equality, case-sensitively, and
only within one agent. A message is known by its own Message-ID and, when a provider sent it, by the provider's id
too: Amazon SES answers a send with a bare id and appends ``@region.amazonses.com`` to it in the message that
leaves, so the part before the ``@`` is stored and looked up.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Select, Text, and_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSON

from store.database.constant import Constant
from store.errors import ConversationNotFound
from store.schema.inbound import messages
from store.transaction import Tx

MAX_REFERENCES: Final = 50
# What follows SES's id: its domain, or only the region part.
_PROVIDER_DOMAIN: Final = re.compile(
    r"@(?:email\.amazonses\.com|[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}(?:\.amazonses\.com(?:\.cn)?)?)", re.IGNORECASE
)


def bare_id(message_id: str) -> str:
    """*message_id* without surrounding white space and angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">").strip()


def provider_id(message_id: str) -> str | None:
    """The provider's id in a Message-ID with a provider's domain; else None."""
    local, at, domain = bare_id(message_id).rpartition("@")
    return local if local and _PROVIDER_DOMAIN.fullmatch(at + domain) else None


def normalise_message_id(message_id: str) -> str:
    """A provider's answer to a send in the stored form: ``0100abc``, without domain."""
    return provider_id(message_id) or bare_id(message_id)


def lookup_conversation_id(tx: Tx, agent: str, parent_ids: Sequence[str]) -> str | None:
    """The conversation of the nearest known parent; None when no parent is known.

    *parent_ids* are ordered nearest first; at most 50 are looked up, with or without angle brackets, a provider's
    with or without its domain.
    """
    forms = _forms(parent_ids[:MAX_REFERENCES])
    if not forms:
        return None
    # A parent in the same commit group is too new to have been answered.
    found = tx.fetch_before_deferred(_NEAREST, {"agent": agent, "ids": orjson.dumps(forms).decode()})
    conversation: str | None = found[0].conversation_id if found else None
    return conversation


def newest_message_id(tx: Tx, agent: str, conversation_id: str) -> str | None:
    """The Message-ID of the newest message of a conversation, of either direction.

    Raises ConversationNotFound.
    """
    mine = and_(messages.c.agent == agent, messages.c.conversation_id == conversation_id)
    query = select(messages.c.email_message_id).where(mine).order_by(messages.c.seq.desc()).limit(1)
    row = tx.execute(query).first()
    if row is None:
        raise ConversationNotFound
    message_id: str | None = row.email_message_id
    return message_id


def _forms(parent_ids: Sequence[str]) -> list[str]:
    forms: dict[str, None] = {}
    for parent in parent_ids:
        for form in (bare_id(parent), provider_id(parent)):
            if (
                form and form.isprintable()
            ):  # unprintable text (NUL, a lone surrogate) is rejected by databases and is in no row
                forms[form] = None
    return list(forms)


def _nearest(named: Any, order: Any, wanted: Any) -> Select[Any]:
    """A query for the conversation of the first known id of *wanted*, by *order*.

    Of several messages with one id the oldest counts: a sender who repeats an id does not draw answers to it into
    another conversation. Each id costs two index look-ups, however many messages repeat it.
    """

    def oldest(column: Any) -> Any:
        query = select(messages.c.conversation_id).where(messages.c.agent == bindparam("agent"), column == wanted)
        return query.order_by(column, messages.c.seq).limit(1).correlate(named).scalar_subquery()

    either = func.coalesce(oldest(messages.c.email_message_id), oldest(messages.c.provider_message_id))
    answers = select(either.label("conversation_id"), order.label("place")).select_from(named).subquery()
    known = answers.c.conversation_id.is_not(None)
    return select(answers.c.conversation_id).where(known).order_by(answers.c.place).limit(1)


def _on_sqlite() -> Select[Any]:
    named = func.json_each(bindparam("ids", type_=Text)).table_valued("key", "value", name="named")
    return _nearest(named, named.c.key, named.c.value)


def _on_postgresql() -> Select[Any]:
    elements = func.json_array_elements_text(cast(bindparam("ids", type_=Text), JSON))
    named = elements.table_valued("value", with_ordinality="key", name="named").render_derived()
    return _nearest(named, named.c.key, named.c.value)


_NEAREST: Final = Constant({"sqlite": _on_sqlite(), "postgresql": _on_postgresql()})
