"""The HTTP application: routers, problems and the description of both."""

from importlib.metadata import version

from fastapi import FastAPI

from relay.web import problems
from relay.web.api import health, messages, queue
from relay.web.guard import LastUse
from relay.web.house import House
from relay.web.shapes import Problem


def make_app(house: House) -> FastAPI:
    """The application over *house*; ``GET /openapi.json`` describes it."""
    app = FastAPI(
        title="Mailseal",
        version=version("mailseal"),
        description="The mail exchanger for AI agents. Errors are RFC 9457 documents with a stable `code`.",
        docs_url=None,
        redoc_url=None,
        responses={status: {"model": Problem} for status in (401, 404, 422, 503)},
    )
    app.state.house = house
    app.state.last_use = LastUse()
    problems.install(app)
    for each in (messages, queue, health):
        app.include_router(each.router)
    return app
