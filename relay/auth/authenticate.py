"""Authenticate the sender of a message: SPF, DKIM, DMARC and ARC in one verdict."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from itertools import count
from typing import Final

from relay.auth.alignment import closeness
from relay.auth.arc import find_chain, key_names, validate
from relay.auth.arc_set import Chain
from relay.auth.body_hash import BodyDigest, BodyForm, hash_body
from relay.auth.dkim import Keys, fetch_keys, judge, read_signatures
from relay.auth.dkim_key import KeyCache
from relay.auth.dkim_signature import Signature, Unreadable
from relay.auth.dmarc import conclude, discover
from relay.auth.dmarc_walk import TreeWalk
from relay.auth.sender_domain import PATIENCE, describe_sender, with_findings
from relay.auth.spf import Sender, check_host
from relay.auth.verdict import ArcResult, SpfResult, Verdict
from relay.dns.budget import BudgetedResolver
from relay.dns.resolver import Asker, Rank, Resolver
from relay.mail.envelope import Envelope
from relay.mail.fields.author import from_address
from relay.mail.headers import Headers
from relay.threads import HEADER_OFF_LOOP_BYTES, by_size

MAX_QUESTIONS: Final = 300  # worst cases: SPF 110 queries, a chain of ten ARC sets 11, five alignments 48
HASH_INLINE: Final = 256 * 1024  # bytes of body; a larger body is hashed in a thread, off the event loop

_PEER_PREFIX: Final = 64  # bits: one IPv6 customer has a /64 at least (RFC 6177)
_numbers: Final = count(1)

BodyReader = Callable[[], Iterable[bytes]]


async def authenticate(
    envelope: Envelope,
    headers: Headers,
    body: BodyReader,
    *,
    resolver: Resolver,
    keys: KeyCache,
    now: datetime,
    body_size: int = 0,
    budget_seconds: float = 20,
    describes: bool = False,
    count: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Authenticate the sender by SPF, DKIM, DMARC and ARC (docs/contract.md §3).

    Never raises because of the message's content. SPF, the keys and the DMARC policy are looked
    up concurrently, those that decide `verified` first; a check without an answer after *budget_seconds* is
    a ``temperror``.
    *body* is called for each pass and returns an iterator over the bytes after the header
    section; *body_size* is the number of those bytes. With *describes*, the SPF detail also says what DNS
    tells of the sender's domain and the peer's name, if that is known in time. *count* is called with the name of
    a bound of DNS that the message reaches.
    """
    asker = Asker(peer=peer_share(envelope.peer.ip), mail=next(_numbers))
    lookups = BudgetedResolver(resolver, seconds=budget_seconds, questions=MAX_QUESTIONS, asker=asker, count=count)
    judging = _judge(envelope, headers, body, lookups=lookups, keys=keys, now=now, body_size=body_size)
    return await (_described(judging, envelope, lookups.ranked(Rank.OTHER)) if describes else judging)


async def _judge(
    envelope: Envelope,
    headers: Headers,
    body: BodyReader,
    *,
    lookups: BudgetedResolver,
    keys: KeyCache,
    now: datetime,
    body_size: int,
) -> Verdict:
    author = from_address(headers)
    from_domain = author.domain if author is not None else None
    size = headers.weight
    signatures, chain = await by_size(
        size, lambda: (read_signatures(headers, from_domain), find_chain(headers)), above=HEADER_OFF_LOOP_BYTES
    )
    names, forms = _wanted(signatures, chain, from_domain)
    walk = TreeWalk(lookups)
    spf, found, discovery, bodies = await asyncio.gather(
        check_spf(envelope, resolver=lookups),
        _fetch(names, lookups, keys),
        discover(from_domain, walk=walk),
        _hash(body, forms, body_size),
    )
    dkim, arc = await by_size(
        size,
        lambda: (
            [judge(signature, headers=headers, keys=found, bodies=bodies, now=now) for signature in signatures],
            _arc(chain, headers, found, bodies),
        ),
        above=HEADER_OFF_LOOP_BYTES,
    )
    return await conclude(from_domain, spf=spf, dkim=dkim, arc=arc, discovery=discovery, walk=walk, resolver=lookups)


async def _described(judging: Awaitable[Verdict], envelope: Envelope, resolver: Resolver) -> Verdict:
    """The verdict of *judging*, with what DNS tells of the sender in time."""
    describing = asyncio.create_task(describe_sender(envelope, resolver=resolver))
    try:
        verdict = await judging
        await asyncio.wait({describing}, timeout=PATIENCE)
        return with_findings(verdict, describing.result()) if describing.done() else verdict
    finally:
        describing.cancel()


async def check_spf(envelope: Envelope, *, resolver: Resolver) -> SpfResult:
    """Check SPF for the domain of MAIL FROM, or of HELO if MAIL FROM is ``<>``.

    RFC 7208 §2.4.
    """
    sender, peer = envelope.mail_from, envelope.peer
    domain = (peer.helo if sender is None else sender.domain).lower().rstrip(".")
    local = sender.local if sender is not None and sender.local else "postmaster"
    outcome = await check_host(Sender(local=local, domain=domain, ip=peer.ip, helo=peer.helo), resolver=resolver)
    return SpfResult(result=outcome.result, domain=domain or None, aligned=False, detail=outcome.detail)


def peer_share(ip: IPv4Address | IPv6Address) -> str:
    """The network whose messages share one part of the DNS queries: an IPv4 address or an IPv6 /64."""
    return str(ip) if ip.version == 4 else str(IPv6Network((ip, _PEER_PREFIX), strict=False))


def _wanted(
    signatures: Sequence[Signature | Unreadable], chain: Chain | ArcResult, from_domain: str | None
) -> tuple[Mapping[str, Rank], set[BodyForm]]:
    """The key names with their ranks, and the body forms, that the signatures and the chain need."""
    readable = [signature for signature in signatures if isinstance(signature, Signature)]
    names: dict[str, Rank] = dict.fromkeys(key_names(chain), Rank.ARC) if isinstance(chain, Chain) else {}
    names |= {signature.key_name: Rank.OTHER for signature in readable}
    if readable:
        nearest = max(readable, key=lambda signature: closeness(signature.domain, from_domain or ""))
        names[nearest.key_name] = Rank.AUTHOR
    if isinstance(chain, Chain):
        readable.append(chain.newest)
    return names, {signature.body for signature in readable}


async def _fetch(names: Mapping[str, Rank], lookups: BudgetedResolver, keys: KeyCache) -> Mapping[str, Keys]:
    """The keys of all *names*, asked for by rank."""
    ranks = [
        fetch_keys([name for name in names if names[name] is rank], resolver=lookups.ranked(rank), keys=keys)
        for rank in sorted(set(names.values()))
    ]
    found = await asyncio.gather(*ranks) if len(ranks) > 1 else [await each for each in ranks]
    return {name: usable for part in found for name, usable in part.items()}


async def _hash(body: BodyReader, forms: set[BodyForm], size: int) -> Mapping[BodyForm, BodyDigest]:
    if size <= HASH_INLINE or not forms:
        return hash_body(body(), forms) if forms else {}
    return await asyncio.to_thread(lambda: hash_body(body(), forms))


def _arc(
    chain: Chain | ArcResult, headers: Headers, keys: Mapping[str, Keys], bodies: Mapping[BodyForm, BodyDigest]
) -> ArcResult:
    if isinstance(chain, ArcResult):
        return chain
    return validate(chain, headers=headers, keys=keys, bodies=bodies)
