"""An agent's events as they happen: what comes, in which order, from where on, and when it ends."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from relay.delivery.attempt import InboundSubject, composed
from relay.directory.agents import make_secret, read_secrets
from relay.directory.keys import create_key, find_holder
from relay.signing.check import check_request
from relay.signing.secrets import parse_whsec
from relay.threads import OFF_LOOP_BYTES
from relay.web.http.limits import ApiLimits
from store.database.connect import open_store
from store.database.pg_listener import listener_for
from store.directory.agents import add_secret, delete_agent, update_agent
from store.directory.keys import delete_api_key
from store.ids import event_id_of
from store.mail.deliveries import list_deliveries_of_message
from store.outbound.outbound import create_outbound_message
from tests.broken_store import lose_table
from tests.one_database import on_sqlite
from tests.places import new_outbound
from tests.web.api.stream_client import PATIENCE_SECONDS, events, following
from tests.web.client import BASE_URL, BOT, OWNER, ApiServer, messages, queue

HOOK = "hook@agents.example"
RAW = b"Subject: hi\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\n" * (OFF_LOOP_BYTES // 8)


@pytest.fixture
async def lively(live_store, clock, places):
    """A door whose streams give a sign of life all the time."""
    opened = ApiServer(live_store, clock, places, ApiLimits(heartbeat_seconds=0.05))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def beside(api_server, database_url):
    """Another process's store on the database of *door*."""
    opened = open_store(database_url)
    yield opened
    opened.engine.dispose()


async def revoke(api_server, plaintext):
    def unit(tx):
        user, key = find_holder(tx, plaintext)
        delete_api_key(tx, user.id, key.id)

    await api_server.store.write(unit)


async def owner(api_server):
    return (await api_server.store.read(lambda tx: find_holder(tx, api_server.key)))[0]


def ids(found):
    return [event.message_id for event in found]


async def test_a_message_comes_when_it_is_kept(api_server):
    await api_server.agent()
    async with following(api_server) as stream:
        message = await api_server.message()

        event = await stream.event()

    assert ("email.received", "email.received", message.id) == (event.type, event.json["type"], event.message_id)


async def test_an_event_has_the_very_bytes_and_the_id_that_the_webhook_gets(api_server):
    await api_server.agent(HOOK, webhook="https://hook.example/in")
    async with following(api_server, agent=HOOK) as stream:
        message = await api_server.message(RAW, agent=HOOK)
        event = await stream.event()

    (delivery,) = await api_server.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
    assert composed(InboundSubject(message, RAW), delivery, base_url=BASE_URL) == event.body
    assert delivery.event_id == event.headers["webhook-id"]


async def test_an_event_of_an_agent_without_a_webhook_has_an_id_of_its_own_that_stays(api_server):
    await api_server.agent()
    message = await api_server.message()
    expected = event_id_of(message.id, "email.received")

    for _ in range(2):
        async with following(api_server, "?from=start") as stream:
            event = await stream.event()
            assert [expected] * 2 == [event.headers["webhook-id"], event.json["id"]]


async def test_an_event_is_signed_for_the_moment_with_every_valid_secret_and_carries_the_seal(api_server):
    await api_server.agent()
    old = await api_server.store.read(
        lambda tx: read_secrets(tx, BOT, master=api_server.places.master, now=api_server.clock.now())
    )
    api_server.clock.advance(hours=1)
    new = make_secret(BOT, master=api_server.places.master, now=api_server.clock.now())
    await api_server.store.write(lambda tx: add_secret(tx, new))
    message = await api_server.message(auth_headers={"Mailseal-Version": "1", "Mailseal-Sender": "bo@sender.example"})
    api_server.clock.advance(hours=2)

    async with following(api_server, "?from=start") as stream:
        event = await stream.event()

    request = {"headers": event.headers, "body": event.body.decode()}
    found = check_request(request, [parse_whsec(old[0]["secret"])], now=api_server.clock.now())
    assert (True, True, 2) == (
        found.webhook.signature, found.webhook.fresh, len(event.headers["webhook-signature"].split())
    )  # fmt: skip
    assert message.auth_headers.items() <= event.headers.items()


async def test_a_stream_begins_now(api_server):
    await api_server.agent()
    await api_server.message()
    async with following(api_server) as stream:
        message = await api_server.message()

        assert message.id == (await stream.event()).message_id


