"""Parse ARC header fields into sets and a chain (RFC 8617 §4).

Each intermediary adds one set of three fields with the same instance number. This module
checks the form of the chain; relay/auth/arc.py checks its signatures.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.auth.dkim_signature import Algorithm, Signature, algorithm, build_signature, selector
from relay.auth.tags import BadTags, binary, domain, number, parse_tags, required
from relay.mail.headers import Field, Headers

SEAL: Final = "arc-seal"
MESSAGE: Final = "arc-message-signature"
RESULTS: Final = "arc-authentication-results"
MAX_SETS: Final = 50  # RFC 8617 §4.2.1

_INSTANCE: Final = re.compile(r"[1-9][0-9]?", re.ASCII)
_RESULTS_INSTANCE: Final = re.compile(r"[ \t]*+i[ \t]*+=[ \t]*+([1-9][0-9]?)[ \t]*+;", re.ASCII)
_MAX_SIGNATURE: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One ARC-Seal (RFC 8617 §4.1.3)."""

    field: Field
    algorithm: Algorithm
    signature: bytes
    state: Literal["none", "pass", "fail"]  # cv=
    domain: str
    selector: str

    @property
    def key_name(self) -> str:
        """DNS name of the public key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """The three fields that one intermediary added (RFC 8617 §4.2)."""

    results: Field
    message: Field
    seal: Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A complete chain, oldest set first, with the newest message signature parsed."""

    sets: Sequence[ArcSet]
    newest: Signature


def read_chain(headers: Headers) -> Chain | None:
    """The chain in *headers*; None without ARC fields.

    Raises BadTags if the chain is malformed.
    """
    fields = [field for field in headers.fields if field.name.startswith("arc-")]
    if sum(field.name == SEAL for field in fields) > MAX_SETS:
        raise BadTags("the chain has more than 50 sets")
    messages = _by_instance(field for field in fields if field.name == MESSAGE)
    seals = _by_instance(field for field in fields if field.name == SEAL)
    results = _by_instance(field for field in fields if field.name == RESULTS)
    if not (messages or seals or results):
        return None
    count = len(seals)
    wanted = set(range(1, count + 1))
    if not set(messages) == set(seals) == set(results) == wanted:
        raise BadTags("the sets are not complete")
    sets = [
        ArcSet(results=results[place], message=messages[place], seal=_read_seal(seals[place]))
        for place in range(1, count + 1)
    ]
    _check_states(sets)
    return Chain(sets=sets, newest=_read_message(messages[count]))


def newest_sealer(headers: Headers) -> str | None:
    """The ``d=`` of the topmost seal, to report a broken chain; None if unreadable."""
    field = headers.first(SEAL)
    try:
        return None if field is None else domain(parse_tags(field.value.decode("utf-8", "replace")), "d")
    except BadTags:
        return None


def _by_instance(fields: Iterable[Field]) -> dict[int, Field]:
    """*fields* by instance number (``i=``).

    Raises BadTags if one is missing or occurs twice.
    """
    found: dict[int, Field] = {}
    for field in fields:
        text = field.value.decode("utf-8", "replace")
        if field.name == RESULTS:
            match = _RESULTS_INSTANCE.match(text)
            digits = match[1] if match else ""
        else:
            digits = required(parse_tags(text), "i")
        if not _INSTANCE.fullmatch(digits) or int(digits) in found:
            raise BadTags("an instance number is invalid or occurs twice")
        found[int(digits)] = field
    return found


def _read_seal(field: Field) -> Seal:
    tags = parse_tags(field.value.decode("utf-8", "replace"))
    if "h" in tags:
        raise BadTags("a seal has h=")
    number(tags, "t")
    signer = domain(tags, "d")
    return Seal(
        field=field,
        algorithm=algorithm(tags),
        signature=binary(tags, "b", most=_MAX_SIGNATURE),
        state=_state(tags),
        domain=signer,
        selector=selector(tags, signer),
    )


def _state(tags: dict[str, str]) -> Literal["none", "pass", "fail"]:
    match required(tags, "cv").lower():
        case "none":
            return "none"
        case "pass":
            return "pass"
        case "fail":
            return "fail"
    raise BadTags("cv= is not a state")


def _check_states(sets: Sequence[ArcSet]) -> None:
    """Check ``cv=`` of each seal: ``none`` in the first set, ``pass`` in all others.

    RFC 8617 §5.2 step 3.
    """
    for place, arc_set in enumerate(sets):
        if arc_set.seal.state != ("pass" if place else "none"):
            raise BadTags("cv= does not fit the seal's position in the chain")


def _read_message(field: Field) -> Signature:
    tags = parse_tags(field.value.decode("utf-8", "replace"))
    tags.pop("i")  # the instance number in ARC, the signing identity in DKIM
    tags.setdefault("c", "relaxed/relaxed")  # the default that sealers use; DKIM's default is simple
    signature = build_signature(field, tags)
    if SEAL in signature.names:
        raise BadTags("a message signature covers a seal")
    return signature
