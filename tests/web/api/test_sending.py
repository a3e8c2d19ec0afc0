"""Agents write and people decide, as their clients see it: over a real door, with a courier that remembers."""

import asyncio
import base64
import hashlib
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select

from relay.errors import CourierBusy, CourierRefused
from relay.jobs.holds import Holds
from relay.jobs.sending import Sending
from relay.signing.seal import verify_seal
from relay.signing.secrets import parse_whsec
from store.directory.sending_pause import pause_sending, resume_sending
from store.directory.users import get_user_by_email
from store.errors import SendUnconfirmed
from store.mail.deliveries import list_deliveries
from store.outbound.outbound import get_outbound_message
from store.outbound.suppression import keep_suppression
from store.schema.outbound import notifications
from tests.fakes import FakeCourier
from tests.web.client import BOT, OWNER, serve_api

ANA, BO = "ana@customer.example", "bo@customer.example"
OTHER = "other@agents.example"
AGENT = f"/v1/agents/{BOT}"
MAIL = {"to": [ANA], "subject": "Grüße", "text": "hello"}
QUESTION = (
    b"From: Ana <ana@customer.example>\r\nTo: bot@agents.example\r\nCc: bo@customer.example\r\n"
    b"Subject: a question\r\nMessage-ID: <1@customer.example>\r\n\r\nWhen?\r\n"
)


@pytest.fixture
def courier() -> FakeCourier:
    return FakeCourier()


@pytest.fixture
async def post(sqlite_store, clock, places, courier):
    """A door whose daemon sends, with two agents; one of them has a webhook that wants every event."""
    async with serve_api(sqlite_store, clock, places, courier=courier) as api_server:
        await api_server.agent()
        events = ["email.received", "email.sent", "email.failed", "email.approved", "email.rejected", "email.expired"]
        await api_server.agent(OTHER, webhook="https://hooks.example/in", events=[*events, "email.pending_approval"])
        sending = Sending(api_server.send_context)
        sending.start()
        yield api_server
        await sending.stop(1)


async def hold(api_server, agent=BOT, *, action="reject", ttl=600):
    wanted = {"enabled": True, "ttl_seconds": ttl, "expiration_action": action}
    assert 200 == (await api_server.ask("PUT", f"/v1/agents/{agent}/hitl", json=wanted)).status


async def sent(api_server, body=MAIL, path=f"{AGENT}/send", **more):
    answer = await api_server.post(path, body, **more)
    assert 202 == answer.status, answer.body
    return answer.json["message_id"]


async def reached(api_server, message_id, status, agent=BOT):
    """The message, once it has come to *status*."""
    for _ in range(200):
        found = (await api_server.get(f"/v1/agents/{agent}/messages/{message_id}")).json
        if found["status"] == status:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


def parsed(raw):
    return message_from_bytes(raw, policy=policy.default)


async def test_a_mail_is_kept_at_once_goes_out_and_its_way_can_be_read(post, courier):
    message_id = await sent(post, MAIL | {"cc": [BO], "bcc": ["cy@customer.example"]})
    found = await reached(post, message_id, "sent")

    ((raw, mail_from, recipients, attempt),) = courier.taken
    mail = parsed(raw)
    assert (BOT, (ANA, BO, "cy@customer.example")) == (mail_from, recipients)
    assert ("Grüße", "auto-generated", message_id) == (
        mail["Subject"],
        mail["Auto-Submitted"],
        mail["X-Mailseal-Message-Id"],
    )
    assert b"cy@customer.example" not in raw
    assert hashlib.sha256(raw).hexdigest() == found["raw_sha256"]
    assert [(attempt, "queue", "sent")] == [
        (each["attempt_id"], each["origin"], each["outcome"]) for each in found["attempts"]
    ]
    assert [(ANA, "to"), (BO, "cc"), ("cy@customer.example", "bcc")] == [
        (each["address"], each["field"]) for each in found["recipients"]
    ]
    assert (None, []) == (found["text"], found["attachments"])


