"""Signing in to the console by a link, and out of it."""

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from relay.directory.sign_in import LASTS, sign_in_link
from relay.web.http.limits import ApiLimits
from relay.web.pages.sign_in import safe_path
from relay.web.pages.template import templates
from store.schema.inbound import user_sessions
from store.schema.outbound import notifications
from tests.web.client import BASE_URL, OWNER, serve_api
from tests.web.person import COOKIE, Person, PostOffice

SENT = "a sign-in link is being sent"


@pytest.fixture
async def api_server(sqlite_store, clock, places):
    limits = ApiLimits(sign_ins_per_peer=6)
    async with serve_api(sqlite_store, clock, places, limits, courier=PostOffice()) as opened:
        yield opened


@pytest.fixture
def person(api_server):
    return Person(api_server)


@pytest.fixture
def letters(api_server):
    """Whom letters with links wait for."""
    return lambda: api_server.store.read(
        lambda tx: tx.execute(select(notifications.c.user_id).where(notifications.c.kind == "sign_in")).scalars().all()
    )


@pytest.fixture
async def link(api_server):
    user = await api_server.store.write(api_server.places.user)
    key, now = api_server.places.master.links, api_server.clock.now()
    return sign_in_link(user.id, epoch=0, base_url=BASE_URL, key=key, nonce="n-1", now=now).removeprefix(BASE_URL)


async def ask_for_link(person, email):
    return await person.press(await person.get("/login"), "Send sign-in link", email=email)


# The letter


async def test_a_user_is_sent_a_letter(api_server, person, letters):
    told = await ask_for_link(person, f" {OWNER.upper()} ")

    user = await api_server.store.write(api_server.places.user)
    assert (200, True, [user.id]) == (told.status, SENT in told.text, await letters())


@pytest.mark.parametrize("email", ["nobody@nowhere.example", "", "x", "a\0b@x.example", "ü" * 400, "a@b\r\nc: d"])
async def test_of_a_stranger_nothing_is_told_and_nothing_is_kept(person, letters, email):
    known = await ask_for_link(person, OWNER)
    unknown = await ask_for_link(person, email)

    assert (known.status, known.html) == (unknown.status, unknown.html)
    assert 1 == len(await letters())


async def test_a_form_that_is_not_ours_sends_no_letter(person, letters):
    told = await person.post("/login", [("email", OWNER), ("form", "x")])

    assert (403, []) == (told.status, await letters())
    assert SENT in (await person.press(told, "Send sign-in link", email=OWNER)).text


async def test_whoever_asks_too_often_is_told_to_wait(api_server, person, letters):
    for _ in range(6):
        await ask_for_link(person, "nobody@nowhere.example")

    told = await ask_for_link(person, OWNER)

    assert (429, []) == (told.status, await letters())
    assert "Please wait a minute" in told.text
    assert int(told.headers["Retry-After"]) > 0
    api_server.clock.advance(minutes=1)
    assert 200 == (await ask_for_link(person, OWNER)).status


async def test_a_relay_that_sends_nothing_says_who_has_a_link(sqlite_api):
    told = await ask_for_link(Person(sqlite_api), OWNER)

    assert "mailseal login-link" in told.text


# The link


async def test_a_link_shows_a_button_and_a_press_of_it_signs_in(person, link):
    page = await person.get(link)
    assert {} == person.cookies

    told = await person.press(page, f"Sign in as {OWNER}")

    assert (200, "/", True) == (told.status, told.path, OWNER in told.text)
    assert [COOKIE] == list(person.cookies)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_looking_at_a_link_signs_nobody_in(api_server, person, link, method):
    await person.ask(method, link)

    assert [] == await api_server.store.read(lambda tx: tx.execute(select(user_sessions)).all())
    assert 200 == (await person.get(link)).status


async def test_the_cookie_is_for_this_host_over_https_and_no_script_reads_it(api_server, person, link):
    page = await person.get(link)
    form = page.forms[0]

    answer = await person.post(form.action, form.fields)

    written = next(each for each in answer.headers.getall("Set-Cookie") if each.startswith(COOKIE))
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=604800"} <= set(written.split("; "))
    assert "Domain" not in written
    assert (303, "/") == (answer.status, answer.headers["Location"])


