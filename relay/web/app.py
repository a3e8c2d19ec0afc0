"""The HTTP application: routers, problems and the description of both."""

from functools import cache
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from relay.web.access.auth_middleware import Authenticator, AuthMiddleware, ContextApp
from relay.web.access.context import WebContext
from relay.web.answers import problems
from relay.web.api import (
    account,
    activity,
    agents,
    deliveries,
    domains,
    health,
    keys,
    me,
    messages,
    queue,
    reviews,
    sending,
    ses_events,
    stream,
    suppressions,
    usage,
)
from relay.web.help import routes as help_pages
from relay.web.pages import approvals, mails, overview, reference, review, sign_in
from relay.web.pages import keys as key_pages
from relay.web.schemas.common import Problem
from relay.web.schemas.openapi import DescribedApi

_ABOUT: Final = (
    "The mail exchanger for AI agents: receives, authenticates, seals, keeps and delivers mail.\n\n"
    "Everything below `/v1` wants an API key, as `Authorization: Bearer mk_…`. What belongs to somebody else is as if "
    "it were not there: 404. Lists take `limit` and `cursor`, and answer `items` and `next_cursor`. Errors are "
    "RFC 9457 documents with a stable `code`: a path that is nobody's answers 404 `not_found`, a method that a path "
    "does not have 405 `method_not_allowed`, and each operation lists its own. Ignore fields you do not know: there "
    "may come more."
)
_TAGS: Final = [
    {"name": "account", "description": "Who asks, what they used, and all of it taken along or away."},
    {"name": "keys", "description": "API keys."},
    {"name": "domains", "description": "DNS names whose mail comes here."},
    {"name": "agents", "description": "Addresses that receive and send."},
    {"name": "messages", "description": "What came in, and what goes out."},
    {"name": "queue", "description": "Messages for workers, each for one at a time."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "sending", "description": "What agents write."},
    {"name": "reviews", "description": "What a person decides about it."},
    {"name": "activity", "description": "Both directions, alone and by conversation."},
    {"name": "deliveries", "description": "Events on their way to webhooks."},
    {"name": "suppressions", "description": "Addresses that are not written to any more."},
    {"name": "pages", "description": "For people: where the link in a letter leads. Needs no key."},
    {"name": "health", "description": "For whoever runs the relay. Needs no key."},
    {"name": "reference", "description": "This description. Needs no key."},
]
_SUBJECTS: Final = (
    *(me, keys, domains, agents, messages, queue, stream, sending, reviews, activity),
    *(deliveries, suppressions, usage, account, health, ses_events),
    *(reference, help_pages, review, sign_in, overview, approvals, mails, key_pages),
)


def make_app(ctx: WebContext) -> ContextApp:
    """The application over *house*; ``GET /openapi.json`` describes it."""
    return ContextApp(_api(), Authenticator(ctx, stream.make_stream_context(ctx)))


def make_api() -> FastAPI:
    """Every route, over whichever house a request's gate leads to."""
    app = DescribedApi(
        title="Mailseal",
        version=version("mailseal"),
        description=_ABOUT,
        openapi_tags=_TAGS,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # relay/web/pages/reference.py answers it
        redirect_slashes=False,
        responses={422: {"model": Problem}},  # in place of the framework's own; relay/web/schemas/openapi.py lists all
    )
    app.add_middleware(AuthMiddleware)
    problems.install(app)
    for each in _SUBJECTS:
        app.include_router(each.router)
    app.include_router(agents.of_agent)
    app.include_router(deliveries.of_agent)
    app.include_router(sending.of_message)
    return app


@cache
def _api() -> FastAPI:
    # A hundred routes with their models take longer to set up than a thousand requests.
    return make_api()
