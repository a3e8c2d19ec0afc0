"""Console page of a pending message: view, edit, approve, reject."""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.outbound.review import amend
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.bodies import takes_message
from relay.web.answers.errors import FormRejected
from relay.web.pages import decision_form as deciding
from relay.web.pages.draft_form import Edited, edit_of, edited_of
from relay.web.pages.error_pages import PageRoute, redirect, status_of
from relay.web.pages.forms import Form, read_form
from relay.web.pages.outbound_view import OutboundPageView, read_outbound_view
from relay.web.pages.session import ConsoleUser, InjectedUser, console_page, is_valid_form
from relay.web.pages.template import frame_answer
from store.errors import NotPendingApproval, Outdated, SendUnconfirmed
from store.outbound.outbound import read_draft
from store.records.outbound import Draft, Version
from store.transaction import Tx

router = APIRouter(prefix="/approvals/{message_id}", route_class=PageRoute, include_in_schema=False)

CHANGED: Final = "The draft was changed in the meantime. This is the current version; no decision was made."
STALE: Final = "This page has expired. Please check the message and submit again; no changes were made."


@dataclass(frozen=True, slots=True)
class _ReviewRequest:
    """A request about one pending message."""

    ctx: WebContext
    user_session: ConsoleUser
    message_id: str

    @property
    def path(self) -> str:
        return f"/approvals/{self.message_id}"

    async def view(self) -> OutboundPageView:
        """Read the message for display. Raises MessageNotFound."""
        now = self.ctx.clock.now()
        return await self.ctx.store.read(
            lambda tx: read_outbound_view(tx, self.user_session.user.id, self.message_id, now=now)
        )

    async def draft(self) -> tuple[OutboundPageView, Draft]:
        """Read the message and its files. Raises MessageNotFound."""
        now = self.ctx.clock.now()

        def unit(tx: Tx) -> tuple[OutboundPageView, Draft]:
            view = read_outbound_view(tx, self.user_session.user.id, self.message_id, now=now)
            return view, read_draft(tx, view.message)

        return await self.ctx.store.read(unit)

    async def page(
        self, *, status: int = 200, alert: str = "", reason: str = "", edited: Edited | None = None
    ) -> Response:
        """The page of the message, with the reviewer's unsaved input."""
        view = await self.view()
        if not view.is_pending:
            return console_page("approval_decided.html", self.user_session, view=view, alert=alert)
        given: dict[str, Any] = {"form": self.user_session.form, "alert": alert, "reason": reason}
        given |= {"edited": edited or edited_of(view.message), "is_open": edited is not None}
        return console_page("approval.html", self.user_session, status=status, view=view, at=self.path, **given)


@router.get("")
async def approval(ctx: InjectedContext, who: InjectedUser, message_id: str) -> Response:
    """Show the pending message, or the outcome of the decision."""
    return await _ReviewRequest(ctx, who, message_id).page()


@router.post("")
async def decide(request: Request, ctx: InjectedContext, who: InjectedUser, message_id: str) -> Response:
    """Approve or reject the draft that was shown."""
    reviewing = _ReviewRequest(ctx, who, message_id)
    form = await read_form(request, ctx)
    if not is_valid_form(form, who, ctx) or form["decision"] not in deciding.DECISIONS:
        return await reviewing.page(status=403, alert=STALE, reason=form["reason"])
    try:
        await deciding.decide(form, who.user.id, message_id, seen=_seen(form), ctx=ctx)
    except Outdated:
        return await reviewing.page(status=409, alert=CHANGED, reason=form["reason"])
    except (NotPendingApproval, SendUnconfirmed):
        return redirect(reviewing.path)
    except deciding.STILL_PENDING as error:
        return await reviewing.page(status=status_of(error), alert=str(error), reason=form["reason"])
    return redirect(reviewing.path)


@router.post("/edit")
@takes_message
async def edit(request: Request, ctx: InjectedContext, who: InjectedUser, message_id: str) -> Response:
    """Edit the draft.

    It stays pending as a new revision; links in earlier emails become invalid.
    """
    reviewing = _ReviewRequest(ctx, who, message_id)
    view, draft = await reviewing.draft()
    form = await read_form(request, ctx)
    edited = edited_of(view.message, form)
    if not is_valid_form(form, who, ctx):
        return await reviewing.page(status=403, alert=str(FormRejected()), edited=edited)
    try:
        await amend(who.user.id, message_id, edit_of(edited, draft), seen=_seen(form), ctx=ctx.send_context)
    except Outdated:
        return await reviewing.page(status=409, alert=CHANGED, edited=edited)
    except NotPendingApproval:
        return await reviewing.page(alert="A decision was made in the meantime; your changes were not saved.")
    except deciding.STILL_PENDING as error:
        return await reviewing.page(status=status_of(error), alert=str(error), edited=edited)
    return redirect(reviewing.path)


@router.get("/html")
async def approval_html(ctx: InjectedContext, who: InjectedUser, message_id: str) -> Response:
    """The draft's HTML, for the frame in the page."""
    view = await _ReviewRequest(ctx, who, message_id).view()
    return frame_answer(view.message.html or "")


@router.get("/attachments/{number}")
async def approval_attachment(ctx: InjectedContext, who: InjectedUser, message_id: str, number: int) -> Response:
    """Download a file of the draft."""
    view = await _ReviewRequest(ctx, who, message_id).view()
    return await deciding.draft_file(view.message, number, ctx=ctx)


def _seen(form: Form) -> Version:
    """The draft version that *form* was filled in for.

    An invalid number becomes revision 0, which never exists.
    """
    number = form["revision"]
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    # A digest that did not come, or is another, matches no draft.
    return Version(int(number) if is_number else 0, form["digest"], form["approval_sha256"] or None)
