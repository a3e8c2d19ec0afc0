"""Tell in the verdict what DNS says of a sender: can its domain be written to, and what is the peer's name.

Nothing here changes `verified`. The findings are sentences in the detail of the SPF result: that the domain of
MAIL FROM does not exist or accepts no mail (a null MX, RFC 7505), so an answer cannot arrive; and whether the name
of the peer's address leads back to that address (forward-confirmed reverse DNS, RFC 8601 §2.7.3).
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from relay.auth.spf import validated_names
from relay.auth.verdict import Verdict
from relay.dns.resolver import Resolver
from relay.errors import DnsUnavailable
from relay.mail.envelope import Envelope

PATIENCE: Final = 0.5  # seconds that a verdict waits for these findings after all others
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)


async def describe_sender(envelope: Envelope, *, resolver: Resolver) -> Sequence[str]:
    """What there is to say of the sender's domain and of the peer's name. Never raises."""
    domain, peer = await asyncio.gather(_domain(envelope, resolver), _peer(envelope, resolver))
    return [finding for finding in (domain, peer) if finding]


def with_findings(verdict: Verdict, findings: Sequence[str]) -> Verdict:
    """*verdict* with *findings* behind the detail of its SPF result."""
    return replace(verdict, spf=replace(verdict.spf, detail="; ".join([verdict.spf.detail, *findings])))


async def _domain(envelope: Envelope, resolver: Resolver) -> str:
    domain = envelope.mail_from.domain if envelope.mail_from is not None else ""
    if not domain or domain.startswith("["):
        return ""
    try:
        answer = await resolver.lookup(domain, "MX")
    except DnsUnavailable:
        return ""
    if not answer.exists:
        return "the domain of MAIL FROM does not exist"
    if len(answer.records) == 1 and answer.records[0].partition(" ")[2] in ("", "."):
        return "the domain of MAIL FROM accepts no mail (null MX)"
    return ""


async def _peer(envelope: Envelope, resolver: Resolver) -> str:
    """The peer's confirmed name, or that it has none; no word if DNS did not answer."""
    ip = envelope.peer.ip
    try:
        names = await validated_names(ip, resolver=resolver)
    except DnsUnavailable:
        return ""
    name = next((name for name in names if _NAME.fullmatch(name)), None)
    return f"the peer's name is {name}" if name else "the peer's address has no confirmed name"
