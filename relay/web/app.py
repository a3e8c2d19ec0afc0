"""The HTTP application: all routes, their errors and their OpenAPI description."""

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
    provider_events,
    queue,
    reviews,
    sending,
    stream,
    suppressions,
    usage,
)
from relay.web.help import routes as help_pages
from relay.web.pages import approvals, mails, overview, reference, review, sign_in
from relay.web.pages import keys as key_pages
from relay.web.pages import sessions as session_pages
from relay.web.schemas.common import Problem
from relay.web.schemas.openapi import DescribedApi

_ABOUT: Final = (
    "The mail exchanger for AI agents: receives, authenticates, seals, keeps and delivers mail.\n\n"
    "Paths below `/v1` need an API key, as `Authorization: Bearer mk_…`. A row of another user is answered like one "
    "that does not exist: 404. Lists take `limit` and `cursor`, and answer `items` and `next_cursor`. Errors are "
    "RFC 9457 documents with a stable `code`, and `type` is the address of the code's help page: an unknown path "
    "answers 404 `not_found`, a method that a path does not have 405 `method_not_allowed`, and each operation lists "
    "its own codes. Ignore fields you do not know: later releases may add some."
)
_TAGS: Final = [
    {"name": "account", "description": "The user of the key: usage, export and deletion."},
    {"name": "keys", "description": "API keys."},
    {"name": "domains", "description": "Domains whose MX record points to this relay."},
    {"name": "agents", "description": "Addresses that receive and send."},
    {"name": "messages", "description": "Inbound and outbound messages of an agent."},
    {"name": "queue", "description": "Lease inbound messages to workers, each message to one at a time."},
    {"name": "events", "description": "Events of an agent, as they happen."},
    {"name": "sending", "description": "Send, reply and forward."},
    {"name": "reviews", "description": "Messages that wait for a reviewer's decision."},
    {"name": "activity", "description": "Both directions, in order of time and by conversation."},
    {"name": "deliveries", "description": "Deliveries of events to webhooks, with every attempt."},
    {"name": "suppressions", "description": "Addresses that bounced or complained and get no more mail."},
    {"name": "pages", "description": "The page of a review letter's link, for people. Needs no key."},
    {"name": "health", "description": "Health and metrics, for operators. Needs no key."},
    {"name": "reference", "description": "This description. Needs no key."},
]
_SUBJECTS: Final = (
    *(me, keys, domains, agents, messages, queue, stream, sending, reviews, activity),
    *(deliveries, suppressions, usage, account, health, provider_events),
    *(reference, help_pages, review, sign_in, overview, approvals, mails, key_pages, session_pages),
)


def make_app(ctx: WebContext) -> ContextApp:
    """The ASGI application whose routes use *ctx*; ``GET /openapi.json`` describes it."""
    return ContextApp(_api(), Authenticator(ctx, stream.make_stream_context(ctx)))


def make_api() -> FastAPI:
    """All routes; a request finds its WebContext in ``scope["state"]``."""
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
        responses={422: {"model": Problem}},  # replaces the framework's own; relay/web/schemas/openapi.py lists all
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
