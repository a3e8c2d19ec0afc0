"""The authentication verdict of a message: SPF, DKIM, DMARC and ARC results.

Results use the words of RFC 8601 §2.7. The JSON of docs/contract.md §3 and the
Authentication-Results field are two renderings of this value.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

Result = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfResult:
    """SPF result (RFC 7208) of the envelope sender, or of HELO for a null sender."""

    result: Result
    domain: str | None  # the identity that was checked, A-labels
    aligned: bool  # domain is aligned with the From domain, for every result
    detail: str  # one printable sentence for people


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimResult:
    """DKIM result (RFC 6376) of one signature."""

    result: Result
    domain: str | None  # d=
    selector: str | None  # s=
    aligned: bool  # d= is aligned with the From domain, for every result
    algorithm: str | None  # rsa-sha256 or ed25519-sha256, or the unsupported value of a=
    bits: int | None  # length of the public key; None if no key was read
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """DMARC result (RFC 9989) of the From domain."""

    result: Result
    policy: Literal["none", "quarantine", "reject"] | None  # effective, after sp, np and t=y; None without a record
    domain: str | None  # the domain that publishes the record
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """ARC result (RFC 8617). Reported only; never overrides a DMARC failure."""

    result: Result
    sealer: str | None  # d= of the newest seal
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the From domain sent the message, with the result of each method."""

    verified: bool  # SPF or DKIM passed for an aligned domain
    verified_domain: str | None  # the From domain if verified
    header_from: str | None  # the From domain, A-labels; None if there is not exactly one
    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult

    @property
    def undecided(self) -> bool:
        """Unverified only because DNS did not answer.

        A later attempt may verify the message.
        """
        return not self.verified and self.dmarc.result == "temperror"

    @property
    def domain_check(self) -> str:
        """Short form for the seal: ``spf=pass; dkim=pass; dmarc=pass; arc=none``.

        See docs/contract.md §4.
        """
        return f"spf={self.spf.result}; dkim={summary(self.dkim)}; dmarc={self.dmarc.result}; arc={self.arc.result}"

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON values (docs/contract.md §3)."""
        return {
            "verified": self.verified,
            "verified_domain": self.verified_domain,
            "header_from": self.header_from,
            "spf": _fields(self.spf),
            "dkim": [_fields(signature) for signature in self.dkim],
            "dmarc": _fields(self.dmarc),
            "arc": _fields(self.arc),
        }


def _fields(result: SpfResult | DkimResult | DmarcResult | ArcResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__slots__}


# Precedence when a message has several signatures: one pass is enough, and a signature whose key
# could not be looked up says more about the message than a broken one.
_DKIM_ORDER: Final[tuple[Result, ...]] = ("pass", "temperror", "fail", "policy", "permerror", "neutral")


def summary(signatures: tuple[DkimResult, ...]) -> Result:
    """One result for all DKIM signatures: the first of _DKIM_ORDER that occurs."""
    found = {signature.result for signature in signatures}
    return next((result for result in _DKIM_ORDER if result in found), "none")
