"""The console: each sees what is theirs, and presses buttons that work once."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import re
from dataclasses import replace

import pytest
from fastapi.routing import iter_route_contexts

from relay.outbound.review import amend, approve
from relay.web.app import make_api
from store.errors import SendUnconfirmed
from store.mail.deliveries import get_delivery
from store.outbound.edit import PendingApprovalEdit
from store.outbound.outbound import create_outbound_message, get_outbound_message, read_draft
from store.records.outbound import Draft
from store.schema.inbound import messages
from tests.places import new_outbound
from tests.web.client import BOT, OWNER, PAGE, WITH_FILES, serve_api
from tests.web.person import DRAFT, Person, PostOffice, busy, hold
from tests.web.world import AUTHENTICATION, dead_delivery

POSTS = [
    context.path_format
    for context in iter_route_contexts(make_api().routes)
    if "POST" in (getattr(context.original_route, "methods", None) or ())
    and not context.original_route.include_in_schema
    and not context.path_format.startswith(("/login", "/ses/"))
]
IDS = {"address": "bot%40agents.example", "message_id": "msg_404", "delivery_id": "dlv_404", "key_id": "key_404"}
EVE = "eve@stranger.example"
HOOK = "hook@agents.example"
HOSTILE = (
    b'Subject: =?utf-8?q?<script>alert(1)</script>?=\r\nFrom: "<b>Bo</b>" <bo@sender.example>\r\n'
    b"To: bot@agents.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<meta http-equiv=refresh content='0;url=https://evil.example/'><script>alert(2)</script>"
    b"<img src=https://evil.example/x.gif><form action=https://evil.example/><button>x</button></form>"
    b"<style>@import 'https://evil.example/x.css'</style><p>hello</p></iframe></pre>\r\n"
)


@pytest.fixture
def send_context():
    return PostOffice()


@pytest.fixture
async def api_server(sqlite_store, clock, places, send_context):
    async with serve_api(sqlite_store, clock, places, courier=send_context) as opened:
        await opened.agent(name="Bot")
        await opened.agent(HOOK, webhook="https://hooks.example/in")
        yield opened


@pytest.fixture
async def ana(api_server):
    return await Person(api_server).sign_in()


@pytest.fixture
async def eve(api_server):
    return await Person(api_server).sign_in(EVE)


@pytest.fixture
async def held(api_server):
    return await hold(api_server)


@pytest.fixture
def now_of(api_server):
    return lambda message: api_server.store.read(lambda tx: get_outbound_message(tx, message.id))


def mail(message_id, agent="bot%40agents.example"):
    return f"/agents/{agent}/messages/{message_id}"


async def undelivered(api_server, status, **more):
    """A mail of the bot that has come to *status*."""

    def unit(tx):
        made = create_outbound_message(tx, new_outbound(BOT, at=api_server.clock.now(), **more))
        tx.execute(messages.update().where(messages.c.id == made.id).values(status=status))
        return made

    return await api_server.store.write(unit)


# Whose it is


async def furnished(api_server):
    """Paths of pages about what is Ana's."""
    held = await hold(api_server)
    came = await api_server.message(HOSTILE, authentication=AUTHENTICATION)
    wrote = await undelivered(api_server, "failed")
    return [
        f"/approvals/{held.id}",
        f"/approvals/{held.id}/html",
        f"/approvals/{held.id}/attachments/0",
        "/agents/bot%40agents.example",
        *[mail(each.id) + rest for each in (came, wrote) for rest in ("", "/html")],
        f"{mail(wrote.id)}/attachments/0",
    ]


async def test_what_is_another_s_is_as_if_it_were_not_there(api_server, ana, eve):
    for path in await furnished(api_server):
        own, another, nothing = [await who.ask("GET", at) for who, at in ((ana, path), (eve, path), (eve, gone(path)))]
        assert (200, 404, 404) == (own.status, another.status, nothing.status), path
        assert another.html == nothing.html, path


def gone(path):
    return path.replace("bot%40", "nobody%40").replace("msg_", "msg_x")