async def test_a_stream_from_the_start_begins_with_the_oldest_unread_message(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(4)]
    for read in (kept[0], kept[2]):
        await api_server.get(messages(f"/{read}"))

    async with following(api_server, "?from=start") as stream:
        assert kept[1:] == ids(await stream.events(3))


@on_sqlite
async def test_a_stream_from_the_start_begins_now_where_nothing_is_unread(api_server):
    await api_server.agent()
    await api_server.get(messages(f"/{(await api_server.message()).id}"))
    async with following(api_server, "?from=start") as stream:
        message = await api_server.message()

        assert message.id == (await stream.event()).message_id


async def test_a_stream_goes_on_behind_the_last_event_that_came(api_server):
    await api_server.agent()
    async with following(api_server) as stream:
        kept = [(await api_server.message()).id for _ in range(3)]
        had = await stream.events(2)
    kept.append((await api_server.message()).id)

    async with following(api_server, last_id=had[-1].id) as stream:
        assert kept[2:] == ids(await stream.events(2))
    async with following(api_server, f"?last_event_id={had[0].id}") as stream:
        assert kept[1:] == ids(await stream.events(3))


@on_sqlite
async def test_who_was_cut_off_before_the_first_event_misses_none(api_server):
    await api_server.agent()
    await api_server.message()
    async with following(api_server) as stream:
        last_id = stream.last_id
    message = await api_server.message()

    async with following(api_server, last_id=last_id) as stream:
        assert message.id == (await stream.event()).message_id


@on_sqlite
async def test_the_header_wins_over_the_parameter_and_both_over_the_start(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(3)]

    async with following(api_server, "?from=start&last_event_id=1") as stream:
        assert kept[1] == (await stream.event()).message_id
    async with following(api_server, "?from=start&last_event_id=1", last_id="2") as stream:
        assert kept[2] == (await stream.event()).message_id


async def test_what_was_read_meanwhile_comes_to_who_goes_on_all_the_same(api_server):
    await api_server.agent()
    kept = [(await api_server.message()).id for _ in range(2)]
    await api_server.get(messages(f"/{kept[0]}"))

    async with following(api_server, last_id="0") as stream:
        assert kept == ids(await stream.events(2))


async def test_a_stream_marks_nothing_read_and_takes_nothing_from_the_queue(api_server):
    await api_server.agent()
    message = await api_server.message()
    async with following(api_server, "?from=start") as stream:
        await stream.event()

    assert [message.id] == [item["message_id"] for item in (await api_server.get(messages())).json["items"]]
    (leased,) = (await api_server.post(queue("lease"), {})).json["items"]
    assert (message.id, 1) == (leased["message"]["message_id"], leased["attempt"])


async def test_a_long_backlog_comes_whole_and_in_order(api_server):
    await api_server.agent()
    raws = [LARGE if number % 10 == 5 else RAW + b"x" * (number * 1000) for number in range(50)]

    def many(tx):
        return [api_server.places.message(tx, BOT, raw).id for raw in raws]

    kept = await api_server.store.write(many)

    async with following(api_server, "?from=start") as stream:
        assert kept == ids(await stream.events(50))


async def test_a_large_message_comes_as_it_does_to_a_webhook(api_server):
    await api_server.agent(HOOK, webhook="https://hook.example/in")
    async with following(api_server, agent=HOOK) as stream:
        message = await api_server.message(LARGE, agent=HOOK)
        event = await stream.event()

    (delivery,) = await api_server.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
    assert composed(InboundSubject(message, LARGE), delivery, base_url=BASE_URL) == event.body


async def test_an_old_message_does_not_come_any_more(api_server):
    await api_server.agent()
    await api_server.message()
    api_server.clock.advance(days=30)
    message = await api_server.message()

    async with following(api_server, last_id="0") as stream:
        assert message.id == (await stream.event()).message_id


async def test_only_events_that_the_agent_has_chosen_come(lively):
    await lively.agent(events=["email.sent"])
    for _ in range(20):
        await lively.message()
    async with following(lively, last_id="0") as stream:
        await stream.sign_of_life()  # all that was there is passed over
        user, now = await owner(lively), lively.clock.now()
        await lively.store.write(lambda tx: update_agent(tx, user.id, BOT, events=["email.received"], now=now))
        message = await lively.message()

        assert message.id == (await stream.event()).message_id


