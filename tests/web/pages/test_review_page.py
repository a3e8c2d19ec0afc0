"""The page that a letter's link leads to: whatever looks decides nothing, and a person's press decides once."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.errors import CourierRefused
from relay.outbound.review import amend, approve
from relay.signing.link import SignInLink, form_token, sign_in_token
from store.directory.sending_pause import pause_sending
from store.errors import SendUnconfirmed
from store.outbound.edit import PendingApprovalEdit
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import list_send_attempts
from tests.broken_store import lose_table
from tests.web.client import OWNER, ApiServer, serve_api
from tests.web.person import DRAFT, Person, PostOffice, busy, hold, link_to

APPROVE = "Approve and send"


@pytest.fixture
def send_context():
    return PostOffice()


@pytest.fixture
async def api_server(sqlite_store, clock, places, send_context):
    async with serve_api(sqlite_store, clock, places, courier=send_context) as opened:
        await opened.agent(name="Bot")
        yield opened


@pytest.fixture
def person(api_server):
    return Person(api_server)


@pytest.fixture
async def held(api_server):
    return await hold(api_server)


@pytest.fixture
async def link(api_server, held):
    return await link_to(api_server, held)


@pytest.fixture
async def page(person, link):
    return await person.get(link)


@pytest.fixture
def now_of(api_server, held):
    """The mail as it is now."""
    return lambda: api_server.store.read(lambda tx: get_outbound_message(tx, held.id))


# What is shown


def test_the_page_shows_the_whole_draft_and_recipients_first(page, held):
    assert 200 == page.status
    assert ("no-store", "no-referrer") == (page.headers["Cache-Control"], page.headers["Referrer-Policy"])
    places = [page.text.index(each) for each in ("bo@reader.example", "cy@other.example", "di@reader.example")]
    assert places == sorted(places)
    assert places[-1] < page.text.index(DRAFT.subject) < page.text.index("Hello Bo,")
    for told in ("bot@agents.example", "(Bot)", "a.pdf", "application/pdf, 2 kB", "b.txt", "text/plain, 1 byte"):
        assert told in page.text
    assert "The owner of this agent reviews all messages" in page.text
    assert "23 November 2026, 16:17 UTC (60 minutes left). Without a decision, the message is not sent." in page.text
    assert f"revision 1, SHA-256 {held.digest[:4]} {held.digest[4:8]} " in page.text


async def test_what_happens_at_the_end_is_what_the_agent_s_owner_chose(api_server, person):
    held = await hold(api_server, ends="approve")

    assert (
        "the message is sent, as set by the agent's owner" in (await person.get(await link_to(api_server, held))).text
    )


def test_recipients_of_a_new_domain_are_marked(page):
    assert "cy@other.example new domain" in page.text


async def test_a_recipient_whom_the_agent_has_written_to_is_not_marked(api_server, person, held):
    await approve((await owner(api_server)).id, held.id, ctx=api_server.send_context)
    api_server.clock.advance(minutes=1)
    again = await hold(api_server, replace(DRAFT, cc=("new@third.example",), bcc=()))

    page = await person.get(await link_to(api_server, again))

    assert "To bo@reader.example Cc new@third.example new domain From" in page.text


def test_what_an_agent_wrote_is_text_in_the_page_and_html_only_in_its_frame(page):
    assert "</pre><script>alert(1)</script>" in page.text
    assert [] == [tag for tag in page.tags if tag in {"script", "img", "object", "embed", "link", "base"}]
    assert [] == [name for name in page.attributes if name.startswith("on") or name == "style"]
    assert "alert(2)" not in page.html
    (frame,) = page.frames
    assert "" == (frame["sandbox"] or "")
    assert frame["src"] == f"{page.path}/html"


def test_the_browser_may_run_and_load_nothing_and_send_forms_here_alone(page):
    policy = page.headers["Content-Security-Policy"].split("; ")

    assert "default-src 'none'" == policy[0]
    assert policy[1].startswith("style-src 'sha256-")
    assert {"base-uri 'none'", "form-action 'self'", "frame-src 'self'", "frame-ancestors 'none'"} == set(policy[2:])


async def test_the_frame_s_html_is_the_draft_s_and_can_do_nothing(person, page):
    frame = await person.get(page.frames[0]["src"])

    assert DRAFT.html == frame.html
    policy = frame.headers["Content-Security-Policy"].split("; ")
    assert ["sandbox", "default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"] == policy[:4]
    assert {"form-action 'none'", "base-uri 'none'", "frame-ancestors 'self'"} == set(policy[4:])
    assert ("off", "no-store", "no-referrer") == tuple(
        frame.headers[name] for name in ("X-DNS-Prefetch-Control", "Cache-Control", "Referrer-Policy")
    )


async def test_a_file_of_the_draft_can_be_saved_and_not_shown(person, link):
    answer = await person.ask("GET", f"{link}/attachments/1")

    assert (200, b"b") == (answer.status, answer.answer.body)
    assert "attachment; filename*=UTF-8''b.txt" == answer.headers["Content-Disposition"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("number", ["2", "-1", "x", "9" * 40])
async def test_a_file_that_is_not_there_is_a_page_that_says_so(person, link, number):
    answer = await person.ask("GET", f"{link}/attachments/{number}")

    assert (404, True) == (answer.status, "Not found" in answer.text)


# Looking decides nothing


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?decision=approve", "?action=approve&form=x&approve=1"])
async def test_looking_decides_nothing_whatever_the_query(person, link, now_of, send_context, method, query):
    answer = await person.ask(method, link + query)

    assert (200, "pending_approval", []) == (answer.status, (await now_of()).status, send_context.carried)
    assert (method == "HEAD") == (answer.html == "")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_taken(person, link, now_of, method):
    answer = await person.ask(method, link)

    assert (405, "pending_approval") == (answer.status, (await now_of()).status)


# Deciding


async def test_a_press_approves_exactly_what_was_shown_and_the_page_tells_it(person, page, now_of, send_context, held):
    told = await person.press(page, APPROVE)

    assert (200, "sent", page.path) == (told.status, (await now_of()).status, told.path)
    assert f"{OWNER} approved the message on 23 November 2026, 15:17 UTC. The message was sent." in told.text
    assert [] == [form for form in told.forms if form.buttons]
    ((raw, recipients),) = send_context.carried
    assert held.raw_size == len(raw)
    assert {"bo@reader.example", "cy@other.example", "di@reader.example"} == set(recipients)
    assert b"di@reader.example" not in raw


async def test_a_press_rejects_with_what_the_person_said(person, page, now_of, send_context):
    told = await person.press(page, "Reject", reason="Not <now>,\nplease")

    message = await now_of()
    assert ("rejected", "Not <now>,\nplease", []) == (message.status, message.reason, send_context.carried)
    assert (
        f"{OWNER} rejected the message on 23 November 2026, 15:17 UTC. The message was not sent. Reason: Not <now>, please"
        in told.text
    )


async def test_the_same_press_twice_decides_once(person, page, send_context):
    form = page.form(APPROVE)
    first = await person.post(form.action, form.fields)
    second = await person.post(form.action, form.fields)

    assert ([303, 303], 1) == ([first.status, second.status], len(send_context.carried))


async def test_of_two_people_one_decides_and_both_are_told_the_same(api_server, person, page, send_context, now_of):
    other = Person(api_server)
    theirs = await other.get(page.path)

    told = await asyncio.gather(person.press(page, APPROVE), other.press(theirs, "Reject", reason="no"))
    after = await person.get(page.path)

    status = (await now_of()).status
    assert status in {"sent", "rejected"}
    assert len(send_context.carried) == (1 if status == "sent" else 0)
    assert [200, 200] == [each.status for each in told]
    assert ("approved the message" if status == "sent" else "rejected the message") in after.text


async def test_a_mail_that_was_decided_says_so_after_the_link_s_time_too(api_server, person, page):
    await person.press(page, "Reject", reason="no")
    api_server.clock.advance(days=2)

    assert (200, True) == ((told := await person.get(page.path)).status, "rejected the message" in told.text)


# Forms that are not what was shown


def without(fields, name):
    return [(each, value) for each, value in fields if each != name]


@pytest.mark.parametrize("name", ["form", "decision"])
async def test_a_post_without_the_form_s_own_fields_decides_nothing(person, page, now_of, send_context, name):
    form = page.form(APPROVE)

    told = await person.post(form.action, without(form.fields, name))

    assert (409, "pending_approval", []) == (told.status, (await now_of()).status, send_context.carried)
    assert "check the message and submit again" in told.text
    assert "sent" == (await decided(person, told, now_of)).status


async def decided(person, page, now_of):
    await person.press(page, APPROVE)
    return await now_of()


async def test_a_form_that_names_another_approval_digest_or_another_digest_decides_nothing(
    person, page, now_of, send_context
):
    form = page.form(APPROVE)
    fields = dict(form.fields)
    assert {"digest", "approval_sha256"} <= fields.keys()
    for name in ("digest", "approval_sha256"):
        for other in ("0" * 64, fields[name].upper(), fields[name][:-1], f"{fields[name]} "):
            told = await person.post(form.action, list((fields | {name: other}).items()))
            assert 409 == told.status, (name, other)
            assert "check the message and submit again" in told.text

    assert ("pending_approval", []) == ((await now_of()).status, send_context.carried)
    assert 303 == (await person.post(form.action, form.fields)).status


async def test_a_form_of_more_than_an_hour_ago_decides_nothing(api_server, clock, person, now_of):
    held = await hold(api_server)
    link = await link_to(api_server, held, expires_at=clock.now() + timedelta(days=1))
    page = await person.get(link)
    clock.advance(minutes=61)

    told = await person.press(page, APPROVE)

    assert (409, "pending_approval") == (told.status, (await now_of()).status)


async def test_a_form_for_another_page_decides_nothing(api_server, person, page, now_of):
    form = page.form(APPROVE)
    other = form_token(
        "console\nx", until=api_server.clock.now() + timedelta(hours=1), key=api_server.places.master.links
    )

    told = await person.post(form.action, [*without(form.fields, "form"), ("form", other)])

    assert (409, "pending_approval") == (told.status, (await now_of()).status)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://relay.example.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_from_somebody_else_s_page_decides_nothing(person, page, now_of, headers):
    form = page.form(APPROVE)

    told = await person.post(form.action, form.fields, headers=headers)

    assert (403, "pending_approval") == (told.status, (await now_of()).status)


@pytest.mark.parametrize(
    "headers", [{"Origin": "null"}, {"Origin": "https://relay.example"}, {"Sec-Fetch-Site": "same-origin"}]
)
async def test_a_form_of_our_own_page_decides(person, page, now_of, headers):
    form = page.form(APPROVE)

    told = await person.post(form.action, form.fields, headers=headers)

    assert (303, "sent") == (told.status, (await now_of()).status)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (415, "application/json", b'{"decision": "approve"}'),
        (415, "multipart/form-data; boundary=x", b"--x--"),
        (400, "application/x-www-form-urlencoded", b"a=\xff"),
        (400, "application/x-www-form-urlencoded", b"&".join([b"a=1"] * 500)),
        (413, "application/x-www-form-urlencoded", b"x=" + b"y" * 70_000),
    ],
)
async def test_what_is_no_form_is_a_page_that_says_so(person, link, now_of, status, kind, body):
    told = await person.ask("POST", link, data=body, headers={"Content-Type": kind})

    assert (status, "pending_approval") == (told.status, (await now_of()).status)
    assert "No changes were made" in told.text


async def test_a_reason_that_is_too_long_is_told_and_kept_in_the_form(person, page, now_of):
    told = await person.press(page, "Reject", reason="x" * 1001)

    assert (422, "pending_approval") == (told.status, (await now_of()).status)
    assert "at most 1000" in told.text
    assert ("reason", "x" * 1001) in told.form("Reject").fields


# Links that lead nowhere


@pytest.mark.parametrize("rest", ["", "/html", "/attachments/0"])
@pytest.mark.parametrize("token", ["x", "x.y", "%FF", "a" * 700, "%2e%2e"])
async def test_a_link_that_is_not_ours_says_so(person, held, token, rest):
    answer = await person.ask("GET", f"/review/{token}{rest}")

    assert (404, True) == (answer.status, "Invalid link" in answer.text)
    assert "Hello" not in answer.html


async def test_a_changed_token_is_none(person, link, now_of):
    words, _, signature = link.partition(".")
    forged = f"{words}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"

    assert 404 == (await person.ask("GET", forged)).status
    assert 404 == (await person.post(forged, [("decision", "approve")])).status
    assert "pending_approval" == (await now_of()).status


async def test_a_link_to_sign_in_is_no_link_to_review(api_server, person):
    user = await owner(api_server)
    link = SignInLink(user_id=user.id, nonce="n", expires_at=api_server.clock.now() + timedelta(hours=1))

    assert 404 == (await person.ask("GET", f"/review/{sign_in_token(link, key=api_server.places.master.links)}")).status


async def test_a_link_whose_time_is_over_shows_nothing_and_decides_nothing(clock, person, page, now_of, send_context):
    clock.advance(hours=1)

    for told in (await person.get(page.path), await person.press(page, APPROVE)):
        assert (410, True, []) == (told.status, "The approval request has expired" in told.text, told.forms)
        assert "Hello Bo" not in told.text
    assert ("pending_approval", []) == ((await now_of()).status, send_context.carried)
    assert 404 == (await person.get(f"{page.path}/html")).status


async def test_an_edit_kills_the_old_link_and_its_open_page(api_server, person, page, now_of, send_context, held):
    user = await owner(api_server)
    await amend(user.id, held.id, PendingApprovalEdit(text="changed"), ctx=api_server.send_context)

    for told in (await person.get(page.path), await person.press(page, APPROVE)):
        assert (410, True, []) == (told.status, "The draft was changed after" in told.text, told.forms)
        assert not [each for each in told.links if each.startswith("/review")]
    assert ("pending_approval", 2, []) == ((message := await now_of()).status, message.revision, send_context.carried)


async def test_another_s_mail_is_not_shown_by_a_link_with_their_id(api_server, person, held):
    eve = await api_server.store.write(lambda tx: api_server.places.user(tx, "eve@stranger.example"))

    told = await person.get(await link_to(api_server, held, user_id=eve.id))

    assert (410, False) == (told.status, "Hello" in told.text)


async def test_a_mail_that_is_not_kept_any_more_says_so(clock, person, link):
    clock.advance(days=31)

    assert (410, True) == ((told := await person.get(link)).status, "no longer stored" in told.text)


# Providers that do not take it


@pytest.mark.parametrize(
    ("status", "trouble"), [(503, busy("the account is throttled")), (502, CourierRefused("554 the account is closed"))]
)
async def test_a_provider_that_does_not_take_it_leaves_it_pending_and_is_quoted(
    person, page, now_of, send_context, status, trouble
):
    send_context.trouble = trouble

    told = await person.press(page, APPROVE)

    assert (status, "pending_approval") == (told.status, (await now_of()).status)
    assert str(trouble) in told.text
    send_context.trouble = None
    await person.press(told, APPROVE)
    assert "sent" == (await now_of()).status


async def test_a_provider_whose_answer_is_lost_leaves_it_uncertain_and_the_page_says_so(
    person, page, now_of, send_context
):
    send_context.trouble = SendUnconfirmed("the line was cut")

    told = await person.press(page, APPROVE)

    assert (200, "unconfirmed") == (told.status, (await now_of()).status)
    assert "The message may have been sent" in told.text
    assert "the line was cut" in told.text


async def test_while_sending_is_paused_nothing_is_decided(api_server, person, page, now_of):
    await api_server.store.write(lambda tx: pause_sending(tx, reason="", now=api_server.clock.now()))

    told = await person.press(page, APPROVE)

    assert (503, "pending_approval") == (told.status, (await now_of()).status)
    assert "mailseal resume" in told.text


async def test_a_database_that_does_not_answer_is_a_page(api_server, person, link):
    lose_table(api_server.store, "outbound")

    told = await person.get(link)

    assert (503, True) == (told.status, "The database is not available" in told.text)


async def test_every_try_is_written_down(api_server, person, page, held):
    await person.press(page, APPROVE)

    (attempt,) = await api_server.store.read(lambda tx: list_send_attempts(tx, held.id))
    assert ("approval", "sent") == (attempt.origin, attempt.outcome)


async def owner(api_server: ApiServer):
    return await api_server.store.write(api_server.places.user)