async def test_whoever_is_not_signed_in_is_sent_to_sign_in(api_server):
    for path in [*await furnished(api_server), "/agents", "/domains", "/keys"]:
        answer = await Person(api_server).ask("GET", path)
        assert (303, f"/login?next={path.replace('%40', '@').replace('@', '%40')}") == (
            answer.status,
            answer.headers["Location"],
        )


async def test_an_api_key_opens_no_page(api_server):
    answer = await api_server.get("/keys", allow_redirects=False)

    assert 303 == answer.status


async def test_another_s_buttons_do_nothing(api_server, ana, eve, held, now_of, send_context):
    dead = await dead_delivery(api_server, HOOK)
    failed = await undelivered(api_server, "failed")
    form = (await eve.get("/keys")).form("Sign out").fields[0]
    was = await now_of(held)

    for path, more in (
        (f"/approvals/{held.id}", [("decision", "approve"), ("digest", held.digest), ("revision", "1")]),
        (f"/approvals/{held.id}/edit", [("subject", "x"), ("digest", held.digest), ("revision", "1")]),
        (f"/deliveries/{dead}/replay", []),
        (f"{mail(failed.id)}/resolve", [("verdict", "send_again")]),
    ):
        answer = await eve.post(path, [form, *more])
        assert 404 == answer.status, path

    assert was == await now_of(held)
    assert ("failed", "dead", []) == (
        (await now_of(failed)).status,
        (await delivery(api_server, dead)).status,
        send_context.carried,
    )


async def delivery(api_server, delivery_id):
    return await api_server.store.read(lambda tx: get_delivery(tx, delivery_id))


async def test_no_button_works_without_its_form(api_server, ana, eve, held, now_of, send_context):
    dead = await dead_delivery(api_server, HOOK)
    failed = await undelivered(api_server, "failed")
    strange = (await eve.get("/keys")).form("Sign out").fields[0]

    for form in ([], [("form", "x")], [strange]):
        for path, more in (
            (f"/approvals/{held.id}", [("decision", "approve"), ("digest", held.digest), ("revision", "1")]),
            (f"/approvals/{held.id}/edit", [("subject", "x"), ("digest", held.digest), ("revision", "1")]),
            (f"/deliveries/{dead}/replay", []),
            (f"{mail(failed.id)}/resolve", [("verdict", "send_again")]),
        ):
            assert 403 == (await ana.post(path, [*form, *more])).status, path

    assert ("pending_approval", 1) == ((message := await now_of(held)).status, message.revision)
    assert ("failed", "dead", []) == (
        (await now_of(failed)).status,
        (await delivery(api_server, dead)).status,
        send_context.carried,
    )


@pytest.mark.parametrize("path", POSTS)
async def test_no_post_of_the_console_is_done_without_a_session_or_without_its_form(api_server, ana, path):
    path = path.format(**IDS)

    nobodys, without = await Person(api_server).post(path, []), await ana.post(path, [])

    assert (303, "/login") == (nobodys.status, nobodys.headers["Location"])
    assert without.status in {403, 404}


# Every page


async def test_every_page_is_strict_and_nobody_keeps_it(api_server, ana):
    paths = [path for path in await furnished(api_server) if not path.endswith("/html") and "attachments" not in path]

    for path in [*paths, "/", "/agents", "/domains", "/keys", "/approvals/msg_404"]:
        page = await ana.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-"), path
        assert "form-action 'self'; frame-src 'self'; frame-ancestors 'none'" in policy, path
        assert ("no-store", "no-referrer", "nosniff") == tuple(
            page.headers[name] for name in ("Cache-Control", "Referrer-Policy", "X-Content-Type-Options")
        ), path
        assert [] == [tag for tag in page.tags if tag in {"script", "img", "object", "embed", "link", "base"}], path
        assert [] == [name for name in page.attributes if name.startswith("on") or name == "style"], path
        assert [] == [each for each in page.links if not each.startswith(("/", "#", "?"))], path


