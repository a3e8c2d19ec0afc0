"""Routes under /v1/domains: claim, verify by DNS, read, delete."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from relay.clock import rfc3339
from relay.directory import domains as domain_directory
from relay.directory.check_domain import look_up_records
from relay.directory.dns_records import records_for
from relay.directory.domains import DomainWithRecords
from relay.errors import Deferred
from relay.web.access.context import WebContext
from relay.web.access.dependencies import Admin, InjectedContext, Viewer
from relay.web.access.idempotency import IdempotentRoute
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.agents import DomainDocument, DomainPage, DomainRequest
from relay.web.schemas.parameters import DomainName, Limit, NameCursor
from store.directory.domains import delete_domain, lookup_domain
from store.errors import DomainHasAgents, DomainNotAvailable, DomainNotFound, DomainUnproven
from store.transaction import Tx

router = APIRouter(prefix="/v1/domains", tags=["domains"], route_class=IdempotentRoute)

WithSending = Annotated[
    bool | None,
    Query(alias="sending", description="Include the DNS records for sending; default: whether a provider is set up."),
]
_Responses = dict[int | str, dict[str, Any]]
_CLAIMED: Final[_Responses] = {
    200: {"model": DomainDocument, "description": "You had already claimed the domain, with this token."},
}


@router.get("", response_model=DomainPage)
async def list_domains(
    principal: Viewer,
    ctx: InjectedContext,
    *,
    sending: WithSending = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: NameCursor = None,
) -> Response:
    """List your domains, by name, with the last known state of their DNS records."""
    page = await ctx.store.read(
        lambda tx: domain_directory.list_some(tx, principal.user.id, limit=limit, cursor=cursor)
    )
    items = [_document(listing, ctx, sending=sending) for listing in page.items]
    return json_answer({"items": items, "next_cursor": page.next_cursor})


@router.post("", status_code=201, response_model=DomainDocument, responses=_CLAIMED)
@raises(DomainNotAvailable)
async def claim_domain(
    principal: Admin, ctx: InjectedContext, wanted: DomainRequest, *, sending: WithSending = None
) -> Response:
    """Claim a domain.

    The response lists the DNS records to publish; DNS is then checked automatically for a week.
    """
    now = ctx.clock.now()
    listing, is_new = await ctx.store.write(
        lambda tx: domain_directory.claim_with_records(tx, principal.user.id, wanted.domain, now=now)
    )
    return json_answer(_document(listing, ctx, sending=sending), 201 if is_new else 200)


@router.get("/{domain}", response_model=DomainDocument)
@raises(DomainNotFound)
async def get_domain(
    principal: Viewer, ctx: InjectedContext, domain: DomainName, *, sending: WithSending = None
) -> Response:
    """Get one domain, with the last known state of its DNS records."""
    listing = await ctx.store.read(lambda tx: domain_directory.look_up(tx, principal.user.id, domain))
    return json_answer(_document(listing, ctx, sending=sending))


@router.delete("/{domain}", status_code=204, response_class=Response)
@raises(DomainNotFound, DomainHasAgents)
async def give_up_domain(principal: Admin, ctx: InjectedContext, domain: DomainName) -> Response:
    """Delete a domain. It must have no agents."""
    await ctx.store.write(lambda tx: delete_domain(tx, principal.user.id, domain))
    return Response(status_code=204)


@router.post("/{domain}/verify", response_model=DomainDocument)
@raises(DomainNotFound, DomainUnproven, DomainNotAvailable, Deferred)
async def verify_domain(
    principal: Admin, ctx: InjectedContext, domain: DomainName, *, sending: WithSending = None
) -> Response:
    """Check DNS now.

    If the TXT record is found, the domain is verified and its `postmaster` agent is created. A
    nameserver may cache a missing record for the negative TTL of the zone's SOA record. A verified
    domain stays verified if a later check fails. 503 `try_again_later` if no nameserver answered:
    the domain is not changed.
    """
    user_id = principal.user.id
    claimed = await ctx.store.read(lambda tx: lookup_domain(tx, user_id, domain))
    seen = await look_up_records(claimed, resolver=ctx.resolver, place=ctx.dns_identity, sending=sending)
    domain_directory.require_answer(claimed, seen)
    now = ctx.clock.now()

    def unit(tx: Tx) -> DomainWithRecords:
        return domain_directory.settle(tx, lookup_domain(tx, user_id, domain), seen, master=ctx.master, now=now)

    listing = await ctx.store.write(unit)
    domain_directory.warn(listing)
    domain_directory.require_proof(listing)
    return json_answer(_document(listing, ctx, sending=sending))


def _document(listing: DomainWithRecords, ctx: WebContext, *, sending: bool | None) -> dict[str, Any]:
    domain = listing.domain
    records = records_for(domain, listing.states, place=ctx.dns_identity, sending=sending)
    return {
        "domain": domain.domain,
        "verified": domain.verified,
        "verified_at": rfc3339(domain.verified_at) if domain.verified_at else None,
        "created_at": rfc3339(domain.created_at),
        "next_check_at": rfc3339(domain.next_check_at) if domain.next_check_at else None,
        "records": [record.to_dict() for record in records],
    }
