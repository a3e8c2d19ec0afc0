"""Approval page behind the link in an email.

A GET never decides, because mail scanners open links; a button decides, once.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from relay.errors import BadLink
from relay.signing.link import ReviewLink, read_review_token
from relay.web.access.context import WebContext
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.errors import LinkExpired
from relay.web.pages.decision_form import DECISIONS, STILL_PENDING, decide, draft_file
from relay.web.pages.error_pages import PageRoute, redirect, status_of
from relay.web.pages.forms import Form, is_fresh, new_token, read_form
from relay.web.pages.outbound_view import OutboundPageView, read_outbound_view
from relay.web.pages.template import frame_answer, page, private_answer
from store.directory.used_links import is_link_used
from store.errors import MessageNotFound, NotPendingApproval, Outdated, SendUnconfirmed
from store.transaction import Tx

router = APIRouter(tags=["pages"], route_class=PageRoute)

LOOK_AGAIN: Final = "This page has expired. Please check the message and submit again; no decision was made."
CHANGED: Final = (
    "The draft was changed after this email was sent. Use the link in the newest email, or open the console."
)
OVER: Final = "The approval request has expired."
RETURNED: Final = "A bounced email brought this link back to the relay, so the link was revoked. Decide in the console."
GONE: Final = "The message is no longer stored."
_DECIDED: Final = (NotPendingApproval, Outdated, MessageNotFound, SendUnconfirmed)  # the page shows the outcome

ReviewToken = Annotated[
    str,
    Path(description="The token in the link of the email.", examples=["bXNnXzAKMQp1c3JfMAoxNzY0MDAwMDAw.c2lnbmF0dXJl"]),
]
_HTML: Final[dict[str, Any]] = {
    "text/html": {"schema": {"type": "string", "description": "A page."}, "example": "<!doctype html>"}
}
_Responses = dict[int | str, dict[str, Any]]
_DEAD: Final[_Responses] = {
    404: {"description": "The link is invalid.", "content": _HTML},
    410: {"description": "The link has expired, or the draft was changed.", "content": _HTML},
    503: {"description": "The database or the mail provider is not available.", "content": _HTML},
}
_SHOWN: Final[_Responses] = {
    200: {"description": "The draft, or the decision.", "content": _HTML},
    **_DEAD,
}
_DECISION: Final[_Responses] = {
    303: {"description": "Redirect to the same page, which shows the outcome."},
    400: {"description": "The form cannot be read.", "content": _HTML},
    403: {"description": "The form was submitted from another site.", "content": _HTML},
    409: {"description": "No decision was made; the page gives the reason.", "content": _HTML},
    413: {"description": "The form is too large.", "content": _HTML},
    415: {"description": "It is not a form.", "content": _HTML},
    422: {"description": "The reason is too long, or the message cannot be sent.", "content": _HTML},
    502: {"description": "The mail provider rejected the message; the page shows its response.", "content": _HTML},
    **_DEAD,
}
_FORM: Final = {
    "requestBody": {
        "description": "The page's form.",
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "description": "The fields of the form.",
                    "properties": {
                        "form": {"type": "string", "description": "Anti-forgery token of the page."},
                        "digest": {"type": "string", "description": "`raw_sha256` of the draft that was shown."},
                        "approval_sha256": {"type": "string", "description": "`approval_sha256` of that draft."},
                        "decision": {"type": "string", "enum": ["approve", "reject"], "description": "The decision."},
                        "reason": {"type": "string", "description": "Reason of a rejection."},
                    },
                },
                "example": {
                    "form": "…",
                    "digest": "…",
                    "approval_sha256": "…",
                    "decision": "reject",
                    "reason": "Not now.",
                },
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class _LinkTarget:
    """A verified review link and the message it leads to."""

    token: str
    link: ReviewLink
    view: OutboundPageView
    is_revoked: bool

    @property
    def path(self) -> str:
        return f"/review/{quote(self.token, safe='')}"

    @property
    def is_open(self) -> bool:
        """Whether the link still allows a decision."""
        is_current = self.link.revision == self.view.message.revision and not self.is_revoked
        return self.view.is_pending and is_current and self.link.expires_at > self.view.now

    @property
    def form(self) -> str:
        """The page name for the form token: bound to this link and this draft."""
        return f"{self.token}\n{self.view.message.digest}"


@router.get("/review/{token}", response_class=Response, responses=_SHOWN)
async def review_page(ctx: InjectedContext, token: ReviewToken) -> Response:
    """Show the draft for approval, or the decision that was made.

    Viewing the page never decides.
    """
    return _page(await _find(ctx, token), ctx)


@router.head("/review/{token}", include_in_schema=False)
async def review_head(ctx: InjectedContext, token: str) -> Response:
    """Like GET, without the body."""
    return _page(await _find(ctx, token), ctx)


@router.post("/review/{token}", response_class=Response, status_code=303, responses=_DECISION, openapi_extra=_FORM)
async def decide_by_link(request: Request, ctx: InjectedContext, token: ReviewToken) -> Response:
    """Decide by the form of the page, once, about exactly the draft that it showed."""
    target = await _find(ctx, token)
    form = await read_form(request, ctx)
    if not target.is_open:
        return redirect(target.path)
    if not is_fresh(form, target.form, ctx) or not _is_about(form, target) or form["decision"] not in DECISIONS:
        return _page(target, ctx, status=409, alert=LOOK_AGAIN, form=form)
    try:
        await decide(form, target.link.user_id, target.link.message_id, seen=target.view.version, ctx=ctx)
    except _DECIDED:
        return redirect(target.path)
    except STILL_PENDING as error:
        now = await _find(ctx, token)
        return _page(now, ctx, status=status_of(error), alert=str(error), form=form)
    return redirect(target.path)


@router.get("/review/{token}/html", include_in_schema=False)
async def review_html(ctx: InjectedContext, token: str) -> Response:
    """The draft's HTML, for the frame in the page."""
    target = await _find_open(ctx, token)
    return frame_answer(target.view.message.html or "")


