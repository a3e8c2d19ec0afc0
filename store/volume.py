"""How much an agent has written lately, and to whom for the first time: what caps are held against.

Whoever asks and then writes in one transaction holds the agent's row first (``hold_agent``), so that two mails
at once cannot each be the last that is allowed.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import AgentNotFound
from store.names import normalise_address
from store.schema import WRITTEN, agents, messages
from store.schema_outbound import known_recipients
from store.transaction import Tx

_HOLD: Final = select(agents.c.address).where(agents.c.address == bindparam("address")).with_for_update(key_share=True)
_NOTE: Final[dict[str, Any]] = {
    "sqlite": sqlite.insert(known_recipients).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(known_recipients).on_conflict_do_nothing(),
}


def hold_agent(tx: Tx, agent: str) -> None:
    """Lock an agent's row until the transaction ends. Raises AgentNotFound."""
    if tx.execute(_HOLD, {"address": agent}).first() is None:
        raise AgentNotFound


def count_written(tx: Tx, agent: str, *, since: datetime, conversation_id: str | None = None) -> int:
    """How many mails an agent has written since then, in one conversation or in all."""
    return _count(tx, messages, _written_since(agent, since, conversation_id))


def count_new_recipients(tx: Tx, agent: str, *, since: datetime) -> int:
    """To how many addresses an agent has written since then for the first time."""
    return _count(tx, known_recipients, and_(known_recipients.c.agent == agent, known_recipients.c.first_at > since))


def find_new_recipients(tx: Tx, agent: str, addresses: Sequence[str]) -> list[str]:
    """Those of *addresses*, normalised, that an agent has never written to."""
    wanted = normalised(addresses)
    mine = and_(known_recipients.c.agent == agent, known_recipients.c.address.in_(wanted))
    known = set(tx.execute(select(known_recipients.c.address).where(mine)).scalars())
    return [address for address in wanted if address not in known]


def note_recipients(tx: Tx, agent: str, addresses: Sequence[str], *, now: datetime) -> None:
    """Remember whom an agent writes to, since when; who is known already stays as they were."""
    rows = [{"agent": agent, "address": address, "first_at": now} for address in normalised(addresses)]
    if rows:
        tx.execute(_NOTE[tx.connection.dialect.name], rows)


def normalised(addresses: Sequence[str]) -> list[str]:
    """Each once, in the form and order in which rows are kept; what is no address is nobody's."""
    found = set()
    for address in addresses:
        with suppress(ValueError):
            found.add(normalise_address(address))
    return sorted(found)


def _written_since(agent: str, since: datetime, conversation_id: str | None) -> ColumnElement[bool]:
    lately = and_(messages.c.agent == agent, messages.c.received_at > since, WRITTEN)
    return lately if conversation_id is None else and_(lately, messages.c.conversation_id == conversation_id)


def _count(tx: Tx, table: Any, condition: ColumnElement[bool]) -> int:
    return int(tx.execute(select(func.count()).select_from(table).where(condition)).scalar_one())