async def test_what_the_agent_wrote_itself_is_passed_over(api_server):
    await api_server.agent()
    async with following(api_server) as stream:
        new = new_outbound(BOT, at=api_server.clock.now())
        await api_server.store.write(lambda tx: create_outbound_message(tx, new))
        message = await api_server.message()

        assert message.id == (await stream.event()).message_id


async def test_another_agents_messages_do_not_come(api_server):
    await api_server.agent()
    await api_server.agent("other@agents.example")
    async with following(api_server) as stream:
        await api_server.message(agent="other@agents.example")
        message = await api_server.message()

        assert message.id == (await stream.event()).message_id


async def test_every_client_gets_everything_once(api_server):
    await api_server.agent()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(following(api_server)) for _ in range(10)]
        kept = [(await api_server.message()).id for _ in range(20)]

        for stream in streams:
            assert kept == ids(await stream.events(20))
        last = await api_server.message()
        assert [last.id] * 10 == [(await stream.event()).message_id for stream in streams]


async def test_nothing_happening_is_told_by_signs_of_life(lively):
    await lively.agent()
    async with following(lively) as stream:
        await stream.sign_of_life()
        message = await lively.message()

        assert message.id == (await stream.event()).message_id
        await stream.sign_of_life()


@on_sqlite
async def test_a_stream_says_what_it_is_and_that_nobody_may_keep_it(api_server):
    await api_server.agent()
    async with following(api_server) as stream:
        headers = stream.answer.headers

        assert ("text/event-stream; charset=utf-8", "no-store", "no") == (
            headers["Content-Type"], headers["Cache-Control"], headers["X-Accel-Buffering"]
        )  # fmt: skip
        assert b"retry: 2000\nid: 0\n\n" == stream.raw


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "query", ["last_event_id=x", "last_event_id=", "last_event_id=-1", "last_event_id=2", "last_event_id=1.0", "last_event_id=%C2%B2",
              "last_event_id=" + "9" * 18, "last_event_id=" + "9" * 30, "last_event_id=" + "9" * 101, "last_event_id=%00",
              "last_event_id=evt_0", "from=", "from=then"],
)  # fmt: skip
async def test_a_place_that_cannot_be_is_a_problem_before_the_stream_begins(shared_api, query):
    status, code = (await shared_api.get(events("?" + query))).problem

    assert (422, True) == (status, code in {"invalid_request", "invalid_value"})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("last_id", ["x", "2", "-1", "1e3"])
async def test_a_wrong_last_event_id_is_a_problem_before_the_stream_begins(shared_api, last_id):
    answer = await shared_api.get(events(), headers={"Last-Event-ID": last_id})

    assert (422, "invalid_value") == answer.problem


@on_sqlite
async def test_only_who_may_read_the_agents_mail_may_follow_it(api_server):
    await api_server.agent()
    await api_server.agent("other@agents.example")
    user = await owner(api_server)

    def keys(tx):
        for_send = create_key(tx, user.id, name="", now=api_server.clock.now(), scopes=["send"])
        for_other = create_key(tx, user.id, name="", now=api_server.clock.now(), agent="other@agents.example")
        return for_send[1], for_other[1]

    for_send, for_other = await api_server.store.write(keys)
    stranger = await api_server.new_key("eve@evil.example")

    assert (401, "unauthorized") == (await api_server.get(events(), key=None)).problem
    assert (403, "insufficient_scope") == (await api_server.get(events(), key=for_send)).problem
    assert (404, "agent_not_found") == (await api_server.get(events(), key=for_other)).problem
    assert (404, "agent_not_found") == (await api_server.get(events(), key=stranger)).problem
    assert (404, "agent_not_found") == (await api_server.get(events(agent="nobody@agents.example"))).problem


async def test_a_revoked_key_ends_the_stream_at_once_and_no_other(api_server):
    await api_server.agent()
    leaked = await api_server.new_key()
    async with following(api_server, key=leaked) as stream, following(api_server) as other:
        await revoke(api_server, leaked)
        assert [] == await stream.rest()
        message = await api_server.message()

        assert message.id == (await other.event()).message_id