@pytest.mark.parametrize("path", ["/?cursor=x", "/?cursor=2026-11-24T00:00:00~", "/agents?cursor=%FF", "/agents/bot%40agents.example?cursor=x"])  # fmt: skip
async def test_a_cursor_that_is_none_is_a_page_that_says_so(ana, path):
    page = await ana.get(path)

    assert page.status in {200, 422}
    assert "html" in page.headers["Content-Type"]


# The first page and the lists


async def test_the_first_page_shows_what_wants_a_person_soonest_first(api_server, ana, held):
    api_server.clock.advance(minutes=1)
    later = await hold(api_server, replace(DRAFT, subject="Later"))
    failed, unconfirmed = await undelivered(api_server, "failed"), await undelivered(api_server, "unconfirmed")
    await dead_delivery(api_server, HOOK)

    page = await ana.get("/")

    links = page.links
    assert links.index(f"/approvals/{held.id}") < links.index(f"/approvals/{later.id}")
    assert {mail(failed.id), mail(unconfirmed.id), "/agents/bot%40agents.example"} <= set(links)
    assert "bo@reader.example and 2 more" in page.text
    assert "Deliveries given up" in page.text
    assert "500" in page.text


async def test_the_first_page_of_somebody_who_has_nothing(eve):
    page = await eve.get("/")

    assert (200, True, False) == (page.status, "No messages." in page.text, "Failed and unconfirmed" in page.text)


async def test_lists_show_agents_domains_with_records_and_keys_without_secrets(api_server, ana):
    agents, domains, keys = [await ana.get(path) for path in ("/agents", "/domains", "/keys")]

    assert "bot@agents.example Bot polling" in agents.text
    assert "hook@agents.example webhook" in agents.text
    assert "agents.example verified" in domains.text
    assert "mailseal-verify=" in domains.text
    assert "pending" in domains.text
    assert api_server.key[:12] in keys.text
    assert api_server.key not in keys.html
    assert "read, work, send, admin" in keys.text


async def test_a_key_is_made_shown_once_and_works(api_server, ana):
    told = await ana.press(await ana.get("/keys"), "Create key", name="from <the> console")

    (key,) = re.findall(r"mk_[A-Za-z0-9_-]{40,}", told.text)
    assert 201 == told.status
    me = (await api_server.get("/v1/me", key=key)).json
    assert (OWNER, "from <the> console") == (me["user"]["email"], me["key"]["name"])
    assert key not in (await ana.get("/keys")).html


async def test_a_name_that_no_key_can_have_is_told_and_kept(ana):
    told = await ana.press(await ana.get("/keys"), "Create key", name="x" * 201)

    assert (422, True) == (told.status, ("name", "x" * 201) in told.form("Create key").fields)


async def test_a_key_is_revoked_at_once_and_only_one_s_own(api_server, ana, eve):
    revoke = next(link for link in (await ana.get("/keys")).links if link.endswith("/revoke"))
    page = await ana.get(revoke)
    theirs = (await eve.get("/keys")).form("Create key").fields[0]

    assert 404 == (await eve.post(revoke, [theirs])).status
    assert 403 == (await ana.post(revoke, [])).status
    assert 200 == (await api_server.get("/v1/me")).status
    assert "cannot be restored" in page.text
    await ana.press(page, "Revoke")

    assert 401 == (await api_server.get("/v1/me")).status
    assert 404 == (await ana.press(page, "Revoke")).status


async def test_a_user_signs_out_everywhere_after_a_second_look(api_server, ana):
    page = await ana.get("/sessions")
    assert "this one" in page.text

    asked = await ana.get("/sessions/end")
    assert "API keys stay valid" in asked.text
    await ana.press(asked, "Sign out everywhere")

    assert "/login" in (await ana.get("/sessions")).path
    assert 200 == (await api_server.get("/v1/me")).status


