"""Parse DMARC policy records (RFC 9989 §4.7).

Lenient: unknown or invalid tags are ignored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.auth.tags import BLANKS

Policy = Literal["none", "quarantine", "reject"]

MAX_RECORD: Final = 8192  # characters
_VERSION: Final = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)", re.IGNORECASE)
_POLICIES: Final[dict[str, Policy]] = {"none": "none", "quarantine": "quarantine", "reject": "reject"}
_MAILTO: Final = re.compile(r"mailto:[^@\s,]+@[^@\s,]+", re.IGNORECASE)
_MILDER: Final[dict[Policy, Policy]] = {"reject": "quarantine", "quarantine": "none", "none": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcRecord:
    """The policy a domain publishes for receivers."""

    policy: Policy | None  # p=; None if the record must not be applied (RFC 9989 §4.10.1)
    subdomains: Policy | None = None  # sp=
    nonexistent: Policy | None = None  # np=
    strict_dkim: bool = False  # adkim=s
    strict_spf: bool = False  # aspf=s
    testing: bool = False  # t=y
    psd: Literal["y", "n", "u"] = "u"

    def policy_for(self, *, own: bool, exists: bool = True) -> Policy | None:
        """The effective policy, with ``t=y`` applied.

        Args:
            own: Whether the From domain is the record's own domain, not a subdomain.
            exists: Whether the subdomain exists in DNS (``np=`` applies to those that do not).
        """
        policy = self.policy
        if policy is not None and not own:
            policy = self.subdomains or policy
            policy = policy if exists else self.nonexistent or policy
        return _MILDER[policy] if policy is not None and self.testing else policy


def select(records: Sequence[str]) -> DmarcRecord | None:
    """The DMARC record among the TXT *records*; None unless there is exactly one.

    RFC 9989 §4.10.
    """
    found = [text for text in records if text[:1] in "vV" and is_dmarc(text)]
    return parse_dmarc(found[0]) if len(found) == 1 else None


def is_dmarc(text: str) -> bool:
    """Whether *text* begins with ``v=DMARC1`` (the value is case-sensitive)."""
    found = _VERSION.match(text)
    return found is not None and "DMARC1" in found[0] and len(text) <= MAX_RECORD


def parse_dmarc(text: str) -> DmarcRecord:
    """Parse *text*. If a tag occurs twice, the first occurrence counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        tags.setdefault(name.strip(BLANKS).lower(), value.strip(BLANKS))
    lowered = {name: value.lower() for name, value in tags.items()}
    return DmarcRecord(
        policy=_policy(lowered),
        subdomains=_POLICIES.get(lowered.get("sp", "")),
        nonexistent=_POLICIES.get(lowered.get("np", "")),
        strict_dkim=lowered.get("adkim") == "s",
        strict_spf=lowered.get("aspf") == "s",
        testing=lowered.get("t") == "y",
        psd="y" if lowered.get("psd") == "y" else "n" if lowered.get("psd") == "n" else "u",
    )


def _policy(tags: dict[str, str]) -> Policy | None:
    """The value of ``p=``.

    An invalid policy with a report address (``rua=``) is ``none`` (RFC 9989 §4.10.1).
    """
    valid = tags.get("p") in _POLICIES and all(tags.get(name, "none") in _POLICIES for name in ("sp", "np"))
    if valid:
        return _POLICIES[tags["p"]]
    reportable = any(_MAILTO.match(uri.strip(BLANKS)) for uri in tags.get("rua", "").split(","))
    return "none" if reportable else None
