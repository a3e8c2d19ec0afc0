"""Parse submitted forms and check their origin and anti-forgery (CSRF) token."""

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
FIELD: Final = "form"  # name of the field with the token
_MOST_FIELDS: Final = 200
_KINDS: Final = frozenset({"application/x-www-form-urlencoded", ""})  # an empty form has no content type
_OURS: Final = frozenset({"same-origin", "none"})  # values of Sec-Fetch-Site; "none": typed, or from a bookmark


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, with LF line ends."""

    fields: Mapping[str, Sequence[str]]

    def __getitem__(self, name: str) -> str:
        """The first value of the field *name*; empty if absent."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> list[str]:
        """All values of the field *name*."""
        return [value.replace("\r\n", "\n").replace("\r", "\n") for value in self.fields.get(name, ())]


async def read_form(request: Request, ctx: WebContext) -> Form:
    """The form in *request*. Raises FormRejected for a form from another site."""
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
    """A new anti-forgery token for a form on *page*, valid for one hour."""
    return form_token(page, until=ctx.clock.now() + LASTS, key=ctx.master.links)


def is_fresh(form: Form, page: str, ctx: WebContext) -> bool:
    """Whether *form* holds a valid token for *page*."""
    try:
        check_form_token(form[FIELD], page, key=ctx.master.links, now=ctx.clock.now())
    except BadLink:
        return False
    return True


def _require_own_page(request: Request, base_url: str) -> None:
    """Check Origin and Sec-Fetch-Site. Raises FormRejected for another site.

    Origin may be "null", because pages are served with ``Referrer-Policy: no-referrer``.
    """
    origin = request.headers.get("origin")
    if origin not in {None, "null"} and urlsplit(origin).netloc not in {
        urlsplit(base_url).netloc,
        request.headers.get("host"),
    }:
        raise FormRejected
    if request.headers.get("sec-fetch-site", "none") not in _OURS:
        raise FormRejected
