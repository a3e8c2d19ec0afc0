"""Evaluate DMARC alignment and policy, and decide `verified` (RFC 9989).

Only this module sets `verified`: SPF or DKIM passed, and the passing domain is aligned with
the From domain. If no policy record is published, or DNS does not answer, only an identical
domain is aligned. An identical domain is aligned under every possible policy, so an identical
pass with an unreachable record is a ``pass`` without a policy. A result that a later DNS
answer could change is a ``temperror``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from relay.auth.dmarc_record import DmarcRecord, Policy
from relay.auth.dmarc_walk import Found, TreeWalk
from relay.auth.verdict import ArcResult, DkimResult, DmarcResult, Result, SpfResult, Verdict
from relay.dns.resolver import RdType, Resolver
from relay.errors import DnsUnavailable

_EXISTENCE: Final[tuple[RdType, ...]] = ("A", "AAAA", "MX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """The result of looking up the DMARC policy of a From domain."""

    found: Found | None = None
    reachable: bool = True  # whether DNS answered

    @property
    def record(self) -> DmarcRecord | None:
        """The record that applies, if any.

        A record without a usable policy does not (RFC 9989 §4.10.1).
        """
        return self.found.record if self.found is not None and self.found.record.policy is not None else None


async def discover(author: str | None, *, walk: TreeWalk) -> Discovery:
    """Look up the DMARC record for *author*, the From domain. Never raises."""
    if author is None:
        return Discovery()
    try:
        return Discovery(found=await walk.policy(author))
    except DnsUnavailable:
        return Discovery(reachable=False)


async def conclude(
    author: str | None,
    *,
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    arc: ArcResult,
    discovery: Discovery,
    walk: TreeWalk,
    resolver: Resolver,
) -> Verdict:
    """Check alignment of the SPF and DKIM results with *author*; return the verdict.

    Never raises.
    """
    evidence: list[SpfResult | DkimResult] = [spf, *dkim]
    aligned = [await _align(author, one, discovery=discovery, walk=walk) for one in evidence]
    verified = any(holds and one.result == "pass" for one, holds in zip(evidence, aligned, strict=True))
    undecided = any(_is_open(one, aligned=holds) for one, holds in zip(evidence, aligned, strict=True))
    policy = await _policy(author, discovery, resolver)
    return Verdict(
        verified=verified,
        verified_domain=author if verified else None,
        header_from=author,
        spf=replace(spf, aligned=bool(aligned[0])),
        dkim=tuple(replace(one, aligned=bool(holds)) for one, holds in zip(dkim, aligned[1:], strict=True)),
        dmarc=_result(author, discovery, policy, verified=verified, undecided=undecided),
        arc=arc,
    )


async def _align(
    author: str | None, one: SpfResult | DkimResult, *, discovery: Discovery, walk: TreeWalk
) -> bool | None:
    """Whether *one* is aligned with *author*; None if DNS did not answer."""
    if author is None or one.domain is None:
        return False
    if one.domain == author:
        return True
    record = discovery.record
    if record is None:
        return False
    strict = record.strict_spf if isinstance(one, SpfResult) else record.strict_dkim
    try:
        return await walk.aligned(author, one.domain, strict=strict)
    except DnsUnavailable:
        return None


def _is_open(one: SpfResult | DkimResult, *, aligned: bool | None) -> bool:
    """Whether a later DNS answer could make *one* an aligned pass.

    The missing answer can be for *one* itself or for its organisational domain.
    """
    if aligned is None:
        return one.result in ("pass", "temperror")
    return aligned and one.result == "temperror"


async def _policy(author: str | None, discovery: Discovery, resolver: Resolver) -> Policy | None:
    found, record = discovery.found, discovery.record
    if author is None or found is None or record is None:
        return None
    if found.domain == author:
        return record.policy_for(own=True)
    ordinary, absent = record.policy_for(own=False), record.policy_for(own=False, exists=False)
    if ordinary == absent or await _exists(author, resolver):
        return ordinary
    return absent


async def _exists(domain: str, resolver: Resolver) -> bool:
    """Whether *domain* has an A, AAAA or MX record (RFC 9989 §3.2.13).

    True if DNS does not answer.
    """
    try:
        for rdtype in _EXISTENCE:
            if (await resolver.lookup(domain, rdtype)).records:
                return True
    except DnsUnavailable:
        return True
    return False


def _result(
    author: str | None, discovery: Discovery, policy: Policy | None, *, verified: bool, undecided: bool
) -> DmarcResult:
    where = discovery.found.domain if discovery.found is not None else None
    result: Result
    if author is None:
        result, detail = "permerror", "the From field does not hold exactly one address"
    elif verified:
        result, detail = _passed(discovery)
    elif undecided or not discovery.reachable:
        result, detail = "temperror", "DNS did not answer"
    elif policy is not None:
        result, detail = "fail", "no aligned domain passed"
    else:
        result, detail = _without_policy(where)
    return DmarcResult(result=result, policy=policy, domain=where, detail=detail)


def _passed(discovery: Discovery) -> tuple[Result, str]:
    if not discovery.reachable:
        return "pass", "the From domain itself passed; DNS did not answer for its policy"
    if discovery.record is not None:
        return "pass", "an aligned domain passed"
    return _without_policy(discovery.found.domain if discovery.found is not None else None)


def _without_policy(where: str | None) -> tuple[Result, str]:
    if where is None:
        return "none", "no policy is published"
    return "permerror", "the published record has no usable policy"
