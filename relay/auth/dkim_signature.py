"""Parse the fields DKIM-Signature and ARC-Message-Signature.

RFC 6376 §3.5, RFC 8617 §4.1.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from relay.auth.body_hash import BodyForm
from relay.auth.tags import BLANKS, BadTags, binary, domain, number, parse_tags, required
from relay.auth.verdict import Result
from relay.mail.headers import Field
from store.names import MAX_DOMAIN, normalise_domain

Algorithm = Literal["rsa-sha256", "ed25519-sha256"]

MAX_NAMES: Final = 1000  # of h=
_MAX_SIGNATURE: Final = 2048  # characters of b=: an RSA key of 8192 bits needs 1368
_FORMS: Final = {"simple": False, "relaxed": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A parsed signature: what it covers, by which algorithm, with which key."""

    field: Field
    algorithm: Algorithm
    signature: bytes
    body_hash: bytes
    body: BodyForm
    relaxed: bool  # whether header fields use relaxed canonicalization
    names: tuple[str, ...]  # h=, lower-case, in order
    domain: str  # d=, A-labels
    selector: str  # s=
    identity: str  # the domain of i=, which is d= or below it
    expires: int | None  # x=, seconds since 1970

    @property
    def key_name(self) -> str:
        """DNS name of the public key."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A signature that cannot be evaluated, with those claims that are safe to show."""

    result: Result
    detail: str
    domain: str | None
    selector: str | None
    algorithm: str | None


def read_signature(field: Field) -> Signature | Unreadable:
    """Parse the DKIM-Signature *field*. Never raises."""
    tags: dict[str, str] = {}
    try:
        tags = parse_tags(field.value.decode("utf-8", "replace"), skip_empty=True)
        return _read(field, tags)
    except BadTags as error:
        return unreadable(tags, str(error))


def _read(field: Field, tags: Mapping[str, str]) -> Signature | Unreadable:
    if tags.get("v") != "1":
        raise BadTags("v= is not 1")
    if tags.get("a", "").lower() == "rsa-sha1":  # RFC 8301 §3.1
        return unreadable(tags, "rsa-sha1 is not accepted", result="policy")
    signature = build_signature(field, tags)
    if "from" not in signature.names:  # RFC 6376 §6.1.1
        raise BadTags("h= does not name From")
    return signature


def build_signature(field: Field, tags: Mapping[str, str]) -> Signature:
    """The signature that *tags* describe. The caller checks ``v=``. Raises BadTags."""
    relaxed, body_relaxed = _forms(tags.get("c"))
    signer = domain(tags, "d")
    methods = {method.strip(BLANKS).lower() for method in tags.get("q", "dns/txt").split(":")}
    if methods.isdisjoint(("dns/txt", "dns")):
        raise BadTags("q= names no supported query method")
    return Signature(
        field=field,
        algorithm=algorithm(tags),
        signature=binary(tags, "b", most=_MAX_SIGNATURE),
        body_hash=binary(tags, "bh", most=128),
        body=BodyForm(body_relaxed, number(tags, "l")),
        relaxed=relaxed,
        names=_names(tags),
        domain=signer,
        selector=selector(tags, signer),
        identity=_identity(tags, signer),
        expires=_expiry(tags),
    )


def algorithm(tags: Mapping[str, str]) -> Algorithm:
    """The algorithm in ``a=``. Raises BadTags if it is unknown or obsolete (SHA-1)."""
    match required(tags, "a").lower():
        case "rsa-sha256":
            return "rsa-sha256"
        case "ed25519-sha256":
            return "ed25519-sha256"
    raise BadTags("a= is not a supported algorithm")


def selector(tags: Mapping[str, str], signer: str) -> str:
    """The selector in ``s=``, short enough for a DNS name under *signer*.

    Raises BadTags.
    """
    text = required(tags, "s")
    try:
        found = normalise_domain(text) if len(text) <= MAX_DOMAIN else ""
    except ValueError:
        found = ""
    if not found or len(found) + len("._domainkey.") + len(signer) > MAX_DOMAIN:
        raise BadTags("s= is not a selector")
    return found


def unreadable(tags: Mapping[str, str], detail: str, *, result: Result = "permerror") -> Unreadable:
    """Report a signature that is not evaluated, without unsafe content of its tags."""
    claimed: dict[str, str | None] = {"d": None, "s": None}
    for name in claimed:
        try:
            claimed[name] = domain(tags, "d") if name == "d" else selector(tags, "")
        except BadTags:
            continue
    words = tags.get("a", "")
    known = words if words.isascii() and words.isprintable() and 0 < len(words) <= 32 else None
    return Unreadable(
        result=result, detail=detail, domain=claimed["d"], selector=claimed["s"], algorithm=known and known.lower()
    )


def _forms(text: str | None) -> tuple[bool, bool]:
    if text is None:
        return False, False
    header, slash, body = text.lower().partition("/")
    try:
        return _FORMS[header.strip(BLANKS)], _FORMS[body.strip(BLANKS)] if slash else False
    except KeyError as error:
        raise BadTags("c= is not a supported canonicalization") from error


def _names(tags: Mapping[str, str]) -> tuple[str, ...]:
    if "h" not in tags:
        raise BadTags("h= is missing")
    if tags["h"].count(":") >= MAX_NAMES:
        raise BadTags("h= names too many fields")
    return tuple(name.strip(BLANKS).lower() for name in tags["h"].split(":"))


def _identity(tags: Mapping[str, str], signer: str) -> str:
    if "i" not in tags:
        return signer
    _, at, host = tags["i"].rpartition("@")
    try:
        host = normalise_domain(host) if at and len(host) <= MAX_DOMAIN else ""
    except ValueError:
        host = ""
    if host != signer and not host.endswith("." + signer):
        raise BadTags("i= is not in the domain of d=")
    return host


def _expiry(tags: Mapping[str, str]) -> int | None:
    signed_at, expires = number(tags, "t"), number(tags, "x")
    if signed_at is not None and expires is not None and expires <= signed_at:
        raise BadTags("x= is not after t=")
    return expires
