"""People at browsers: what an agent wrote goes out when somebody agrees, and never because something looked."""

import asyncio
import re
import socket
from urllib.parse import urljoin

import pytest

from relay.outbound.submit import OutboundRequest, submit
from store.directory.agents import get_agent_by_email
from store.directory.hitl import update_agent_hitl
from store.mail.deliveries import claim_due, get_delivery, settle_dead
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import LEASE
from store.records.mail import Attempt
from store.records.outbound import Draft
from tests.journeys.browser import open_browser
from tests.journeys.home import BOT, HOOK, Home
from tests.journeys.smarthost import SmartHost
from tests.places import Places

OWNER = "ana@owner.example"
READER = "bo@reader.example"
APPROVE = "Approve and send"


@pytest.fixture
async def browser():
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def host():
    async with SmartHost() as listening:
        yield listening


@pytest.fixture
def home(tmp_path, sqlite_file_url, nameserver, host):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    made = Home(tmp_path / "data", sqlite_file_url, nameserver, host.settings | {"MAILSEAL_HTTP_LISTEN": listen})
    made.agent(BOT)
    yield made
    made.close()


async def written(running, *, agent=BOT, seconds=600, ends="reject", **content):
    """A mail of *agent*, which asks its owner first."""
    send_context = running.daemon._send_context

    def unit(tx):
        owner, now = get_agent_by_email(tx, agent).user_id, send_context.clock.now()
        given = {"enabled": True, "ttl_seconds": seconds, "expiration_action": ends}
        return update_agent_hitl(tx, owner, agent, now=now, **given)

    draft = Draft(**{"to": (READER,), "subject": "Offer", "text": "Dear Bo,\n\n100 apples.\n", **content})
    return await submit(await send_context.store.write(unit), OutboundRequest(draft=draft), ctx=send_context)


async def status_of(running, message):
    return (await running.daemon.store.read(lambda tx: get_outbound_message(tx, message.id))).status


async def heading(page):
    return await page.inner_text("h1")


async def press(page, button):
    """Press *button*, and wait for the page that follows."""
    async with page.expect_navigation():
        await page.get_by_role("button", name=button, exact=True).click()


async def follow(page, link):
    """Follow the link that is called so, to the page it leads to."""
    async with page.expect_navigation():
        await page.get_by_role("link", name=link).click()


async def sign_in(browser, running, host):
    """A page of the console, as its owner comes there: by a link that is mailed."""
    page = await (await browser.new_context()).new_page()
    await page.goto("http://{}:{}/".format(*running.http))
    await page.get_by_label("Your email address").fill(OWNER)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await page.goto(await host.link(OWNER, "/login/"))
    await press(page, f"Sign in as {OWNER}")
    return page


async def test_a_held_draft_is_approved_from_the_letter_s_link(home, host, browser):
    async with home.daemon() as running:
        held = await written(running)
        page = await browser.new_page()
        await page.goto(await host.link(OWNER, "/review/"))
        seen = await page.inner_text("main")
        before = host.got(READER)

        await press(page, APPROVE)

        assert [True, True, True] == [each in seen for each in (READER, "Offer", "100 apples.")]
        assert ([], 1, "sent") == (before, len(host.got(READER)), await status_of(running, held))
        assert "Approved and sent" == await heading(page)
        assert f"{OWNER} approved the message" in await page.inner_text("main")
        await page.reload()
        assert 1 == len(host.got(READER))


async def test_a_scanner_that_opens_every_link_and_runs_scripts_approves_nothing(home, host, sink, browser):
    async with home.daemon() as running:
        held = await written(running, html=_restless(sink.url()))
        link = await host.link(OWNER, "/review/")
        page = await browser.new_page()
        asked = []
        page.on("requestfinished", lambda request: asked.append((request.method, request.url)))

        queue, seen = [link, f"{link}?decision=approve", f"{link}?action=approve#approve"], set()
        while queue:
            url = queue.pop(0)
            if url in seen or "/attachments/" in url:
                continue
            seen.add(url)
            await page.request.head(url)
            await page.goto(url)
            await page.wait_for_timeout(100)  # for what begins by itself
            for frame in page.frames:
                found = await frame.eval_on_selector_all(
                    "a[href], form[action]", "all => all.map(each => each.href || each.action)"
                )
                queue += [each for each in found if each.startswith(urljoin(link, "/"))]

        assert ("pending_approval", []) == (await status_of(running, held), host.got(READER))
        assert [] == sink.posted
        assert {"GET"} == {method for method, _ in asked}
        assert [] == [url for _, url in asked if not url.startswith(urljoin(link, "/"))]
        assert any(url.endswith("/html") for _, url in asked)
        assert any("/approvals/" in url for url in seen)


def _restless(elsewhere):
    """HTML that would do everything by itself."""
    return f"""<p>Dear Bo</p><a id=out href="{elsewhere}">click</a>
    <meta http-equiv="refresh" content="0;url={elsewhere}">
    <link rel="stylesheet" href="{elsewhere}"><img src="{elsewhere}"><iframe src="{elsewhere}"></iframe>
    <style>@import "{elsewhere}"; p {{ background: url({elsewhere}) }}</style>
    <form method="post" action="{elsewhere}"><button autofocus>go</button></form>
    <script>top.location = "{elsewhere}"; parent.document.querySelector("form").submit()</script>
    <img src=x onerror="document.forms[0].submit()"><svg onload="location='{elsewhere}'"></svg>
    <base href="{elsewhere}" target="_top"></iframe></pre></main>"""


