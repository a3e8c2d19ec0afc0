"""Templates, read from beside this file, and how a page is sent."""

import base64
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

_HERE: Final = Path(__file__).parent
_CODE: Final = re.compile(r"`([^`]+)`")


@cache
def templates() -> Environment:
    """The templates of all pages; whatever is put into one is escaped."""
    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["prose"] = prose
    return made


@cache
def style() -> Markup:
    """The style sheet of all pages, which stands in each: a page is one request."""
    return Markup((_HERE / "style.css").read_text("utf-8"))  # noqa: S704 (a file of ours)


def page(name: str, **given: Any) -> str:
    """The template *name* with what is *given*."""
    return templates().get_template(name).render(style=style(), **given)


def page_answer(html: str) -> Response:
    """*html* as an answer: the browser runs nothing, loads nothing and shows it in no frame."""
    return Response(html, headers=_headers(), media_type="text/html")


def prose(text: str) -> Markup:
    """Text of ours as paragraphs, with what stands between backquotes as code."""
    paragraphs = [_CODE.sub(r"<code>\1</code>", str(escape(part))) for part in text.split("\n\n") if part.strip()]
    return Markup("".join(f"<p>{part}</p>" for part in paragraphs))  # noqa: S704 (escaped above)


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
