"""What goes wrong on a page is a page."""

import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from relay.errors import BadDraft, CourierBusy, CourierRefused, Suppressed
from relay.web.pages.error_pages import PageRoute
from store.errors import (
    AgentNotFound,
    Conflict,
    InvalidValue,
    MessageNotFound,
    NotReplayable,
    SendingPaused,
    Unavailable,
)
from tests.broken_store import lose_table
from tests.web.person import Person


@pytest.fixture
def fails(sqlite_api):
    """The page of a route that raises."""
    router = APIRouter(route_class=PageRoute)
    raised: list[Exception] = []

    @router.get("/fails")
    async def fail():
        raise raised[0]

    sqlite_api.own_api().include_router(router)

    async def ask(error):
        raised[:] = [error]
        return await Person(sqlite_api).get("/fails")

    return ask


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MessageNotFound(), 404, "Not found"),
        (AgentNotFound(), 404, "Not found"),
        (InvalidValue("a value <b>"), 422, "a value <b>"),
        (NotReplayable(), 409, "The delivery is pending"),
        (Conflict(), 409, "This is not possible"),
        (Unavailable("secret words"), 503, "The database is not available"),
        (SendingPaused(), 503, "Sending is paused"),
        (CourierBusy("secret words"), 503, "Please try again"),
        (CourierRefused("554 closed"), 502, "554 closed"),
        (BadDraft("too long"), 422, "too long"),
    ],
)
async def test_an_error_is_a_page_with_its_status(fails, error, status, words):
    page = await fails(error)

    assert (status, True) == (page.status, words in page.text)
    assert "text/html; charset=utf-8" == page.headers["Content-Type"]
    assert "no-store" == page.headers["Cache-Control"]
    assert "secret" not in page.html


async def test_what_nobody_expected_is_logged_and_its_words_are_not_told(fails):
    with capture_logs() as lines:
        page = await fails(RuntimeError("secret words"))

    assert (500, False) == (page.status, "secret" in page.html)
    assert ["page_failed"] == [line["event"] for line in lines if line["log_level"] == "error"]


async def test_a_suppressed_recipient_is_told(fails):
    page = await fails(Suppressed("bo@reader.example complained", addresses=("bo@reader.example",)))

    assert "bo@reader.example complained" in page.text


@pytest.mark.parametrize("path", ["/", "/keys", "/login/x"])
async def test_a_database_that_does_not_answer_is_a_page(sqlite_api, path):
    person = await Person(sqlite_api).sign_in()
    lose_table(sqlite_api.store, "user_sessions")

    page = await person.ask("GET", path)

    assert (404 if path == "/login/x" else 503) == page.status
    assert "html" in page.headers["Content-Type"]
