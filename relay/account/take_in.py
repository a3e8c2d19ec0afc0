"""Import an account from its export, in atomic batches; repeat it to resume.

What an export does not contain cannot be imported: signing secrets are new (so old seals can no longer be
verified), API keys are missing, a domain has a new token to publish, and an outbound message has only those files
that its raw bytes contain.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from relay.account.archive import Archive, ArchiveEntry
from relay.account.lines import AgentLine, DomainLine, MessageLine, SuppressionLine, UsageLine, header_of, parse
from relay.clock import Clock
from relay.errors import BadExport
from relay.signing.agent_secret import agent_secret
from relay.signing.secrets import NONCE_BYTES, SECRET_BYTES, MasterKey
from store.directory.agents import normalised
from store.engine import Store
from store.errors import Conflict, InvalidValue, NotFound
from store.ids import new_key_id
from store.mail.bodies import INLINE_BYTES, chunk_units
from store.outbound.suppression import import_suppression
from store.records.imports import ImportedMessage
from store.records.mail import AgentSecret, User
from store.transaction import Tx
from store.upkeep.imports import (
    import_agent,
    import_domain,
    import_messages,
    import_user,
    own_agents,
    owners_of_messages,
)
from store.upkeep.imports_usage import import_usage

BATCH: Final = 200  # objects per transaction
BATCH_BYTES: Final = 8 * 1024 * 1024  # lines and raw bytes per transaction, unless a single object has more
_TOKEN_BYTES: Final = 20
_SOON: Final = timedelta(minutes=5)  # until the DNS of an imported domain is checked
_SINGLE: Final = frozenset({"domain", "agent"})  # imported one by one, so that an error names one line
_KINDS: Final = ("user", "domain", "agent", "api_key", "message", "usage_event", "suppression")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The result for the objects of one kind."""

    kind: str
    kept: int
    there_already: int
    left_out: int  # API keys, whose plaintext is unknown; expired messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's choices for an import."""

    verified: bool  # trust the verification of the export, without a DNS check
    check_address: Callable[[Tx, str], None]  # raises InvalidValue for an address of the operator or the relay


@dataclass(slots=True)
class _Import:
    """The state of a running import."""

    archive: Archive
    user: User
    rules: Rules
    store: Store
    master: MasterKey
    clock: Clock
    kept: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    out: Counter[str] = field(default_factory=Counter)
    usage_after: int | None = 0


def import_account(
    archive: Archive, *, rules: Rules, store: Store, master: MasterKey, clock: Clock
) -> tuple[User, list[Count]]:
    """Import everything that does not exist yet; returns the user, and counts by kind.

    Raises BadExport, naming the line. Raises Unavailable. What was imported before the error stays.
    """
    lines = archive.lines()
    first = next(lines, None)
    if first is None:
        raise BadExport("the listing is empty: it has no header")
    exported_user = header_of(first).record()
    user, is_new = _about(first, lambda: store.run(lambda tx: import_user(tx, exported_user)))
    work = _Import(archive, user, rules, store, master, clock)
    (work.kept if is_new else work.there)["user"] += 1
    for batch in _batches(lines):
        _take_in(work, batch)
    return user, [
        Count(kind=kind, kept=work.kept[kind], there_already=work.there[kind], left_out=work.out[kind])
        for kind in _KINDS
    ]