async def test_a_link_signs_in_once(api_server, person, link):
    page = await person.get(link)
    other = Person(api_server)

    told = await asyncio.gather(*[each.press(page, f"Sign in as {OWNER}") for each in (person, other)])

    assert [200, 404] == sorted(each.status for each in told)
    assert 1 == len(person.cookies) + len(other.cookies)


async def test_a_link_is_over_after_a_quarter_of_an_hour(clock, person, link):
    page = await person.get(link)
    clock.advance(minutes=15)

    assert 404 == (await person.get(link)).status
    assert 404 == (await person.press(page, f"Sign in as {OWNER}")).status
    assert {} == person.cookies


@pytest.mark.parametrize("token", ["x", "a.b", "%FF", "a" * 700])
async def test_what_is_no_link_of_ours_is_told_so(person, token):
    assert 404 == (await person.get(f"/login/{token}")).status


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
async def test_nobody_is_signed_in_from_somebody_else_s_page(person, link, headers):
    form = (await person.get(link)).forms[0]

    assert 403 == (await person.post(form.action, form.fields, headers=headers)).status
    assert {} == person.cookies


async def test_a_press_without_the_form_s_proof_signs_nobody_in(person, link):
    assert 403 == (await person.post(link, [("form", "x")])).status
    assert {} == person.cookies


async def test_whoever_signs_in_again_has_one_session(api_server, person, link):
    await person.sign_in("eve@stranger.example")

    await person.press(await person.get(link), f"Sign in as {OWNER}")

    assert 1 == len(await api_server.store.read(lambda tx: tx.execute(select(user_sessions)).all()))
    assert OWNER in (await person.get("/keys")).text


# Where to


async def test_signing_in_leads_to_the_page_that_was_asked_for(api_server, person, link):
    login = await person.get("/agents/bot%40agents.example")
    assert "/login?next=/agents/bot%40agents.example" == login.path

    await person.press(login, "Send sign-in link", email=OWNER)
    answer = await person.post(link, (await person.get(link)).forms[0].fields)

    assert "/agents/bot@agents.example" == answer.headers["Location"]
    assert [COOKIE] == list(person.cookies)


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/domains", "/domains"),
        ("/approvals/msg_1?x=1", "/approvals/msg_1?x=1"),
        ("", "/"),
        ("domains", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\\b", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/ü", "/"),
        ("/" + "x" * 500, "/"),
    ],
)
def test_only_a_path_of_ours_is_gone_on_to(wanted, path):
    assert path == safe_path(wanted)


async def test_whoever_is_signed_in_is_not_asked_again(person):
    await person.sign_in()

    assert "/" == (await person.get("/login")).path


# Out


async def test_signing_out_ends_the_session(api_server, person):
    await person.sign_in()
    session = dict(person.cookies)

    told = await person.press(await person.get("/keys"), "Sign out")

    assert ("/login", {}) == (told.path, person.cookies)
    person.cookies = session
    assert "/login?next=/keys" == (await person.get("/keys")).path


async def test_nobody_is_signed_out_without_their_form(person):
    await person.sign_in()

    assert 403 == (await person.post("/logout", [("form", "x")])).status
    assert "/keys" == (await person.get("/keys")).path


async def test_a_session_is_over_after_seven_days(clock, person):
    await person.sign_in()
    clock.advance(days=7)

    assert "/login" == (await person.get("/")).path


@pytest.mark.parametrize("value", ["", "x", "a" * 43, "ü" * 43, "a" * 5000])
async def test_what_is_no_session_signs_nobody_in(person, value):
    person.cookies[COOKIE] = value

    assert "/login?next=/keys" == (await person.get("/keys")).path


def test_no_time_of_a_link_is_longer_than_the_letter_says():
    source = templates().loader.get_source(templates(), "login_sent.html")[0]
    assert LASTS == timedelta(minutes=int(re.search(r"valid for (\d+) minutes", source)[1]))
