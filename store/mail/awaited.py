"""Put a message into its conversation, also when an answer arrives before the message that it answers.

A message that names only unknown Message-IDs waits for them: they are kept with its conversation. A message whose
own id is awaited takes the conversation that waits for it, because events already told that conversation's id. It
does not when one of its own parents is known: two conversations that exist are never merged.

Any sender may name any id, so each message ties itself to one other only, as it does when messages arrive in order.
Every message that waits in a conversation has named every id that the conversation waits for. An answer that joins
by one of them ends the waiting for those it does not name itself; the awaited message ends it for all, and waits
for its own parents in turn. One mail with many guessed ids thus draws at most one other mail to itself, which its
sender could have joined by naming it afterwards.

All calls for one agent are made under its row lock, see store/mail/mailbox.py.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from store.database.constant import Constant, any_of
from store.expiry import KEPT_FOR
from store.ids import new_conversation_id
from store.mail.conversations import MAX_REFERENCES, lookup_conversation_id, normalise_message_id
from store.mail.mailbox import MailboxPlace
from store.oldest import among_oldest
from store.records.mail import NewMessage
from store.schema.threads import awaited_ids
from store.transaction import Tx

MAX_AWAITED: Final = 10  # ids that one message waits for
MAX_AWAITED_OF_AGENT: Final = 10_000  # of more, the oldest are forgotten

_OF_AGENT: Final = awaited_ids.c.agent == bindparam("of_agent")
_OF_CONVERSATION: Final = awaited_ids.c.conversation_id == bindparam("conversation")
_WAITING: Final = Constant(
    {
        name: select(awaited_ids.c.awaited, awaited_ids.c.conversation_id).where(_OF_AGENT, named)
        for name, named in any_of(awaited_ids.c.awaited, "ids").items()
    }
)
_KEEP: Final = {
    "sqlite": sqlite.insert(awaited_ids).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(awaited_ids).on_conflict_do_nothing(),
}
_END: Final = delete(awaited_ids).where(_OF_AGENT, _OF_CONVERSATION)
_END_OTHERS: Final = _END.where(awaited_ids.c.awaited.not_in(bindparam("named", expanding=True)))
_FORGET_OLDEST: Final = delete(awaited_ids).where(_OF_AGENT, awaited_ids.c.number <= bindparam("until"))
_FORGET_EXPIRED: Final = (
    delete(awaited_ids)
    .where(among_oldest([awaited_ids.c.agent, awaited_ids.c.awaited], awaited_ids.c.expires_at, "now"))
    .returning(awaited_ids.c.number)
)


def join_conversation(tx: Tx, mailbox: MailboxPlace, new: NewMessage) -> str:
    """The conversation of a message that arrives: its parent's, the one that waits for it or with it, or a new one.

    Statements: the look-up of known parents; one more when ids were awaited in this mailbox and none of the parents
    is known; writes only for a message that waits or that something waited for.
    """
    own = _id_of(new.email_message_id or "")
    known = _known(tx, new)
    parents = _named(new.parent_ids, but=own)
    waits_for = () if known else _ends(parents)
    waiting = _waiting(tx, mailbox, new.agent, [own, *waits_for] if own else waits_for)
    awaits_own = waiting.get(own) if own else None
    if awaits_own:
        tx.execute_before_deferred(_END, {"of_agent": new.agent, "conversation": awaits_own})
    conversation = known or awaits_own
    if conversation is None:
        conversation = next((waiting[each] for each in waits_for if each in waiting), None)
        if conversation is not None:
            joined = {"of_agent": new.agent, "conversation": conversation, "named": parents}
            tx.execute_before_deferred(_END_OTHERS, joined)
            waits_for = ()
    conversation = conversation or new_conversation_id()
    _wait(tx, mailbox, new, conversation, waits_for)
    if own:
        tx.notes.setdefault((_WAITING, new.agent, own), conversation)  # its row is deferred
    return conversation


def delete_expired_awaited(tx: Tx, *, now: datetime, limit: int) -> int:
    """Delete up to *limit* awaited ids whose messages have expired; returns the count."""
    return len(tx.execute(_FORGET_EXPIRED, {"now": now, "most": limit}).all())


def _known(tx: Tx, new: NewMessage) -> str | None:
    """The conversation of the nearest known parent, also of one that this transaction stores."""
    for place, parent in enumerate(new.parent_ids[:MAX_REFERENCES]):
        just_now: str | None = tx.notes.get((_WAITING, new.agent, _id_of(parent)))
        if just_now is not None:
            return lookup_conversation_id(tx, new.agent, new.parent_ids[:place]) or just_now
    return lookup_conversation_id(tx, new.agent, new.parent_ids)


def _waiting(tx: Tx, mailbox: MailboxPlace, agent: str, ids: Sequence[str]) -> Mapping[str, str]:
    """The conversations that wait for any of *ids*, by id."""
    if not ids or mailbox.last_awaited == 0:
        return {}
    rows = tx.fetch_before_deferred(_WAITING, {"of_agent": agent, "ids": list(ids)})
    return {row.awaited: row.conversation_id for row in rows}


def _wait(tx: Tx, mailbox: MailboxPlace, new: NewMessage, conversation: str, ids: Sequence[str]) -> None:
    """Keep *ids* for the conversation. One that another conversation waits for stays with that one."""
    if not ids:
        return
    common = {"agent": new.agent, "conversation_id": conversation, "expires_at": new.received_at + KEPT_FOR}
    rows = [common | {"awaited": each, "number": mailbox.count_awaited()} for each in ids]
    tx.execute_before_deferred(_KEEP[tx.connection.dialect.name], rows)
    if mailbox.last_awaited > MAX_AWAITED_OF_AGENT:
        until = mailbox.last_awaited - MAX_AWAITED_OF_AGENT
        tx.execute_before_deferred(_FORGET_OLDEST, {"of_agent": new.agent, "until": until})


def _named(parent_ids: Sequence[str], *, but: str) -> list[str]:
    ids = map(_id_of, parent_ids[:MAX_REFERENCES])
    return list(dict.fromkeys(each for each in ids if each and each != but))


def _ends(ids: Sequence[str]) -> Sequence[str]:
    """The nearest and the last, which is the root of the conversation."""
    return ids if len(ids) <= MAX_AWAITED else [*ids[: MAX_AWAITED - 1], ids[-1]]


def _id_of(message_id: str) -> str:
    """*message_id* as it is compared; empty where a database cannot hold it."""
    normal = normalise_message_id(message_id)
    return normal if normal.isprintable() else ""
