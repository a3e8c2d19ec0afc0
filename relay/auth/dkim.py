"""Verify DKIM signatures (RFC 6376, with RFC 8301, 8463 and 8616).

Three steps, so that DNS queries and hashing can overlap: `read_signatures` parses the header
fields, `fetch_keys` awaits DNS, `judge` verifies from the collected data without I/O.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from relay.auth.alignment import closeness
from relay.auth.body_hash import BodyDigest, BodyForm
from relay.auth.dkim_key import KeyCache, KeyProblem, PublicKey
from relay.auth.dkim_signature import Signature, Unreadable, read_signature
from relay.auth.signed_fields import header_digest
from relay.auth.verdict import DkimResult, Result
from relay.dns.resolver import Resolver
from relay.errors import DnsUnavailable
from relay.mail.headers import Headers

MAX_SIGNATURES: Final = 5
CLOCK_DRIFT: Final = 300  # seconds after x= for which a signature counts: clocks differ, and greylisting delays
MAX_PARSED: Final = 50  # fields of which the five are chosen
_MAX_RECORDS: Final = 5  # TXT records tried for one selector

Keys: TypeAlias = tuple[PublicKey, ...] | KeyProblem
Judgement: TypeAlias = tuple[Result, str, int | None]  # result, detail, bits of the key
_ORDER: Final[tuple[Result, ...]] = ("pass", "policy", "fail", "permerror")


def read_signatures(headers: Headers, from_domain: str | None) -> list[Signature | Unreadable]:
    """The signatures to evaluate, topmost first, at most five of the topmost fifty.

    Signatures whose domain is closest to the From domain are preferred, so an attacker cannot hide
    the relevant signature below many others.
    """
    found = [read_signature(field) for field in headers.all("dkim-signature")[:MAX_PARSED]]
    if len(found) > MAX_SIGNATURES:
        near = [closeness(signature.domain or "", from_domain or "") for signature in found]
        chosen = sorted(range(len(found)), key=lambda place: (-near[place], place))[:MAX_SIGNATURES]
        found = [found[place] for place in sorted(chosen)]
    return found


async def fetch_keys(names: Collection[str], *, resolver: Resolver, keys: KeyCache) -> Mapping[str, Keys]:
    """Look up the keys of all *names* concurrently. Never raises."""
    if len(names) == 1:  # the common case, without the cost of a task
        (name,) = names
        return {name: await fetch_key(name, resolver=resolver, keys=keys)}
    found = await asyncio.gather(*(fetch_key(name, resolver=resolver, keys=keys) for name in names))
    return dict(zip(names, found, strict=True))


async def fetch_key(name: str, *, resolver: Resolver, keys: KeyCache) -> Keys:
    """The usable keys published under *name*, one for each TXT record.

    Returns a KeyProblem if there is no usable key.
    """
    try:
        answer = await resolver.lookup(name, "TXT")
    except DnsUnavailable:
        return KeyProblem(result="temperror", detail="DNS did not answer for the key")
    if not answer.records:
        return KeyProblem(result="permerror", detail="no key is published")
    read = [keys.read(record) for record in answer.records[:_MAX_RECORDS]]
    usable = tuple(key for key in read if isinstance(key, PublicKey))
    return usable or next(key for key in read if isinstance(key, KeyProblem))


def judge(
    signature: Signature | Unreadable,
    *,
    headers: Headers,
    keys: Mapping[str, Keys],
    bodies: Mapping[BodyForm, BodyDigest],
    now: datetime,
) -> DkimResult:
    """Verify *signature*. ``aligned`` stays false here; relay/auth/dmarc.py sets it."""
    if isinstance(signature, Unreadable):
        judgement: Judgement = (signature.result, signature.detail, None)
    else:
        judgement = _evaluate(signature, headers, keys[signature.key_name], bodies[signature.body], now)
    result, detail, bits = judgement
    return DkimResult(
        result=result,
        domain=signature.domain,
        selector=signature.selector,
        aligned=False,
        algorithm=signature.algorithm,
        bits=bits,
        detail=detail,
    )


def _evaluate(signature: Signature, headers: Headers, keys: Keys, body: BodyDigest, now: datetime) -> Judgement:
    if signature.expires is not None and signature.expires + CLOCK_DRIFT < now.timestamp():
        return "policy", "the signature has expired", None
    if isinstance(keys, KeyProblem):
        return keys.result, keys.detail, keys.bits
    fitting = [key for key in keys if signature.algorithm.startswith(key.kind)]
    if not fitting:
        return "permerror", "the published key is of another type", None
    digest = header_digest(headers, signature.names, signature.field, relaxed=signature.relaxed)
    judgements = (check(signature, key, digest, body) for key in fitting)
    return min(judgements, key=lambda judgement: _ORDER.index(judgement[0]))


def check(signature: Signature, key: PublicKey, digest: bytes, body: BodyDigest) -> Judgement:
    """Verify *signature* with one key of its type and the digests of fields and body."""
    result, detail = _refusal(signature, key) or _match(signature, key, digest, body)
    return result, detail, key.bits


def _refusal(signature: Signature, key: PublicKey) -> tuple[Result, str] | None:
    if key.hashes is not None and "sha256" not in key.hashes:
        return "policy", "the key may not be used with sha256"
    if not key.email:
        return "policy", "the key is not for email (s=)"
    if key.strict and signature.identity != signature.domain:
        return "policy", "the key does not allow i= to be a subdomain of d="
    return None


def _match(signature: Signature, key: PublicKey, digest: bytes, body: BodyDigest) -> tuple[Result, str]:
    signed = body.length if signature.body.limit is None else signature.body.limit
    if signed > body.length:
        return "permerror", "l= is longer than the body"
    if body.digest != signature.body_hash:
        return "fail", "the body hash (bh=) does not match: the body was changed after signing"
    if not key.accepts(signature.signature, digest):
        return "fail", "the signature does not match the header"
    if signed < body.length:
        return "policy", "l= leaves part of the body unsigned"
    return "pass", "a valid signature" + (" by a key marked as testing" if key.testing else "")