async def test_people_have_names_however_they_are_written(post, courier):
    people = [
        f"Müller, Ana <{ANA}>",
        {"name": 'Bo "B"', "address": BO},
        {"name": None, "address": "di@customer.example"},
    ]
    wanted = {"to": people, "cc": {"address": "cy@customer.example"}, "bcc": "Ed <ed@customer.example>"}
    found = await reached(post, await sent(post, MAIL | wanted), "sent")

    raw, _, recipients, _ = courier.taken[0]
    assert (ANA, BO, "di@customer.example", "cy@customer.example", "ed@customer.example") == recipients
    assert [("Müller, Ana", ANA), ('Bo "B"', BO), ("", "di@customer.example")] == [
        (each.display_name, each.addr_spec) for each in parsed(raw)["To"].addresses
    ]
    assert [{"name": "Müller, Ana", "address": ANA}, {"name": 'Bo "B"', "address": BO}] == found["to"][:2]
    assert [{"name": "Ed", "address": "ed@customer.example"}] == found["bcc"]
    assert b"Ed" not in raw


async def test_what_people_write_every_day_is_no_bad_input(post, courier):
    name = "Screenshot 2026-11-29 at 9.41.00\u202fAM.png"
    file = {"filename": name, "content_type": "image/png", "data": "aGVsbG8="}
    wanted = {
        "subject": "Prêt\xa0: 👩\u200d🔧 نمی\u200cشد",
        "attachments": [file],
        "headers": {"X-Note": "déjà\xa0vu"},
    }
    await reached(post, await sent(post, MAIL | wanted), "sent")

    mail = parsed(courier.taken[0][0])
    assert (wanted["subject"], "déjà\xa0vu") == (mail["Subject"], mail["X-Note"])
    assert [name] == [part.get_filename() for part in mail.iter_attachments()]


async def test_the_same_key_makes_one_mail(post, courier):
    once = {"headers": {"Idempotency-Key": "k-1"}}
    first = await post.post(f"{AGENT}/send", MAIL, **once)
    again = await post.post(f"{AGENT}/send", MAIL, **once)
    other = await post.post(f"{AGENT}/send", MAIL | {"text": "bye"}, **once)

    assert (first.body, "true") == (again.body, again.headers["Idempotent-Replayed"])
    assert (422, "idempotency_mismatch") == other.problem
    await reached(post, first.json["message_id"], "sent")
    assert 1 == len(courier.taken)


async def test_a_reply_goes_where_answers_are_wanted_and_stays_in_its_conversation(post, courier):
    question = await post.message(QUESTION, email_message_id="1@customer.example")

    message_id = await sent(post, {"text": "Now", "reply_all": True}, f"{AGENT}/messages/{question.id}/reply")
    found = await reached(post, message_id, "sent")

    mail = parsed(courier.taken[0][0])
    assert ((ANA, BO), "Re: a question") == (courier.taken[0][2], mail["Subject"])
    assert f"Ana <{ANA}>" == mail["To"]
    assert "<1@customer.example>" == mail["In-Reply-To"]
    assert mail["References"].split()[0] == "<1@customer.example>"
    assert "> When?" in mail.get_content()
    assert question.conversation_id == found["conversation_id"]


BY_LIST = b"List-Id: <talk.lists.example>\r\nList-Post: <mailto:talk@lists.example>\r\nPrecedence: list\r\n" + QUESTION


async def test_a_person_who_writes_through_a_list_is_answered_where_the_owner_allows_it(post):
    question = await post.message(BY_LIST, automated=True)
    path = f"{AGENT}/messages/{question.id}/reply"
    assert (409, "automated_mail") == (await post.post(path, {"text": "Now"})).problem

    assert 200 == (await post.patch(AGENT, {"answer_lists": True})).status
    assert 202 == (await post.post(path, {"text": "Now"})).status


