"""What authentication said of a mail, and the one sentence that follows from it (contract §3).

Results are the words of RFC 8601 §2.7. The verdict is data: the JSON of the contract and
the Authentication-Results field are two renderings of it.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

Result = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfResult:
    """RFC 7208 of the envelope sender, or of HELO for a null one."""

    result: Result
    domain: str | None  # the identity that was checked, A-labels
    aligned: bool  # with the From domain, whatever the result
    detail: str  # one sentence for a person, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimResult:
    """RFC 6376 of one signature."""

    result: Result
    domain: str | None  # d=
    selector: str | None  # s=
    aligned: bool  # d= with the From domain, whatever the result
    algorithm: str | None  # rsa-sha256 or ed25519-sha256; what was claimed otherwise
    bits: int | None  # of the public key, once it was seen
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcResult:
    """RFC 9989 of the From domain."""

    result: Result
    policy: Literal["none", "quarantine", "reject"] | None  # that applies after sp, np and t=y; None without a record
    domain: str | None  # where the record was found
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcResult:
    """RFC 8617, reported and never used to lift a DMARC failure."""

    result: Result
    sealer: str | None  # d= of the newest seal
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the From domain really sent this, with the reasons."""

    verified: bool  # DMARC alignment with a passing SPF or DKIM, and nothing less
    verified_domain: str | None  # the From domain when verified
    header_from: str | None  # the From domain, A-labels; None when there is not exactly one
    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    arc: ArcResult

    @property
    def undecided(self) -> bool:
        """Not verified, and only because DNS did not answer: trying again may change it."""
        return not self.verified and self.dmarc.result == "temperror"

    @property
    def domain_check(self) -> str:
        """The seal's short form: ``spf=pass; dkim=pass; dmarc=pass; arc=none`` (contract §4)."""
        return f"spf={self.spf.result}; dkim={summary(self.dkim)}; dmarc={self.dmarc.result}; arc={self.arc.result}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON of contract §3."""
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


# Which of several signatures speaks for the mail: a pass anywhere is a pass, and a signature we could
# not look up says more about the mail than one that is broken.
_DKIM_ORDER: Final[tuple[Result, ...]] = ("pass", "temperror", "fail", "policy", "permerror", "neutral")


def summary(signatures: tuple[DkimResult, ...]) -> Result:
    """One word for all signatures of a mail; an aligned pass is preferred by its being a pass at all."""
    found = {signature.result for signature in signatures}
    return next((result for result in _DKIM_ORDER if result in found), "none")
