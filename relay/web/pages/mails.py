"""Console pages of an agent and of one message: content, sender, deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.events.inbound import message_data
from relay.inbox.read import read_attachment
from relay.outbound.unconfirmed import Resolution
from relay.outbound.unconfirmed import resolve as settle
from relay.threads import read_whole
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.access.paths import AGENT_PAGE
from relay.web.answers.errors import FormRejected
from relay.web.answers.files import file_answer
from relay.web.pages.decision_form import draft_file
from relay.web.pages.error_pages import PageRoute, redirect
from relay.web.pages.outbound_view import OutboundPageView, read_outbound_view
from relay.web.pages.session import InjectedUser, console_form, console_page
from relay.web.pages.template import frame_answer
from relay.web.pages.wording import DELIVERIES, STATUSES, verdict
from store.directory.agents import get_agent_by_id
from store.errors import MessageNotFound
from store.mail.activity import list_activity_by_agent
from store.mail.deliveries import get_delivery_for_user, list_attempts, list_deliveries_of_message, replay
from store.mail.messages import get_message_with_content
from store.records.mail import Agent, Attempt, Delivery, Message
from store.transaction import Tx

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MAIL: Final = f"{AGENT_PAGE}/messages/{{message_id}}"
_PAGE_SIZE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """One message of an agent, inbound or outbound, with deliveries and attempts."""

    agent: Agent
    inbound: tuple[Message, bytes] | None
    outbound: OutboundPageView | None
    deliveries: Sequence[tuple[Delivery, Sequence[Attempt]]]


def mail_path(address: str, message_id: str) -> str:
    """Path of the page of a message."""
    return f"/agents/{quote(address, safe='')}/messages/{quote(message_id, safe='')}"


@router.get(AGENT_PAGE)
async def agent_page(request: Request, ctx: InjectedContext, who: InjectedUser, address: str) -> Response:
    """Show an agent and its messages of both directions, newest first."""
    now, cursor = ctx.clock.now(), request.query_params.get("cursor")

    def unit(tx: Tx) -> dict[str, Any]:
        agent = get_agent_by_id(tx, who.user.id, address)
        page = list_activity_by_agent(tx, agent.address, limit=_PAGE_SIZE, cursor=cursor, now=now)
        return {"agent": agent, "page": page}

    given = await ctx.store.read(unit)
    return console_page("agent.html", who, statuses=STATUSES, deliveries=DELIVERIES, **given)


@router.get(MAIL)
async def mail_page(ctx: InjectedContext, who: InjectedUser, address: str, message_id: str) -> Response:
    """Show one message. Does not mark it as read, because that is the agent's status."""
    mail = await _find(ctx, who.user.id, address, message_id)
    at = mail_path(mail.agent.address, message_id)
    given: dict[str, Any] = {"agent": mail.agent, "deliveries": mail.deliveries, "states": DELIVERIES, "at": at}
    if mail.outbound is not None:
        return console_page("mail_out.html", who, view=mail.outbound, statuses=STATUSES, **given)
    assert mail.inbound is not None, "a message is inbound or outbound"
    message, raw = mail.inbound
    data = await read_whole(raw, lambda: message_data(message, raw, base_url=ctx.base_url))
    reasons = verdict(message.authentication)
    return console_page("mail_in.html", who, message=message, data=data, reasons=reasons, **given)


@router.get(MAIL + "/html")
async def mail_html(ctx: InjectedContext, who: InjectedUser, address: str, message_id: str) -> Response:
    """A message's HTML, for the frame in the page."""
    mail = await _find(ctx, who.user.id, address, message_id)
    if mail.outbound is not None:
        return frame_answer(mail.outbound.message.html or "")
    assert mail.inbound is not None, "a message is inbound or outbound"
    message, raw = mail.inbound
    data = await read_whole(raw, lambda: message_data(message, raw, base_url=ctx.base_url))
    return frame_answer(data["html"] or "")


@router.get(MAIL + "/attachments/{index}")
async def mail_attachment(
    ctx: InjectedContext, who: InjectedUser, address: str, message_id: str, index: int
) -> Response:
    """Download a file of a message."""
    mail = await _find(ctx, who.user.id, address, message_id)
    if mail.outbound is None:
        part = await read_attachment(mail.agent.address, message_id, index, store=ctx.store, now=ctx.clock.now())
        name = part.filename or f"attachment-{index}"
        return file_answer(part.content, filename=name, content_type=part.content_type)
    return await draft_file(mail.outbound.message, index, ctx=ctx)


@router.post(MAIL + "/resolve")
async def resolve(request: Request, ctx: InjectedContext, who: InjectedUser, address: str, message_id: str) -> Response:
    """Resolve an unconfirmed or failed message: mark it as sent, or send it again."""
    form = await console_form(request, who, ctx)
    if form["verdict"] not in {"sent", "send_again"}:
        raise FormRejected
    if form["verdict"] == "send_again" and form["confirmed"] != "yes":
        await _find(ctx, who.user.id, address, message_id)  # of this user
        return console_page(
            "confirm.html",
            who,
            title="Send it again?",
            question="If the first attempt did arrive, its recipients get the mail twice.",
            to=f"{mail_path(address, message_id)}/resolve",
            fields=(("verdict", "send_again"), ("confirmed", "yes")),
            button="Send again",
            back=mail_path(address, message_id),
        )
    word: Resolution = "sent" if form["verdict"] == "sent" else "send_again"
    await settle(who.user.id, message_id, word, agent=address, ctx=ctx.send_context)
    return redirect(mail_path(address, message_id))


@router.post("/deliveries/{delivery_id}/replay")
async def deliver_again(request: Request, ctx: InjectedContext, who: InjectedUser, delivery_id: str) -> Response:
    """Replay a delivery that is delivered or dead."""
    await console_form(request, who, ctx)
    now = ctx.clock.now()

    def unit(tx: Tx) -> Delivery:
        return replay(tx, get_delivery_for_user(tx, who.user.id, delivery_id).id, now=now)

    delivery = await ctx.store.write(unit)
    if delivery.message_id is None:
        return redirect(f"/agents/{quote(delivery.agent, safe='')}")
    return redirect(f"{mail_path(delivery.agent, delivery.message_id)}#deliveries")


async def _find(ctx: WebContext, user_id: str, address: str, message_id: str) -> _Mail:
    """Read a message of one of the user's agents.

    Raises AgentNotFound, MessageNotFound.
    """
    now = ctx.clock.now()
    return await ctx.store.read(lambda tx: _read(tx, user_id, address, message_id, now=now))


def _read(tx: Tx, user_id: str, address: str, message_id: str, *, now: datetime) -> _Mail:
    agent = get_agent_by_id(tx, user_id, address)
    outbound = None
    try:
        inbound = get_message_with_content(tx, agent.address, message_id, now=now, peek=True)
    except MessageNotFound:
        inbound, outbound = None, read_outbound_view(tx, user_id, message_id, now=now)
        if outbound.message.agent != agent.address:
            raise
    found = list_deliveries_of_message(tx, message_id)
    deliveries = [(each, list_attempts(tx, each.id)) for each in found]
    return _Mail(agent=agent, inbound=inbound, outbound=outbound, deliveries=deliveries)
