"""Load and render page templates, and build responses with security headers."""

import base64
import re
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

from relay.clock import rfc3339
from relay.web.pages.wording import moment

_HERE: Final = Path(__file__).parent / "templates"
_FRAME: Final = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",  # a DNS lookup would reveal that the message was read
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_CODE: Final = re.compile(r"`([^`]+)`")


@cache
def templates() -> Environment:
    """The Jinja environment of all pages, with automatic escaping."""
    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(prose=prose, when=when, size=size, path=path)
    return made


@cache
def style() -> Markup:
    """The style sheet, embedded in every page so that a page is one request."""
    return Markup((_HERE / "style.css").read_text("utf-8"))  # noqa: S704 (a trusted file)


def page(name: str, /, **given: Any) -> str:
    """Render the template *name* with the values *given*."""
    return templates().get_template(name).render(style=style(), **given)


def page_answer(html: str, status: int = 200) -> Response:
    """A response with *html*, without scripts, remote content or framing."""
    return Response(html, status, headers=_headers(), media_type="text/html")


def prose(text: str) -> Markup:
    """Trusted text as HTML paragraphs, with text in backquotes as code."""
    paragraphs = [_CODE.sub(r"<code>\1</code>", str(escape(part))) for part in text.split("\n\n") if part.strip()]
    return Markup("".join(f"<p>{part}</p>" for part in paragraphs))  # noqa: S704 (escaped above)


def when(at: datetime) -> Markup:
    """A time as a ``<time>`` element."""
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(at), moment(at))


def size(octets: int) -> str:
    """A number of bytes, for people."""
    if octets < 1000:
        return "1 byte" if octets == 1 else f"{octets} bytes"
    return f"{octets / 1e3:.0f} kB" if octets < 1e6 else f"{octets / 1e6:.1f} MB"


def path(step: str) -> str:
    """*step* quoted as a segment of a URL path."""
    return quote(step, safe="")


def private_answer(html: str, status: int = 200) -> Response:
    """A response for one user.

    Not cached, without referrer, with forms and frames only to this server.
    """
    headers = _headers() | {"Cache-Control": "no-store"}
    headers["Content-Security-Policy"] = headers["Content-Security-Policy"].replace(
        "form-action 'none'", "form-action 'self'; frame-src 'self'"
    )
    return Response(html, status, headers=headers, media_type="text/html")


def frame_answer(html: str) -> Response:
    """A response with untrusted *html* for a sandboxed frame.

    Without scripts, remote content or navigation.
    """
    return Response(html, headers=_FRAME, media_type="text/html; charset=utf-8")


@cache
def _headers() -> dict[str, str]:
    digest = base64.b64encode(sha256(style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