async def test_the_sessions_of_a_user_are_listed_and_ended_over_the_api(api_server, ana):
    listed = await api_server.get("/v1/me/sessions")
    ended = await api_server.ask("DELETE", "/v1/me/sessions")

    assert (1, {"ended": 1}) == (len(listed.json["items"]), ended.json)
    assert "/login" in (await ana.get("/")).path


# One mail


async def test_a_mail_that_came_is_shown_with_its_verdict_and_its_html_in_a_frame(api_server, ana):
    came = await api_server.message(HOSTILE, subject="<script>alert(1)</script>", authentication=AUTHENTICATION)

    page = await ana.get(mail(came.id))

    assert "Verified: sender.example sent this message." in page.text
    for reason in ("SPF pass ok (sender.example)", "DKIM pass", "DMARC pass", "ARC none"):
        assert reason in page.text
    assert "<b>Bo</b> <bo@sender.example>" in page.text
    assert [f"{mail(came.id)}/html"] == [frame["src"] for frame in page.frames]
    frame = await ana.get(f"{mail(came.id)}/html")
    assert "evil.example/x.gif" in frame.html
    assert frame.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "unread" == (await api_server.get(f"/v1/agents/{BOT}/messages/{came.id}?peek=true")).json["status"]


async def test_a_mail_whose_sender_nobody_vouches_for_says_so(api_server, ana):
    unproved = {
        **AUTHENTICATION,
        "verified": False,
        "dmarc": {"result": "fail", "detail": "no alignment", "domain": None},
    }
    came = await api_server.message(verified=False, verified_domain=None, authentication=unproved)

    page = await ana.get(mail(came.id))

    assert "Unverified: the sender could not be authenticated." in page.text
    assert "DMARC fail no alignment" in page.text


async def test_a_file_of_a_mail_can_be_saved(api_server, ana):
    came = await api_server.message(WITH_FILES)
    page = await ana.get(mail(came.id))
    assert f"{mail(came.id)}/attachments/0" in page.links

    answer = await ana.ask("GET", f"{mail(came.id)}/attachments/0")

    assert (200, PAGE) == (answer.status, answer.answer.body)
    assert answer.headers["Content-Disposition"].startswith("attachment;")


async def test_an_agent_s_mail_of_both_directions_is_listed_newest_first(api_server, ana):
    came = await api_server.message(subject="question")
    wrote = await undelivered(api_server, "sent")

    page = await ana.get("/agents/bot%40agents.example")

    assert page.links.index(mail(wrote.id)) < page.links.index(mail(came.id))
    assert "from bo@sender.example verified" in page.text
    assert "to bo@reader.example and 3 more" in page.text


async def test_a_list_that_is_longer_goes_on(api_server, ana):
    for _ in range(51):
        await api_server.message()

    first = await ana.get("/agents/bot%40agents.example")
    (older,) = [link for link in first.links if link.startswith("?cursor=")]
    second = await ana.get("/agents/bot%40agents.example" + older)

    assert (50, 1) == tuple(len([link for link in page.links if "/messages/" in link]) for page in (first, second))


async def test_a_dead_delivery_is_shown_with_its_attempts_and_delivered_again_by_a_press(api_server, ana):
    dead = await dead_delivery(api_server, HOOK)
    path = mail((await delivery(api_server, dead)).message_id, "hook%40agents.example")
    page = await ana.get(path)
    assert "email.received: given up" in page.text
    assert "500 7 ms" in page.text

    told = await ana.press(page, "Deliver again")

    assert ("pending", path, True) == ((await delivery(api_server, dead)).status, told.path, "pending" in told.text)
    again = await ana.press(page, "Deliver again")
    assert (409, True) == (again.status, "The delivery is pending" in again.text)


async def test_an_uncertain_mail_is_settled_by_its_owner(api_server, ana, send_context, held, now_of):
    send_context.trouble = SendUnconfirmed("the line was cut")
    await ana.press(await ana.get(f"/approvals/{held.id}"), "Approve and send")
    page = await ana.get(mail(held.id))
    assert "The message may have been sent" in page.text
    assert "unconfirmed: may have been sent the line was cut" in page.text

    told = await ana.press(page, "Mark as sent")

    assert "sent" == (await now_of(held)).status
    assert "The content was removed" in told.text
    assert 409 == (await ana.press(page, "Mark as sent")).status