def _batches(lines: Iterator[ArchiveEntry]) -> Iterator[list[ArchiveEntry]]:
    """Consecutive lines of one kind, bounded by count and size."""
    batch: list[ArchiveEntry] = []
    weight = 0
    for line in lines:
        heavy = _weight(line)
        if batch and (line.kind != batch[0].kind or len(batch) >= BATCH or weight + heavy > BATCH_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(line)
        weight += heavy
        if line.kind in _SINGLE:
            weight = BATCH_BYTES
    if batch:
        yield batch


def _weight(line: ArchiveEntry) -> int:
    size = line.values.get("raw_size")
    return line.size + (min(size, INLINE_BYTES) if isinstance(size, int) else 0)


def _take_in(work: _Import, batch: Sequence[ArchiveEntry]) -> None:
    kind = batch[0].kind
    match kind:
        case "domain":
            _count(work, kind, kept=_domain(work, batch[0]), of=1)
        case "agent":
            _count(work, kind, kept=_agent(work, batch[0]), of=1)
        case "message":
            _messages(work, batch)
        case "usage_event":
            _usage(work, batch)
        case "suppression":
            _suppressions(work, batch)
        case "api_key":
            work.out[kind] += len(batch)
        case _:
            raise batch[0].wrong(f"unknown record {kind!r}")


def _count(work: _Import, kind: str, *, kept: int, of: int) -> None:
    work.kept[kind] += kept
    work.there[kind] += of - kept


def _domain(work: _Import, line: ArchiveEntry) -> bool:
    claim = parse(DomainLine, line)

    def unit(tx: Tx) -> bool:
        return import_domain(
            tx,
            work.user.id,
            claim.domain,
            token=secrets.token_hex(_TOKEN_BYTES),
            created_at=claim.created_at,
            next_check_at=work.clock.now() + _SOON,
            verified_at=claim.verified_at if claim.verified and work.rules.verified else None,
        )

    return _about(line, lambda: work.store.run(unit))


def _agent(work: _Import, line: ArchiveEntry) -> bool:
    agent = parse(AgentLine, line).record(work.user.id)

    def unit(tx: Tx) -> bool:
        local, _, domain = agent.address.rpartition("@")
        if not local or domain != agent.domain or normalised(agent.address) != agent.address:
            raise InvalidValue(f"not an agent's address: {agent.address!r}")
        work.rules.check_address(tx, agent.address)
        return import_agent(tx, work.user.id, agent, _new_secret(agent.address, work))

    return _about(line, lambda: work.store.run(unit))


def _new_secret(address: str, work: _Import) -> AgentSecret:
    return agent_secret(
        address,
        new_key_id(),
        random_bytes=secrets.token_bytes(SECRET_BYTES),
        nonce=secrets.token_bytes(NONCE_BYTES),
        master=work.master,
        now=work.clock.now(),
    )


def _messages(work: _Import, batch: Sequence[ArchiveEntry]) -> None:
    now = work.clock.now()
    parsed = [(line, parse(MessageLine, line).record(line)) for line in batch]
    unexpired = [(line, each) for line, each in parsed if each.expires_at > now]
    work.out["message"] += len(parsed) - len(unexpired)
    _require_each_once(unexpired)
    fresh = _not_there(work, unexpired)
    contents: dict[str, bytes | None] = {}
    for line, each in fresh:
        _load(work, line, each, contents, now=now)
    messages = [each for _, each in fresh]
    kept = _about(
        batch[0],
        lambda: work.store.run(lambda tx: import_messages(tx, work.user.id, messages, contents, now=now)),
        last=batch[-1],
    )
    _count(work, "message", kept=kept, of=len(unexpired))


def _require_each_once(messages: Sequence[tuple[ArchiveEntry, ImportedMessage]]) -> None:
    seen: set[str] = set()
    for line, each in messages:
        if each.message.id in seen:
            raise line.wrong(f"{each.message.id} is listed twice")
        seen.add(each.message.id)


def _not_there(
    work: _Import, messages: Sequence[tuple[ArchiveEntry, ImportedMessage]]
) -> list[tuple[ArchiveEntry, ImportedMessage]]:
    """The messages to import.

    Raises BadExport: a message of another user, or an agent that is not this user's.
    """
    ids = [each.message.id for _, each in messages]
    addresses = sorted({each.message.agent for _, each in messages})
    owners, own = work.store.run(
        lambda tx: (owners_of_messages(tx, ids), own_agents(tx, work.user.id, addresses)),
    )
    for line, each in messages:
        if owners.get(each.message.id, work.user.id) != work.user.id:
            raise line.wrong(f"{each.message.id} is a message of another user")
        if each.message.agent not in own:
            raise line.wrong(f"{each.message.agent} is not an agent of this user")
    return [(line, each) for line, each in messages if each.message.id not in owners]


def _load(
    work: _Import, line: ArchiveEntry, each: ImportedMessage, contents: dict[str, bytes | None], *, now: datetime
) -> None:
    """Read the raw bytes of a message; those of a long one are stored as chunks.

    Their hash is checked before the first chunk is stored.
    """
    content, size = each.message.raw_sha256, each.message.raw_size
    if content is None or content in contents:
        return
    try:
        if size <= INLINE_BYTES:
            contents[content] = b"".join(work.archive.mail(content, size))
            return
        for _ in work.archive.mail(content, size):
            pass  # the check is at the end
        for unit in chunk_units(content, work.archive.mail(content, size), now=now):
            work.store.run(unit)
    except BadExport as error:
        raise line.wrong(str(error)) from error
    contents[content] = None


def _usage(work: _Import, batch: Sequence[ArchiveEntry]) -> None:
    events = [parse(UsageLine, line).record() for line in batch]
    done = _about(
        batch[0],
        lambda: work.store.run(lambda tx: import_usage(tx, work.user.id, events, after=work.usage_after)),
        last=batch[-1],
    )
    work.usage_after = done.after
    _count(work, "usage_event", kept=done.kept, of=len(events))


def _suppressions(work: _Import, batch: Sequence[ArchiveEntry]) -> None:
    entries = [parse(SuppressionLine, line).record() for line in batch]

    def unit(tx: Tx) -> int:
        return sum(import_suppression(tx, work.user.id, each) for each in entries)

    _count(work, "suppression", kept=_about(batch[0], lambda: work.store.run(unit), last=batch[-1]), of=len(entries))


def _about(line: ArchiveEntry, ask: Callable[[], T], *, last: ArchiveEntry | None = None) -> T:
    """The result of *ask*; store errors become BadExport errors that name the line."""
    try:
        return ask()
    except (Conflict, NotFound) as error:
        upto = f"up to line {last.number}: " if last is not None and last != line else ""
        raise line.wrong(f"{upto}{error}") from error
