"""What a form brings back: its fields, and whether it was filled in on a page of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from starlette.exceptions import HTTPException

from relay.errors import BadLink
from relay.signing.link import check_form_token, form_token
from relay.web.access.context import WebContext
from relay.web.answers.errors import FormRejected

LASTS: Final = timedelta(hours=1)
FIELD: Final = "form"  # in which the proof comes back
_MOST_FIELDS: Final = 200
_KINDS: Final = frozenset({"application/x-www-form-urlencoded", ""})  # none is said of an empty one
_OURS: Final = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site; none: typed, or from a bookmark


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form; text areas with LF line ends, whatever the browser made of them."""

    fields: Mapping[str, Sequence[str]]

    def __getitem__(self, name: str) -> str:
        """The field *name*; empty when it did not come."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> list[str]:
        """Every field *name*."""
        return [value.replace("\r\n", "\n").replace("\r", "\n") for value in self.fields.get(name, ())]


async def read_form(request: Request, ctx: WebContext) -> Form:
    """The form that *request* brings. Raises FormRejected for one from a page of somebody else."""
    _require_own_page(request, ctx.base_url)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS:
        raise HTTPException(415)
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"))
    except ValueError as error:
        raise HTTPException(400) from error


def new_token(page: str, ctx: WebContext) -> str:
    """What a form on *page* brings back to show that it is ours."""
    return form_token(page, until=ctx.clock.now() + LASTS, key=ctx.master.links)


def is_fresh(form: Form, page: str, ctx: WebContext) -> bool:
    """Whether *form* was made for *page* by us, within the hour."""
    try:
        check_form_token(form[FIELD], page, key=ctx.master.links, now=ctx.clock.now())
    except BadLink:
        return False
    return True


def _require_own_page(request: Request, base_url: str) -> None:
    """Browsers say where a form was sent from; the pages of ours send no address along, so they may say "null"."""
    origin = request.headers.get("origin")
    if origin not in {None, "null"} and urlsplit(origin).netloc not in {
        urlsplit(base_url).netloc,
        request.headers.get("host"),
    }:
        raise FormRejected
    if request.headers.get("sec-fetch-site", "none") not in _OURS:
        raise FormRejected