async def test_what_went_out_after_all_is_there_for_agents_of_this_relay_too(api_server, ana, send_context):
    held = await hold(api_server, replace(DRAFT, cc=(HOOK,)))
    send_context.trouble = SendUnconfirmed("the line was cut")
    await ana.press(await ana.get(f"/approvals/{held.id}"), "Approve and send")

    await ana.press(await ana.get(mail(held.id)), "Mark as sent")

    assert f"from {BOT} verified" in (await ana.get("/agents/hook%40agents.example")).text


async def test_a_press_without_a_word_settles_nothing(ana, api_server, now_of):
    wrote = await undelivered(api_server, "unconfirmed")
    form = (await ana.get(mail(wrote.id))).form("Mark as sent")

    assert 403 == (await ana.post(form.action, form.fields)).status
    assert "unconfirmed" == (await now_of(wrote)).status


@pytest.mark.parametrize("status", ["failed", "unconfirmed"])
async def test_a_mail_that_did_not_go_out_is_queued_again_by_a_press(api_server, ana, now_of, status):
    wrote = await undelivered(api_server, status)
    page = await ana.get(mail(wrote.id))
    assert (status == "unconfirmed") == any("Mark as sent" in [b[0] for b in form.buttons] for form in page.forms)

    asked = await ana.press(page, "Send again")
    assert status == (await now_of(wrote)).status
    await ana.press(asked, "Send again")

    assert "queued" == (await now_of(wrote)).status
    assert 409 == (await ana.press(asked, "Send again")).status


# Deciding, and changing


async def test_a_held_mail_is_approved_once(ana, held, now_of, send_context):
    page = await ana.get(f"/approvals/{held.id}")
    told = [await ana.press(page, "Approve and send") for _ in range(2)]

    assert ("sent", 1) == ((await now_of(held)).status, len(send_context.carried))
    assert [True, True] == [f"{OWNER} approved the message" in each.text for each in told]


async def test_a_held_mail_is_rejected_with_a_reason(ana, held, now_of):
    told = await ana.press(await ana.get(f"/approvals/{held.id}"), "Reject", reason="no\nnever")

    assert ("rejected", "no\nnever") == ((message := await now_of(held)).status, message.reason)
    assert "Reason: no never" in told.text


async def test_a_provider_that_does_not_take_it_is_quoted(ana, held, now_of, send_context):
    send_context.trouble = busy("454 throttled")

    told = await ana.press(await ana.get(f"/approvals/{held.id}"), "Approve and send")

    assert (503, "pending_approval", True) == (told.status, (await now_of(held)).status, "454 throttled" in told.text)


async def test_a_form_that_comes_back_as_it_was_changes_nothing(ana, held, now_of):
    await ana.press(await ana.get(f"/approvals/{held.id}"), "Save changes")

    assert held == await now_of(held)


async def test_a_draft_is_changed_field_by_field_and_waits_on(api_server, ana, held, now_of):
    page = await ana.get(f"/approvals/{held.id}")

    told = await ana.press(
        page, "Save changes", subject="Other", text="new\r\ntext", html="", to="x@reader.example, y@reader.example",
        cc="", keep="1"
    )  # fmt: skip

    draft = await draft_of(api_server, held)
    assert (
        Draft(
            to=("x@reader.example", "y@reader.example"),
            bcc=DRAFT.bcc,
            subject="Other",
            text="new\ntext",
            attachments=DRAFT.attachments[1:],
        )
        == draft
    )
    assert ("pending_approval", 2) == ((message := await now_of(held)).status, message.revision)
    assert message.digest != held.digest
    assert "revision 2" in told.text