@pytest.mark.parametrize(
    ("marks", "changes"),
    [
        (b"Auto-Submitted: auto-replied\r\n", {}),
        (b"X-Autoreply: yes\r\n", {}),
        (b"X-Failed-Recipients: x@y.example\r\n", {}),
        (b"Content-Type: multipart/report; report-type=disposition-notification\r\n", {}),
        (b"", {"mail_from": ""}),
        (b"", {"auth_headers": {"Mailseal-Entity-Type": "agent"}}),
    ],
)
async def test_what_a_machine_wrote_through_a_list_is_not(post, marks, changes):
    await post.patch(AGENT, {"answer_lists": True})
    question = await post.message(marks + BY_LIST, automated=True, **changes)

    refused = await post.post(f"{AGENT}/messages/{question.id}/reply", {"text": "Now"})

    assert (409, "automated_mail") == refused.problem


async def test_bulk_mail_is_not_answered_by_an_agent_that_answers_lists(post):
    await post.patch(AGENT, {"answer_lists": True})
    question = await post.message(b"List-Unsubscribe: <https://x.example/>\r\n" + QUESTION, automated=True)

    refused = await post.post(f"{AGENT}/messages/{question.id}/reply", {"text": "Now"})

    assert (409, "automated_mail") == refused.problem


async def test_what_a_machine_wrote_is_answered_only_where_that_is_asked_for(post):
    question = await post.message(QUESTION, automated=True)
    path = f"{AGENT}/messages/{question.id}/reply"

    assert (409, "automated_mail") == (await post.post(path, {"text": "Now"})).problem
    assert 202 == (await post.post(path, {"text": "Now", "allow_automated": True})).status


async def test_a_forward_takes_text_and_files_along(post, courier):
    question = await post.message(QUESTION)
    message_id = await sent(post, {"to": [BO], "text": "see"}, f"{AGENT}/messages/{question.id}/forward")
    await reached(post, message_id, "sent")

    mail = parsed(courier.taken[0][0])
    assert "Fwd: a question" == mail["Subject"]
    assert "When?" in mail.get_content()


async def test_a_forward_stays_in_its_conversation(post):
    question = await post.message(QUESTION, email_message_id="1@customer.example")
    message_id = await sent(post, {"to": [BO]}, f"{AGENT}/messages/{question.id}/forward")
    found = await reached(post, message_id, "sent")

    assert question.conversation_id == found["conversation_id"]
    assert (None, ["<1@customer.example>"]) == (found["in_reply_to"], found["references"])


async def test_an_agent_here_gets_it_without_a_provider_and_under_the_seal(post, courier):
    message_id = await sent(post, MAIL | {"to": [f"{OTHER.replace('@', '+eu@')}"]})
    found = await reached(post, message_id, "sent")

    assert [] == courier.taken
    listed = (await post.get(f"/v1/agents/{OTHER}/messages")).json["items"]
    (got,) = listed
    seal = got["auth_headers"]
    raw = (await post.get(f"/v1/agents/{OTHER}/messages/{got['message_id']}/raw")).body
    secrets = (await post.get(f"/v1/agents/{OTHER}/secret")).json["secrets"]
    assert verify_seal(seal, [parse_whsec(each["secret"]) for each in secrets], raw).holds
    assert ("agent", "true", BOT) == (
        seal["Mailseal-Entity-Type"],
        seal["Mailseal-Verified"],
        seal["Mailseal-Sender"],
    )
    assert seal["Mailseal-Delegation"].startswith(f"agent={BOT};user=usr_")
    assert ("eu", True) == (got["tag"], got["automated"])
    assert "delivered" == found["recipients"][0]["status"]


async def test_without_a_provider_only_agents_here_are_written_to(sqlite_api):
    await sqlite_api.agent()

    assert (409, "outbound_off") == (await sqlite_api.post(f"{AGENT}/send", MAIL)).problem
    assert [] == (await sqlite_api.get(f"{AGENT}/activity")).json["items"]


