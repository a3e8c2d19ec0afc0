"""The console's page of sessions: listed, and all ended at once; and the letters to the user that came back."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from relay.directory.sessions import find_session
from relay.web.access.dependencies import InjectedContext
from relay.web.pages.error_pages import LOGIN, PageRoute, redirect
from relay.web.pages.session import InjectedUser, console_form, console_page, cookie_name, set_cookie
from store.directory.sessions import delete_user_sessions, list_user_sessions
from store.outbound.returned_letters import list_bounced_letters
from store.records.people import BouncedLetter, Session
from store.transaction import Tx

router = APIRouter(prefix="/sessions", route_class=PageRoute, include_in_schema=False)

_LATELY: Final = timedelta(days=30)
_LETTERS: Final = 20


@router.get("")
async def sessions(ctx: InjectedContext, who: InjectedUser) -> Response:
    """The user's sessions, newest first."""
    now = ctx.clock.now()

    def unit(tx: Tx) -> tuple[list[Session], list[BouncedLetter], Session | None]:
        found = find_session(tx, who.token, now=now)
        letters = list_bounced_letters(tx, since=now - _LATELY, user_id=who.user.id, limit=_LETTERS)
        return list_user_sessions(tx, who.user.id, now=now), letters, found and found[1]

    listed, letters, current = await ctx.store.read(unit)
    return console_page("sessions.html", who, sessions=listed, letters=letters, current=current)


@router.get("/end")
async def confirm_end(who: InjectedUser) -> Response:
    """Ask before all sessions end."""
    return console_page(
        "confirm.html",
        who,
        title="Sign out everywhere?",
        question="All your sessions end, this one too, and unused sign-in links no longer work. API keys stay valid.",
        to="/sessions/end",
        fields=(),
        button="Sign out everywhere",
        back="/sessions",
    )


@router.post("/end")
async def end_sessions(request: Request, ctx: InjectedContext, who: InjectedUser) -> Response:
    """End all sessions of the user."""
    await console_form(request, who, ctx)
    await ctx.store.write(lambda tx: delete_user_sessions(tx, who.user.id))
    answer = redirect(LOGIN)
    set_cookie(answer, cookie_name(ctx), "", seconds=0, ctx=ctx)
    return answer
