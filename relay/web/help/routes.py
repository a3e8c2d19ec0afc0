"""The pages at /help: the documents of this very release, without scripts and without a network."""

from typing import Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from relay.web.help.library import PICTURES, Library, library
from relay.web.help.links import page_path
from relay.web.pages.template import page, page_answer

router = APIRouter(include_in_schema=False)

_KEPT: Final = {"Cache-Control": "public, max-age=300"}
_POLICY: Final = "Content-Security-Policy"
_PICTURE: Final = {
    _POLICY: "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    **_KEPT,
}


@router.get("/help")
@router.head("/help")
async def help_index() -> Response:
    """The first page of the help."""
    return await help_page("index")


@router.get("/help/{name:path}")
@router.head("/help/{name:path}")
async def help_page(name: str) -> Response:
    """A page of the help, or a picture in one; 404 with the list of all pages for an unknown name."""
    known = await run_in_threadpool(library)
    if name in known.pictures:
        return await _picture(name, known)
    if name in known.pages:
        return _answer(page("help.html", page=known.pages[name], menu=known.menu, here=page_path(name)), 200)
    return _answer(page("help_missing.html", menu=known.menu, here=""), 404)


async def _picture(name: str, known: Library) -> Response:
    file = known.pictures[name]
    content = await run_in_threadpool(file.read_bytes)
    return Response(content, headers=_PICTURE, media_type=PICTURES[file.suffix])


def _answer(html: str, status: int) -> Response:
    answer = page_answer(html, status)
    answer.headers.update(_KEPT)
    answer.headers[_POLICY] = f"{answer.headers[_POLICY]}; img-src 'self'"
    return answer