async def test_a_mail_waits_for_a_person_who_approves_those_very_bytes(post, courier):
    await hold(post)
    answer = await post.post(f"{AGENT}/send", MAIL)
    message_id = answer.json["message_id"]
    (waiting,) = (await post.get("/v1/reviews")).json["items"]
    assert ("pending_approval", "owner", message_id) == (
        answer.json["status"],
        waiting["hold_reason"],
        waiting["message_id"],
    )

    seen = {"revision": waiting["revision"], "raw_sha256": waiting["raw_sha256"]}
    decided = await post.post(f"/v1/reviews/{message_id}/approve", seen)

    assert (200, "sent") == (decided.status, decided.json["status"])
    assert waiting["raw_sha256"] == hashlib.sha256(courier.taken[0][0]).hexdigest()
    for verb in ("approve", "reject"):
        assert (409, "not_pending_approval") == (await post.post(f"/v1/reviews/{message_id}/{verb}", {})).problem
    assert 1 == len(courier.taken)


async def test_an_edit_is_another_draft_and_what_was_seen_before_approves_nothing(post, courier):
    await hold(post)
    message_id = await sent(post)
    before = (await post.get(f"/v1/reviews/{message_id}")).json
    edited = await post.ask("PATCH", f"/v1/reviews/{message_id}", json={"text": "bye", "cc": [BO]})
    assert (2, True) == (edited.json["revision"], edited.json["raw_sha256"] != before["raw_sha256"])

    stale = await post.post(f"/v1/reviews/{message_id}/approve", {"raw_sha256": before["raw_sha256"]})
    assert (409, "outdated") == stale.problem
    assert [] == courier.taken

    await post.post(f"/v1/reviews/{message_id}/approve", {"subject": "Last"})
    mail = parsed(courier.taken[0][0])
    assert ("Last", "bye", (ANA, BO)) == (mail["Subject"], mail.get_content().strip(), courier.taken[0][2])


async def test_whoever_stays_keeps_their_name_through_an_edit(post, courier):
    await hold(post)
    message_id = await sent(post, MAIL | {"to": [f"Ana <{ANA}>", f"Bo <{BO}>"]})

    for change in ({"text": "bye"}, {"to": [ANA, f"Bobby <{BO}>"]}, {"to": [ANA], "cc": [BO]}):
        edited = await post.ask("PATCH", f"/v1/reviews/{message_id}", json=change)
        assert 200 == edited.status, edited.body
    assert (200, 4) == (edited.status, edited.json["revision"])
    await post.post(f"/v1/reviews/{message_id}/approve", {})

    mail = parsed(courier.taken[0][0])
    assert (f"Ana <{ANA}>", f"Bobby <{BO}>") == (mail["To"], mail["Cc"])


async def test_an_edit_whose_mail_was_not_sent_stays_and_is_told_in_a_new_letter(post, courier):
    await hold(post)
    message_id = await sent(post)
    assert [1] == await letters(post, message_id)
    courier.errors = [CourierBusy("slower"), CourierBusy("slower")]

    for change in ({"text": "bye"}, {}):
        assert 503 == (await post.post(f"/v1/reviews/{message_id}/approve", change)).status

    found = (await post.get(f"/v1/reviews/{message_id}")).json
    assert ("pending_approval", 2, "bye") == (found["status"], found["revision"], found["text"])
    assert [2] == await letters(post, message_id)


async def test_of_many_who_decide_at_once_one_does(post, courier):
    await hold(post)
    message_id = await sent(post)

    answers = await asyncio.gather(
        *[post.post(f"/v1/reviews/{message_id}/{verb}", {}) for verb in ("approve", "reject") * 5]
    )

    assert [200, *[409] * 9] == sorted(answer.status for answer in answers)
    assert len(courier.taken) == ((await post.get(f"/v1/reviews/{message_id}")).json["status"] == "sent")


async def letters(post, message_id):
    """The revisions that letters are waiting to tell of."""
    about = (notifications.c.message_id == message_id, notifications.c.status == "pending")
    return await post.store.read(lambda tx: tx.execute(select(notifications.c.revision).where(*about)).scalars().all())


