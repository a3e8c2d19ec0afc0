"""Validate an ARC chain (RFC 8617).

Reported only; never overrides a DMARC failure.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from relay.auth.arc_set import MAX_SETS, SEAL, Chain, Seal, newest_sealer, read_chain
from relay.auth.body_hash import BodyDigest, BodyForm
from relay.auth.canonical import relaxed_field
from relay.auth.dkim import Keys, check
from relay.auth.dkim_key import KeyProblem, PublicKey
from relay.auth.signed_fields import header_digest, without_signature
from relay.auth.tags import BadTags
from relay.auth.verdict import ArcResult
from relay.mail.headers import Headers

MAX_EVALUATED: Final = 10  # sets; each needs a key of a domain that the sender chose
NO_CHAIN = ArcResult(result="none", sealer=None, detail="no ARC set")


class _Broken(Exception):
    """The chain is not valid; the result is ``fail``."""


class _Unknown(Exception):
    """DNS did not answer for a key of the chain; the result is ``temperror``."""


def find_chain(headers: Headers) -> Chain | ArcResult:
    """The chain to validate, or the final result if it is missing or malformed."""
    if not any(field.name.startswith("arc-") for field in headers.fields):
        return NO_CHAIN
    seals = len(headers.all(SEAL))
    if MAX_EVALUATED < seals <= MAX_SETS:
        detail = f"a chain of {seals} sets; more than {MAX_EVALUATED} are not evaluated"
        return ArcResult(result="policy", sealer=newest_sealer(headers), detail=detail)
    try:
        return read_chain(headers) or NO_CHAIN
    except BadTags as error:
        return ArcResult(result="fail", sealer=newest_sealer(headers), detail=f"the chain is broken: {error}")


def validate(
    chain: Chain, *, headers: Headers, keys: Mapping[str, Keys], bodies: Mapping[BodyForm, BodyDigest]
) -> ArcResult:
    """Check the newest message signature, then every seal (RFC 8617 §5.2).

    Never raises.
    """
    sealer = chain.sets[-1].seal.domain
    try:
        _check_message(chain, headers, keys, bodies)
        _check_seals(chain, keys)
    except _Unknown:
        return ArcResult(result="temperror", sealer=sealer, detail="DNS did not answer for a key of the chain")
    except _Broken as error:
        return ArcResult(result="fail", sealer=sealer, detail=f"the chain is not valid: {error}")
    return ArcResult(result="pass", sealer=sealer, detail=f"a valid chain of {len(chain.sets)} sets")


def key_names(chain: Chain) -> set[str]:
    """DNS names of the public keys that `validate` needs."""
    return {chain.newest.key_name, *(arc_set.seal.key_name for arc_set in chain.sets)}


def _check_message(
    chain: Chain, headers: Headers, keys: Mapping[str, Keys], bodies: Mapping[BodyForm, BodyDigest]
) -> None:
    newest = chain.newest
    found = _known(keys[newest.key_name])
    digest = header_digest(headers, newest.names, newest.field, relaxed=newest.relaxed)
    fitting = (key for key in found if newest.algorithm.startswith(key.kind))
    if not any(check(newest, key, digest, bodies[newest.body])[0] == "pass" for key in fitting):
        raise _Broken("the newest message signature is not valid")


def _check_seals(chain: Chain, keys: Mapping[str, Keys]) -> None:
    """Check all seals.

    A seal covers all sets up to its own, so one running hash serves all (RFC 8617 §5.1.1).
    """
    running = sha256()
    for arc_set in chain.sets:
        running.update(relaxed_field(arc_set.results))
        running.update(relaxed_field(arc_set.message))
        sealed = running.copy()
        sealed.update(without_signature(arc_set.seal.field, relaxed=True))
        if not _holds(arc_set.seal, sealed.digest(), keys):
            raise _Broken("a seal is not valid")
        running.update(relaxed_field(arc_set.seal.field))


def _holds(seal: Seal, digest: bytes, keys: Mapping[str, Keys]) -> bool:
    return any(
        seal.algorithm.startswith(key.kind) and key.accepts(seal.signature, digest)
        for key in _known(keys[seal.key_name])
    )


def _known(keys: Keys) -> tuple[PublicKey, ...]:
    if isinstance(keys, KeyProblem):
        if keys.result == "temperror":
            raise _Unknown
        raise _Broken(keys.detail)
    return keys