async def test_a_click_in_a_mail_s_html_leads_nowhere(home, host, sink, browser):
    async with home.daemon() as running:
        await written(running, html=f'<a id=out href="{sink.url()}">click</a><a id=top target=_top href="/">up</a>')
        page = await browser.new_page()
        link = await host.link(OWNER, "/review/")
        await page.goto(link, wait_until="networkidle")
        frame = page.frame_locator("iframe")

        for name in ("#top", "#out"):
            await frame.locator(name).click()
            await page.wait_for_timeout(200)

        assert ([], link) == (sink.posted, page.url)


async def test_two_people_decide_at_once_and_one_of_them_has(home, host, browser):
    async with home.daemon() as running:
        held = await written(running)
        link = await host.link(OWNER, "/review/")
        pages = [await (await browser.new_context()).new_page() for _ in range(2)]
        for page in pages:
            await page.goto(link)

        await asyncio.gather(press(pages[0], APPROVE), press(pages[1], "Reject"))

        status = await status_of(running, held)
        for page in pages:
            await page.reload()
        assert status in {"sent", "rejected"}
        assert (1 if status == "sent" else 0) == len(host.got(READER))
        assert [{"sent": "Approved and sent", "rejected": "Rejected"}[status]] * 2 == [
            await heading(each) for each in pages
        ]


async def test_an_edit_kills_the_old_link(home, host, browser):
    async with home.daemon() as running:
        held = await written(running)
        old = await host.link(OWNER, "/review/")
        open_page = await browser.new_page()
        await open_page.goto(old)
        console = await sign_in(browser, running, host)
        await follow(console, "Offer")
        await console.get_by_text("Edit before deciding").click()
        await console.get_by_label("Text", exact=True).fill("Dear Bo,\n\n200 apples.\n")
        await press(console, "Save changes")
        new = await host.link(OWNER, "/review/")

        await press(open_page, APPROVE)
        told = await open_page.inner_text("main")
        nothing = host.got(READER)
        await open_page.goto(new)
        await press(open_page, APPROVE)

        assert ("The draft was changed after" in told, [], "sent") == (True, nothing, await status_of(running, held))
        (raw,) = host.got(READER)
        assert b"200 apples." in raw
        assert old != new


async def test_what_nobody_decides_ends_as_its_owner_chose_and_the_link_tells_it(home, host, browser):
    home.more["MAILSEAL_HITL_SWEEP_SECONDS"] = "1"
    home.agent(HOOK)
    async with home.daemon() as running:
        sent = await written(running, seconds=1, ends="approve")
        links = [await host.link(OWNER, "/review/")]
        rejected = await written(running, agent=HOOK, seconds=1, to=("cy@reader.example",))
        links.append(await host.link(OWNER, "/review/"))
        page = await browser.new_page()

        async with asyncio.timeout(20):
            while {"pending_approval", "sending"} & {await status_of(running, each) for each in (sent, rejected)}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        told = []
        for link in links:
            await page.goto(link)
            told.append(
                (await heading(page), await page.inner_text(".notice"), await page.get_by_role("button").count())
            )

        assert ("expired_approved", "expired_rejected") == (
            await status_of(running, sent),
            await status_of(running, rejected),
        )
        assert (1, 0) == (len(host.got(READER)), len(host.got("cy@reader.example")))
        assert [("Sent", 0), ("Not sent", 0)] == [(each[0], each[2]) for each in told]
        assert [True, True] == [each[1].startswith("No decision was made in time. The message was ") for each in told]


async def test_a_signed_in_owner_replays_a_dead_delivery(home, host, sink, browser):
    home.agent(HOOK, webhook=sink.url())
    dead = _dead_delivery(home)
    async with home.daemon() as running:
        page = await sign_in(browser, running, host)
        assert "Deliveries given up" in await page.inner_text("main")
        await follow(page, re.compile("email.received"))
        seen = await page.inner_text("main")

        await press(page, "Deliver again")

        posted = await sink.got_about((await _delivery(running, dead)).message_id)
        assert "given up" in seen
        assert "503" in seen
        assert home.checked(posted).webhook.signature
        async with asyncio.timeout(10):
            while (await _delivery(running, dead)).status != "delivered":  # noqa: ASYNC110 (the page has no event)
                await asyncio.sleep(0.02)
        await page.reload()
        assert "email.received: delivered" in await page.inner_text("main")


def _dead_delivery(home):
    """The id of a delivery to the hook that was given up."""
    places = Places(home.clock, None)

    def unit(tx):
        places.message(tx, HOOK)
        now = home.clock.now()
        (claim,) = claim_due(tx, HOOK, limit=1, lease=LEASE, now=now)
        settle_dead(tx, claim, Attempt(at=now, duration_ms=7, status=503, error=None), now=now)
        return claim.delivery.id

    return home.store.run(unit)


async def _delivery(running, delivery_id):
    return await running.daemon.store.read(lambda tx: get_delivery(tx, delivery_id))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_fit_a_phone_and_can_be_used_without_a_mouse(home, host, browser, scheme):
    async with home.daemon() as running:
        held = await written(running, cc=("x" * 60 + "@" + "y" * 60 + ".example",), html="<p>hi</p>")
        context = await browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        page = await context.new_page()
        await page.goto(await host.link(OWNER, "/review/"))
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390

        await page.keyboard.press("Tab")
        assert "Skip to the content" == await page.evaluate("document.activeElement.innerText")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if APPROVE == await page.evaluate("document.activeElement.innerText"):
                break
        async with page.expect_navigation():
            await page.keyboard.press("Enter")

        assert "sent" == await status_of(running, held)
