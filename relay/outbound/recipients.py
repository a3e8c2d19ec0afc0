"""Whom a mail goes to: every address in one form, each once, and never its own writer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.errors import BadAddress, BadDraft
from relay.mail.address import Address, parse_mailbox
from store.names import MAX_LOCAL, normalise_local
from store.outbound import MAX_RECIPIENTS
from store.records_outbound import Draft

_FIELDS: Final = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Addresses with the local part as it was written and the domain in A-labels; no mailbox twice."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The envelope's recipients."""
        return self.to + self.cc + self.bcc


def settle_recipients(
    *, to: Sequence[str] = (), cc: Sequence[str] = (), bcc: Sequence[str] = (), agent: str
) -> Recipients:
    """The recipients of a mail by *agent*: 1 to 50, the first mention of a mailbox counts, *agent* is left out.

    Raises BadDraft with the field and the index of what is wrong.
    """
    seen: set[str] = set()
    kept: dict[str, list[str]] = {field: [] for field in _FIELDS}
    for field, addresses in zip(_FIELDS, (to, cc, bcc), strict=True):
        for index, written in enumerate(addresses):
            address = check_address(written, field=field, index=index)
            key = f"{normalise_local(address.local)}@{address.domain}"
            if key in seen or address.mailbox == agent:
                continue
            if len(seen) == MAX_RECIPIENTS:
                raise BadDraft(f"a mail has at most {MAX_RECIPIENTS} recipients", field=field, index=index)
            seen.add(key)
            kept[field].append(str(address))
    if not seen:
        raise BadDraft("a mail needs a recipient other than the agent itself", field="to")
    return Recipients(**{field: tuple(addresses) for field, addresses in kept.items()})


def settle_draft(draft: Draft, *, agent: str) -> Draft:
    """*draft* by *agent* to the same people, settled. Raises BadDraft as settle_recipients does."""
    settled = settle_recipients(to=draft.to, cc=draft.cc, bcc=draft.bcc, agent=agent)
    return replace(draft, to=settled.to, cc=settled.cc, bcc=settled.bcc)


def check_address(written: str, *, field: str, index: int | None = None) -> Address:
    """*written* taken apart, when a header in ASCII can hold it. Raises BadDraft.

    A local part beyond ASCII needs SMTPUTF8 on the whole way (RFC 6531), which no provider of ours promises.
    """
    try:
        address = parse_mailbox(written.strip(" \t"))
    except BadAddress as error:
        raise BadDraft(f"not an address: {written[:100]!r}", field=field, index=index) from error
    if not written.isprintable():  # a line end behind a domain is stripped by its reading
        raise BadDraft(f"not an address: {written[:100]!r}", field=field, index=index)
    if not address.local.isascii() or len(address.local) > MAX_LOCAL:
        raise BadDraft(
            f"an address has at most {MAX_LOCAL} ASCII characters before its @: {written[:100]!r}",
            field=field,
            index=index,
        )
    return address
