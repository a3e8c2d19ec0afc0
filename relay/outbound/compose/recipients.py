"""Settle the recipients of a message: normalised, each once, and never the agent itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from relay.errors import BadAddress, BadDraft
from relay.mail.address import Address, parse_mailbox
from store.names import MAX_LOCAL, is_text, normalise_local
from store.outbound.outbound import MAX_NAME, MAX_RECIPIENTS
from store.records.outbound import Draft, RecipientSet

_FIELDS: Final = ("to", "cc", "bcc")
_LONGEST: Final = 2000  # characters of a name with its address
# RFC 5322 §3.4, and more leniently without quotes: only what could be taken for another address needs them.
_NAMED: Final = re.compile(r'(?:"((?:[^"\\]|\\.)*)" *|([^"<>@]*))<([^<>]*)>')


def settle_recipients(
    *,
    to: Sequence[str] = (),
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    agent: str,
    names: Mapping[str, str] | None = None,
) -> RecipientSet:
    """The recipients of a message by *agent*: 1 to 50, the first mention of a mailbox counts, *agent* is left out.

    Each is an address, or a name and an address as ``Ana <ana@customer.example>``. *names*, by address, fills in
    those that are not written here. Addresses keep their local part as it was written; the domain is in A-labels.

    Raises BadDraft with the field and the index of the bad address.
    """
    seen: set[str] = set()
    called: dict[str, str] = {}
    kept: dict[str, list[str]] = {field: [] for field in _FIELDS}
    for field, people in zip(_FIELDS, (to, cc, bcc), strict=True):
        for index, written in enumerate(people):
            name, bare = _split_name(written, field=field, index=index)
            address = check_address(bare, field=field, index=index)
            key = f"{normalise_local(address.local)}@{address.domain}"
            if key in seen or address.mailbox == agent:
                continue
            if len(seen) == MAX_RECIPIENTS:
                raise BadDraft(f"a message has at most {MAX_RECIPIENTS} recipients", field=field, index=index)
            seen.add(key)
            kept[field].append(str(address))
            if name := name or (names or {}).get(str(address), ""):
                called[str(address)] = name
    if not seen:
        raise BadDraft("a message needs a recipient other than the agent itself", field="to")
    to, cc, bcc = (tuple(kept[field]) for field in _FIELDS)
    return RecipientSet(to=to, cc=cc, bcc=bcc, names=tuple(called.items()))


def settle_draft(draft: Draft, *, agent: str) -> Draft:
    """*draft* by *agent* with its recipients settled. Raises BadDraft as settle_recipients does."""
    settled = settle_recipients(to=draft.to, cc=draft.cc, bcc=draft.bcc, agent=agent, names=dict(draft.names))
    return replace(draft, to=settled.to, cc=settled.cc, bcc=settled.bcc, names=settled.names)


def with_name(name: str, address: str) -> str:
    """A name and an address as settle_recipients takes them; the address alone for no name."""
    if not name:
        return address
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>' if re.search(r'[\\"<>@,;]', name) else f"{name} <{address}>"


def check_address(written: str, *, field: str, index: int | None = None) -> Address:
    """Parse *written* where an ASCII header can hold it. Raises BadDraft.

    A local part beyond ASCII needs SMTPUTF8 at every hop (RFC 6531), which no courier promises.
    """
    try:
        address = parse_mailbox(written.strip(" \t"))
    except BadAddress as error:
        raise BadDraft(f"not an address: {written[:100]!r}", field=field, index=index) from error
    if not written.isprintable():  # parsing strips a line end behind a domain
        raise BadDraft(f"not an address: {written[:100]!r}", field=field, index=index)
    if not address.local.isascii() or len(address.local) > MAX_LOCAL:
        raise BadDraft(
            f"an address has at most {MAX_LOCAL} ASCII characters before its @: {written[:100]!r}",
            field=field,
            index=index,
        )
    return address


def _split_name(written: str, *, field: str, index: int) -> tuple[str, str]:
    """The name, empty without one, and the address. Raises BadDraft."""
    written = written.strip(" \t")
    if not written.endswith(">"):
        return "", written
    found = _NAMED.fullmatch(written) if is_text(written, most=_LONGEST) else None
    if found is None:
        raise BadDraft(f"not a name and an address: {written[:100]!r}", field=field, index=index)
    name = (re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]).strip()
    if len(name) > MAX_NAME:
        raise BadDraft(f"a name has at most {MAX_NAME} characters", field=field, index=index)
    return name, found[3]