@router.get("/review/{token}/attachments/{number}", include_in_schema=False)
async def review_attachment(ctx: InjectedContext, token: str, number: int) -> Response:
    """Download a file of the draft."""
    target = await _find_open(ctx, token)
    return await draft_file(target.view.message, number, ctx=ctx)


def _is_about(form: Form, target: _LinkTarget) -> bool:
    """Whether the form names the digests of the draft that the page showed."""
    message = target.view.message
    is_same = form["digest"] == (message.digest or "")
    return is_same and form["approval_sha256"] in {"", message.approval_digest}


async def _find(ctx: WebContext, token: str) -> _LinkTarget:
    """The link in *token* and its message.

    Raises BadLink for an invalid token, LinkExpired if the message was deleted.
    """
    link = read_review_token(token, key=ctx.master.links, now=None)
    now = ctx.clock.now()

    def unit(tx: Tx) -> _LinkTarget:
        view = read_outbound_view(tx, link.user_id, link.message_id, now=now)
        return _LinkTarget(token, link, view, is_link_used(tx, link.hash))

    try:
        return await ctx.store.read(unit)
    except MessageNotFound as error:
        raise LinkExpired(GONE) from error


async def _find_open(ctx: WebContext, token: str) -> _LinkTarget:
    target = await _find(ctx, token)
    if not target.is_open:
        raise BadLink
    return target


def _page(
    target: _LinkTarget, ctx: WebContext, *, status: int = 200, alert: str = "", form: Form | None = None
) -> Response:
    """The draft with its form; after the decision, its outcome.

    Raises LinkExpired if the link no longer allows a decision on a pending message.
    """
    if target.is_open:
        given = {"form": new_token(target.form, ctx), "alert": alert, "reason": form["reason"] if form else ""}
        return private_answer(page("review.html", view=target.view, at=target.path, who=None, **given), status)
    if target.is_revoked:
        raise LinkExpired(RETURNED)
    if target.view.is_pending:
        is_over = target.link.expires_at <= target.view.now
        raise LinkExpired(OVER if is_over else CHANGED)
    return private_answer(page("decided.html", view=target.view, who=None))
