"""Console overview, and the lists of agents and domains."""

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.directory import domains as domain_directory
from relay.directory.dns_records import records_for
from relay.web.access.dependencies import InjectedContext
from relay.web.pages.error_pages import PageRoute
from relay.web.pages.session import InjectedUser, console_page
from relay.web.pages.wording import DELIVERIES, STATUSES
from store.directory.agents import page_agents_by_user
from store.mail.deliveries import list_deliveries_by_user
from store.outbound.failed_mail import list_failed_for_user
from store.outbound.holds import list_pending_outbound_for_user
from store.transaction import Tx

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PAGE_SIZE: Final = 50  # items on a page of a list
_FIRST_ITEMS: Final = 20  # items of each list on the overview


@router.get("/")
async def overview(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """Show pending, failed and unconfirmed messages, dead deliveries, and agents."""
    now, cursor = ctx.clock.now(), request.query_params.get("cursor")
    given = await ctx.store.read(lambda tx: _overview(tx, who.user.id, cursor, now=now))
    return console_page("overview.html", who, statuses=STATUSES, deliveries=DELIVERIES, **given)


def _overview(tx: Tx, user_id: str, cursor: str | None, *, now: datetime) -> dict[str, Any]:
    return {
        "holds": list_pending_outbound_for_user(tx, user_id, limit=_PAGE_SIZE, cursor=cursor, now=now),
        "undelivered": list_failed_for_user(tx, user_id, limit=_FIRST_ITEMS, now=now),
        "dead": list_deliveries_by_user(tx, user_id, status="dead", limit=_FIRST_ITEMS).items,
        "agents": page_agents_by_user(tx, user_id, limit=_FIRST_ITEMS, cursor=None),
    }


@router.get("/agents")
async def agents(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """List the agents, by address."""
    cursor = request.query_params.get("cursor")
    page = await ctx.store.read(lambda tx: page_agents_by_user(tx, who.user.id, limit=_PAGE_SIZE, cursor=cursor))
    return console_page("agents.html", who, page=page)


@router.get("/domains")
async def domains(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """List the domains with their DNS records and the result of the last check."""
    cursor = request.query_params.get("cursor")
    page = await ctx.store.read(lambda tx: domain_directory.list_some(tx, who.user.id, limit=_PAGE_SIZE, cursor=cursor))
    listed = [(each.domain, records_for(each.domain, each.states, place=ctx.dns_identity)) for each in page.items]
    return console_page("domains.html", who, domains=listed, next_cursor=page.next_cursor)
