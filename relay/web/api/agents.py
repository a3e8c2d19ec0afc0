"""Routes under /v1/agents: create, read, change, delete; review settings, secrets.

The address in a path is the agent's own, in any spelling. A ``+tag`` is not removed: ``bot+eu@…`` is
found only if an agent was created with exactly that address.
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from relay.clock import rfc3339
from relay.directory import agents as agent_directory
from relay.errors import BadSecret, NoSharedDomain
from relay.web.access.context import WebContext
from relay.web.access.dependencies import Admin, AgentAdmin, AgentViewer, AnyPrincipal, AnyViewer, InjectedContext
from relay.web.access.idempotency import IdempotentRoute
from relay.web.access.paths import AGENT
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.agents import (
    AgentChange,
    AgentDocument,
    AgentPage,
    AgentRequest,
    HitlSettings,
    SigningSecrets,
)
from relay.web.schemas.parameters import Limit, NameCursor
from store.directory.agents import delete_agent, get_agent_by_id, page_agents_by_user
from store.directory.hitl import update_agent_hitl
from store.errors import AddressTaken, AgentNotFound, DomainNotFound
from store.records.mail import Agent, Page
from store.transaction import Tx

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=IdempotentRoute)
of_agent = APIRouter(prefix=AGENT, tags=["agents"], route_class=IdempotentRoute)

_PLAIN: Final = ("name", "mode", "webhook_url", "on_unverified", "answer_lists", "is_postmaster", "domain_verified")


@router.get("", response_model=AgentPage)
@raises(AgentNotFound)
async def list_agents(
    principal: AnyViewer,
    ctx: InjectedContext,
    limit: Limit = DEFAULT_PAGE,
    cursor: NameCursor = None,
) -> Response:
    """List your agents, by address.

    A key restricted to one agent lists only that agent.
    """
    only, user_id = principal.key.agent, principal.user.id

    def unit(tx: Tx) -> Page[Agent]:
        if only is not None:
            return Page([get_agent_by_id(tx, user_id, only)], None)
        return page_agents_by_user(tx, user_id, limit=limit, cursor=cursor)

    page = await ctx.store.read(unit)
    return json_answer({"items": [_document(agent, ctx) for agent in page.items], "next_cursor": page.next_cursor})


@router.post("", status_code=201, response_model=AgentDocument)
@raises(DomainNotFound, AddressTaken, NoSharedDomain)
async def make_agent(principal: Admin, ctx: InjectedContext, wanted: AgentRequest) -> Response:
    """Create an agent by `address` or by `slug`.

    `address` is on a domain you have claimed, `slug` on the shared domain. On an unverified domain the agent receives
    no mail until the domain is verified, see `domain_verified`.
    """
    now = ctx.clock.now()
    given = wanted.model_dump(exclude_unset=True)
    address = _address(given, ctx)
    values = {"mode": None, "webhook_url": None, "letters_domain": ctx.send_context.routes.letters_domain} | given
    agent = await ctx.store.write(
        lambda tx: agent_directory.create_agent(
            tx, principal.user.id, address, master=ctx.master, allow=ctx.allow, now=now, **values
        )
    )
    return json_answer(_document(agent, ctx), 201)


@of_agent.get("", response_model=AgentDocument)
async def get_agent(agent: AgentViewer, ctx: InjectedContext) -> Response:
    """Get one agent."""
    return json_answer(_document(agent, ctx))


@of_agent.patch("", response_model=AgentDocument)
async def change_agent(
    agent: AgentAdmin, principal: AnyPrincipal, ctx: InjectedContext, change: AgentChange
) -> Response:
    """Change the given fields of an agent.

    After a change to mode `poll`, messages not yet delivered to the webhook are in the queue. 422 `invalid_value`
    for webhook mode without a URL, and for a URL that is never allowed.
    """
    now = ctx.clock.now()
    values = {"mode": None, "webhook_url": None} | change.model_dump(exclude_unset=True)
    changed = await ctx.store.write(
        lambda tx: agent_directory.change_agent(
            tx, principal.user.id, agent.address, allow=ctx.allow, now=now, **values
        )
    )
    return json_answer(_document(changed, ctx))


@of_agent.delete("", status_code=204, response_class=Response)
async def remove_agent(agent: AgentAdmin, principal: AnyPrincipal, ctx: InjectedContext) -> Response:
    """Delete an agent, its messages and its deliveries."""
    await ctx.store.write(lambda tx: delete_agent(tx, principal.user.id, agent.address))
    return Response(status_code=204)


@of_agent.put("/hitl", response_model=AgentDocument)
async def change_hitl(
    agent: AgentAdmin, principal: AnyPrincipal, ctx: InjectedContext, wanted: HitlSettings
) -> Response:
    """Change the review settings of an agent (human in the loop).

    They decide whether a reviewer must approve the agent's messages before they are sent. Messages already pending
    approval keep their expiry.
    """
    now = ctx.clock.now()
    changed = await ctx.store.write(
        lambda tx: update_agent_hitl(tx, principal.user.id, agent.address, **wanted.model_dump(), now=now)
    )
    return json_answer(_document(changed, ctx))


@of_agent.get("/secret", response_model=SigningSecrets)
@raises(BadSecret)
async def get_secrets(agent: AgentAdmin, ctx: InjectedContext) -> Response:
    """List the valid signing secrets, the current one first."""
    now = ctx.clock.now()
    found = await ctx.store.read(lambda tx: agent_directory.read_secrets(tx, agent.address, master=ctx.master, now=now))
    return _secret_answer(found)


@of_agent.post("/secret/rotate", response_model=SigningSecrets)
@raises(BadSecret)
async def rotate_secret(agent: AgentAdmin, principal: AnyPrincipal, ctx: InjectedContext) -> Response:
    """Create a new signing secret.

    The previous one stays valid for 24 hours; until then both sign webhook requests. At most three
    secrets are valid at once: a third rotation within 24 hours ends the oldest immediately.
    """
    now = ctx.clock.now()
    found = await ctx.store.write(
        lambda tx: agent_directory.rotate_secret(tx, principal.user.id, agent.address, master=ctx.master, now=now)
    )
    return _secret_answer(found)


def _secret_answer(found: list[dict[str, str | None]]) -> Response:
    answer = json_answer({"secrets": found})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _address(given: dict[str, Any], ctx: WebContext) -> str:
    """Remove address or slug from *given* and return the address of the agent.

    Raises NoSharedDomain, InvalidValue.
    """
    slug = given.pop("slug", None)
    return (
        str(given.pop("address"))
        if slug is None
        else agent_directory.slug_address(slug, shared_domain=ctx.shared_domain)
    )


def _document(agent: Agent, ctx: WebContext) -> dict[str, Any]:
    return {
        "address": agent.address,
        "email_address": agent.email_address,
        "domain": agent.domain,
        "actual_domain": agent.actual_domain,
        "is_shared": agent.is_shared_domain(ctx.shared_domain),
        **{name: getattr(agent, name) for name in _PLAIN},
        "webhook_off_at": rfc3339(agent.webhook_off_at) if agent.webhook_off_at else None,
        "events": list(agent.events),
        "hitl": {
            "enabled": agent.hitl_enabled,
            "ttl_seconds": agent.hitl_ttl_seconds,
            "expiration_action": agent.hitl_expiration_action,
        },
        "created_at": rfc3339(agent.created_at),
        "updated_at": rfc3339(agent.updated_at) if agent.updated_at else None,
    }