@pytest.mark.parametrize(
    ("error", "problem"),
    [(CourierBusy("slower"), (503, "courier_busy")), (CourierRefused("no"), (502, "courier_refused"))],
)
async def test_a_send_that_fails_leaves_the_mail_waiting(post, courier, error, problem):
    await hold(post)
    message_id = await sent(post)
    courier.errors = [error]

    assert problem == (await post.post(f"/v1/reviews/{message_id}/approve", {})).problem
    found = (await post.get(f"/v1/reviews/{message_id}")).json
    assert ("pending_approval", str(error)) == (found["status"], found["error"])
    assert 200 == (await post.post(f"/v1/reviews/{message_id}/approve", {})).status


async def test_a_lost_answer_is_in_doubt_until_its_owner_says(post, courier):
    courier.errors = [SendUnconfirmed("cut")]
    message_id = await sent(post)
    await reached(post, message_id, "unconfirmed")
    resolved = await post.post(f"{AGENT}/messages/{message_id}/resolve", {"as": "send_again"})

    assert "queued" == resolved.json["status"]
    await reached(post, message_id, "sent")
    assert 1 == len(courier.taken)
    again = await post.post(f"{AGENT}/messages/{message_id}/resolve", {"as": "sent"})
    assert (409, "not_unconfirmed") == again.problem


async def test_what_the_provider_refuses_has_failed_with_its_words_and_can_be_sent_again(post, courier):
    courier.errors = [CourierRefused("SES: MessageRejected: no")]
    message_id = await sent(post)
    found = await reached(post, message_id, "failed")
    assert ("SES: MessageRejected: no", "hello") == (found["error"], found["text"])

    await post.post(f"{AGENT}/messages/{message_id}/resolve", {"as": "send_again"})
    await reached(post, message_id, "sent")


async def test_a_busy_provider_is_asked_again_later(post, courier, clock):
    courier.errors = [CourierBusy("slower")]
    message_id = await sent(post)
    for _ in range(100):
        if (await post.get(f"{AGENT}/messages/{message_id}")).json["error"]:
            break
        await asyncio.sleep(0.01)
    assert [] == courier.taken

    clock.advance(seconds=3)
    await sent(post, MAIL | {"to": [OTHER]})  # its commit wakes the worker
    found = await reached(post, message_id, "sent")
    assert ["failed", "sent"] == [each["outcome"] for each in found["attempts"]]


@pytest.mark.parametrize(
    ("action", "status", "taken"), [("approve", "expired_approved", 1), ("reject", "expired_rejected", 0)]
)
async def test_a_hold_that_nobody_decides_ends_as_its_owner_wants(  # noqa: PLR0917
    post, courier, clock, action, status, taken
):
    await hold(post, OTHER, action=action, ttl=60)
    message_id = await sent(post, path=f"/v1/agents/{OTHER}/send")
    clock.advance(seconds=61)

    await asyncio.gather(*[Holds(post.send_context).expire_due(asyncio.Event()) for _ in range(3)])

    found = (await post.get(f"/v1/reviews/{message_id}")).json
    assert (status, taken, None) == (found["status"], len(courier.taken), found["text"])
    told = await post.store.read(lambda tx: list_deliveries(tx, agent=OTHER))
    assert {"email.pending_approval", "email.expired"} <= {each.event_type for each in told.items}


async def test_a_cap_holds_for_a_person_and_its_hold_ends_in_no(post, courier, clock):
    await hold(post, action="approve")
    await post.ask("PUT", f"/v1/agents/{BOT}/hitl", json={"enabled": False, "expiration_action": "approve"})
    ids = [await sent(post, MAIL | {"to": [f"r{number}@customer.example"]}) for number in range(101)]

    held = (await post.get(f"/v1/reviews/{ids[-1]}")).json
    assert ("pending_approval", "recipients") == (held["status"], held["hold_reason"])
    clock.advance(days=1, seconds=1)
    await Holds(post.send_context).expire_due(asyncio.Event())
    assert "expired_rejected" == (await post.get(f"/v1/reviews/{ids[-1]}")).json["status"]