async def test_names_are_shown_beside_their_addresses_changed_and_taken_out(api_server, ana):
    held = await hold(
        api_server, replace(DRAFT, names=(("bo@reader.example", 'Bo, "the" <boss>'), ("cy@other.example", "Cy")))
    )
    page = await ana.get(f"/approvals/{held.id}")
    assert 'To bo@reader.example new domain Bo, "the" <boss> Cc' in page.text
    fields = dict(page.form("Save changes").fields)
    assert (r'"Bo, \"the\" <boss>" <bo@reader.example>', "Cy <cy@other.example>") == (fields["to"], fields["cc"])
    assert held.names == (await draft_of(api_server, held)).names

    await ana.press(
        page,
        "Save changes",
        cc="cy@other.example",
        bcc="Di <di@reader.example>, ed@reader.example\nFo <fo@reader.example>",
    )

    draft = await draft_of(api_server, held)
    assert (("cy@other.example",), ("di@reader.example", "ed@reader.example", "fo@reader.example")) == (
        draft.cc,
        draft.bcc,
    )
    assert ['Bo, "the" <boss>', "", "Di", "", "Fo"] == [draft.name_of(each) for each in draft.all_recipients]


async def draft_of(api_server, held):
    return await api_server.store.read(lambda tx: read_draft(tx, get_outbound_message(tx, held.id)))


async def test_an_open_page_of_an_older_draft_decides_and_changes_nothing(api_server, ana, held, now_of, send_context):
    page = await ana.get(f"/approvals/{held.id}")
    user = await api_server.store.write(api_server.places.user)
    await amend(user.id, held.id, PendingApprovalEdit(text="changed"), ctx=api_server.send_context)

    for told in (
        await ana.press(page, "Approve and send"),
        await ana.press(page, "Reject", reason="no"),
        await ana.press(page, "Save changes", subject="mine"),
    ):
        assert (409, True) == (told.status, "changed in the meantime" in told.text)
        assert "changed" in told.text
    assert ("subject", "mine") in told.form("Save changes").fields
    assert ("pending_approval", 2, []) == (
        (message := await now_of(held)).status,
        message.revision,
        send_context.carried,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", ""),
        ("to", "not an address"),
        ("cc", "a@b.example\r\nBcc: evil@evil.example"),
        ("cc", "bo@b.example, Ana <a@b.example>"),
        ("bcc", ",".join(f"p{n}@reader.example" for n in range(60))),
        ("subject", "x" * 999),
        ("subject", "a\r\nBcc: evil@evil.example"),
        ("text", "a\0b"),
    ],
)
async def test_an_edit_that_no_mail_could_be_is_told_and_loses_nothing(ana, held, now_of, field, value):
    fields = {"cc": "", "bcc": ""} if field == "to" else {}

    told = await ana.press(await ana.get(f"/approvals/{held.id}"), "Save changes", **{**fields, field: value})

    assert (422, held) == (told.status, await now_of(held))
    assert (field, value.replace("\0", "\0")) in told.form("Save changes").fields or field == "subject"
    assert "notice bad" in told.html


async def test_a_large_draft_can_be_changed(api_server, ana):
    held = await hold(api_server, replace(DRAFT, text="line\n" * 30_000))
    page = await ana.get(f"/approvals/{held.id}")

    told = await ana.press(page, "Save changes", subject="Shorter")

    assert (200, True) == (told.status, "revision 2" in told.text)


async def test_an_edit_of_a_decided_mail_changes_nothing(api_server, ana, held, now_of):
    page = await ana.get(f"/approvals/{held.id}")
    user = await api_server.store.write(api_server.places.user)
    await approve(user.id, held.id, ctx=api_server.send_context)

    told = await ana.press(page, "Save changes", subject="late")

    assert (200, DRAFT.subject) == (told.status, (await now_of(held)).subject)
    assert "your changes were not saved" in told.text


async def test_a_hold_whose_time_is_over_says_so(clock, ana, held):
    clock.advance(hours=2)

    page = await ana.get(f"/approvals/{held.id}")

    assert (200, True) == (page.status, "The approval request expired" in page.text)