@pytest.mark.parametrize("what", ["key", "agent"])
async def test_what_another_process_takes_away_ends_the_stream_at_once(api_server, database_url, beside, what):
    await api_server.agent()
    user, key = await api_server.store.read(lambda tx: find_holder(tx, api_server.key))
    commit_listener = listener_for(api_server.store)
    commit_listener.start()
    async with following(api_server) as stream:
        if what == "key":
            await asyncio.to_thread(beside.run, lambda tx: delete_api_key(tx, user.id, key.id))
        else:
            await asyncio.to_thread(beside.run, lambda tx: delete_agent(tx, user.id, BOT))
        async with asyncio.timeout(5):  # less than to the next sign of life
            assert [] == await stream.rest()
    await commit_listener.stop()


async def test_a_key_revoked_while_a_slow_client_reads_hands_out_no_more_than_is_on_its_way(api_server):
    await api_server.agent()
    raw = RAW + b"x" * 60_000

    def many(tx):
        for _ in range(300):
            api_server.places.message(tx, BOT, raw)

    await api_server.store.write(many)
    async with following(api_server, "?from=start") as stream:
        first = await stream.event()
        await revoke(api_server, api_server.key)
        rest = await stream.rest()

    assert 1 == first.json["data"]["message_id"].count("msg_")
    assert len(rest) < 299


async def test_a_deleted_agent_ends_the_stream_and_one_made_anew_is_not_the_same(api_server):
    await api_server.agent()
    user = await owner(api_server)

    def replaced(tx):
        delete_agent(tx, user.id, BOT)
        api_server.clock.advance(seconds=1)
        api_server.places.agent(tx, user, BOT)

    async with following(api_server) as stream:
        await api_server.store.write(replaced)
        await api_server.message()

        assert [] == await stream.rest()


@on_sqlite
async def test_a_store_that_cannot_answer_ends_no_stream(lively):
    await lively.agent()
    async with following(lively) as stream:
        lose_table(lively.store, "api_keys")

        await stream.sign_of_life()
        await stream.sign_of_life()


async def test_a_door_that_closes_ends_its_streams_and_long_polls_cleanly(sqlite_store, clock, places):
    api_server = ApiServer(sqlite_store, clock, places)
    await api_server.open()
    await api_server.agent()
    async with following(api_server) as stream:
        polling = asyncio.create_task(api_server.get(messages("?wait=60")))
        leasing = asyncio.create_task(api_server.post(queue("lease"), {"wait": 60}))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(map(len, api_server.store.notifier._waiting.values())) < 4:  # noqa: ASYNC110 (no event for it)
                await asyncio.sleep(0.005)

        async with asyncio.timeout(4):  # less than the grace
            await api_server.server.stop(10)

        assert [] == await stream.rest()
        assert [(200, []), (200, [])] == [(each.status, each.json["items"]) for each in (await polling, await leasing)]
    await api_server.session.close()


async def test_a_client_that_stops_reading_is_left(sqlite_store, clock, places):
    api_server = ApiServer(sqlite_store, clock, places, ApiLimits(request_seconds=0.3))
    await api_server.open()
    await api_server.agent()

    def many(tx):
        for _ in range(300):
            places.message(tx, BOT, RAW + b"x" * 60_000)

    await sqlite_store.write(many)
    async with following(api_server, "?from=start"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sqlite_store.notifier.topics():  # noqa: ASYNC110 (the bell has no event for who leaves)
                await asyncio.sleep(0.02)
    await api_server.close()


async def test_a_client_that_goes_leaves_nothing_behind(api_server):
    await api_server.agent()
    async with following(api_server):
        assert api_server.store.notifier.topics()

    async with asyncio.timeout(PATIENCE_SECONDS):
        while api_server.store.notifier.topics():  # noqa: ASYNC110 (the bell has no event for who leaves)
            await asyncio.sleep(0.005)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_stream_describes_itself(shared_api):
    described = (await shared_api.get("/openapi.json", key=None)).json["paths"]["/v1/agents/{address}/events"]["get"]

    assert ["text/event-stream"] == list(described["responses"]["200"]["content"])
    assert {"address", "from", "last_event_id", "Last-Event-ID"} == {each["name"] for each in described["parameters"]}
    assert OWNER not in str(described)