async def test_a_pause_stops_everything_until_it_ends(post, courier, clock):
    await hold(post, OTHER)
    held = await sent(post, path=f"/v1/agents/{OTHER}/send")
    await post.store.write(lambda tx: pause_sending(tx, reason="runaway", now=clock.now()))
    queued = await sent(post)

    assert (503, "sending_paused") == (await post.post(f"/v1/reviews/{held}/approve", {})).problem
    assert ([], "queued") == (courier.taken, (await post.get(f"{AGENT}/messages/{queued}")).json["status"])

    await post.store.write(resume_sending)
    assert 200 == (await post.post(f"/v1/reviews/{held}/approve", {})).status


async def test_who_does_not_want_mail_gets_none(post, courier, clock):
    await post.store.write(
        lambda tx: keep_suppression(tx, get_user_by_email(tx, OWNER).id, ANA, reason="complained", now=clock.now())
    )

    answer = await post.post(f"{AGENT}/send", MAIL)

    assert (409, "suppressed") == answer.problem
    assert ANA in answer.json["detail"]


async def test_who_complains_while_a_mail_waits_does_not_get_it(post, courier, clock):
    await hold(post)
    message_id = await sent(post)
    await post.store.write(
        lambda tx: keep_suppression(tx, get_user_by_email(tx, OWNER).id, ANA, reason="complained", now=clock.now())
    )

    answer = await post.post(f"/v1/reviews/{message_id}/approve", {})

    assert (409, "suppressed") == answer.problem
    assert [] == courier.taken
    found = await reached(post, message_id, "pending_approval")
    assert f"suppressed recipients: {ANA} (complained)" == found["error"]


async def test_who_complains_while_a_mail_is_put_off_does_not_get_it(post, courier, clock):
    courier.errors = [CourierBusy("later")]
    message_id = await sent(post)
    for _ in range(200):
        if (await post.get(f"/v1/agents/{BOT}/messages/{message_id}")).json["error"]:
            break
        await asyncio.sleep(0.01)
    await post.store.write(
        lambda tx: keep_suppression(tx, get_user_by_email(tx, OWNER).id, ANA, reason="complained", now=clock.now())
    )
    clock.advance(seconds=60)
    await sent(post, MAIL | {"to": [BO]})  # rings the worker

    assert "complained" in (await reached(post, message_id, "failed"))["error"]
    assert [(BO,)] == [recipients for _, _, recipients, _ in courier.taken]


async def test_a_key_for_one_agent_says_nothing_about_another_s_mail(post, courier):
    courier.errors = [CourierRefused("no")]
    message_id = await sent(post)
    await reached(post, message_id, "failed")
    made = await post.post("/v1/keys", {"name": "other", "agent": OTHER, "scopes": ["admin"]})

    answer = await post.post(
        f"/v1/agents/{OTHER}/messages/{message_id}/resolve", {"as": "send_again"}, key=made.json["api_key"]
    )

    assert (404, "message_not_found") == answer.problem
    assert "failed" == (await reached(post, message_id, "failed"))["status"]
    assert [] == courier.taken


@pytest.mark.parametrize("scopes", [("send",), ("read", "send")])
async def test_an_agent_s_key_cannot_approve_its_own_mail(post, courier, scopes):
    await hold(post)
    key = await post.new_key(scopes=scopes)
    message_id = await sent(post, key=key)

    assert (403, "insufficient_scope") == (await post.post(f"/v1/reviews/{message_id}/approve", {}, key=key)).problem
    assert [] == courier.taken


async def test_a_large_mail_is_kept_in_parts_and_gone_when_it_is_sent(post, courier):
    await hold(post)
    file = {"filename": "a.bin", "data": base64.b64encode(bytes(700_000)).decode()}
    message_id = await sent(post, MAIL | {"attachments": [file]})
    kept = (await post.get(f"{AGENT}/messages/{message_id}/raw")).body
    await post.post(f"/v1/reviews/{message_id}/approve", {})

    assert kept == courier.taken[0][0]
    assert (410, "content_gone") == (await post.get(f"{AGENT}/messages/{message_id}/raw")).problem
    found = await post.store.read(lambda tx: get_outbound_message(tx, message_id))
    assert (None, hashlib.sha256(kept).hexdigest()) == (found.raw_sha256, found.digest)
