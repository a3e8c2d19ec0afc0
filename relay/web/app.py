"""The HTTP application: routers, problems and the description of both."""

from functools import cache
from importlib.metadata import version

from fastapi import FastAPI

from relay.web import problems
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
    stream,
    usage,
)
from relay.web.gate import AtTheGate, Entrance, Gate
from relay.web.house import House
from relay.web.shapes import Problem


def make_app(house: House) -> Entrance:
    """The application over *house*; ``GET /openapi.json`` describes it."""
    return Entrance(_api(), Gate(house, stream.streaming_of(house)))


def make_api() -> FastAPI:
    """Every route, over whichever house a request's gate leads to."""
    app = FastAPI(
        title="Mailseal",
        version=version("mailseal"),
        description="The mail exchanger for AI agents. Errors are RFC 9457 documents with a stable `code`.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={status: {"model": Problem} for status in (400, 401, 403, 404, 408, 413, 415, 422, 429, 503)},
    )
    app.add_middleware(AtTheGate)
    problems.install(app)
    for each in (me, keys, domains, agents, messages, queue, stream, activity, deliveries, usage, account, health):
        app.include_router(each.router)
    app.include_router(agents.of_agent)
    app.include_router(deliveries.of_agent)
    return app


@cache
def _api() -> FastAPI:
    # A hundred routes with their models take longer to set up than a thousand requests.
    return make_api()
