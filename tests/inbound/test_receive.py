"""Receiving a mail: what is stored for each recipient, and that a failure stores nothing."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select, union_all

from relay.errors import Deferred, HeaderTooLarge, MailLoop, SenderUnproven, Unauthenticated
from relay.mail.headers import split_headers
from relay.signing.seal import NAMES, SIGNATURE, verify_seal
from relay.spool import HEAD_LIMIT
from store.directory.agents import delete_agent, list_secrets
from store.errors import Unavailable
from store.mail.bodies import CHUNK_BYTES
from store.mail.deliveries import list_deliveries_of_message
from store.mail.queue import lease_messages
from store.schema.inbound import bodies, messages
from tests.auth.mails import signed
from tests.broken_store import lose_table
from tests.inbound.way_in import HOSTNAME, MAIL, OWNER
from tests.one_database import on_sqlite

BOT = "bot@agents.example"
CRITIC = "critic@agents.example"
NOTHING = {"messages": 0, "bodies": 0, "body_chunks": 0, "deliveries": 0}
LEASE = timedelta(minutes=1)
ANY_ROW = union_all(select(messages.c.id), select(bodies.c.sha256))
FORGER = {"mail_from": "eve@evil.example", "ip": "203.0.113.9"}


def front(raw: bytes, mail: bytes = MAIL) -> bytes:
    """The fields that receiving put in front of *mail*."""
    assert raw.endswith(mail)
    return raw.removesuffix(mail)


async def test_the_mail_is_kept_byte_for_byte_behind_three_fields_of_ours(way_in):
    await way_in.agent(BOT)

    mail = signed()  # once: a signature names the second it was made in

    message, raw = await way_in.receive_one(mail)

    fields = split_headers(front(raw, mail)).fields
    assert ["return-path", "received", "authentication-results"] == [field.name for field in fields]
    assert (message.raw_sha256, message.raw_size) == (sha256(raw).hexdigest(), len(raw))


async def test_our_fields_say_who_sent_it_and_what_came_of_the_checks(way_in):
    await way_in.agent(BOT)

    message, raw = await way_in.receive_one()

    expected = (
        "Return-Path: <ana@example.com>\r\n"
        "Received: from mx.example.com ([192.0.2.1])\r\n"
        f" by {HOSTNAME} with ESMTPS (TLSv1.3) id {message.id}\r\n"
        f" for <{BOT}>;\r\n"
        " Mon, 23 Nov 2026 15:17:00 +0000\r\n"
        f"Authentication-Results: {HOSTNAME};\r\n"
        " spf=pass smtp.mailfrom=ana@example.com;\r\n"
        " dkim=none;\r\n"
        " dmarc=pass policy.dmarc=reject header.from=example.com;\r\n"
        " arc=none\r\n"
    )
    assert expected == front(raw).decode()


async def test_a_bounce_has_an_empty_return_path(way_in):
    await way_in.agent(BOT)

    message, raw = await way_in.receive_one(mail_from=None)

    assert front(raw).startswith(b"Return-Path: <>\r\n")
    assert ("", True) == (message.mail_from, message.automated)


@on_sqlite
@pytest.mark.parametrize(
    "forged",
    [
        b"Authentication-Results: mx.here.example; dmarc=pass header.from=bank.example",
        b"authentication-results: MX.Here.Example; dmarc=pass",
        b"AUTHENTICATION-RESULTS:mx.here.example;dmarc=pass",
        b"Authentication-Results : mx.here.example; dmarc=pass",
        b"Authentication-Results\t:\tmx.here.example; dmarc=pass",
        b"Authentication-Results:\r\n mx.here.example;\r\n dmarc=pass",
        b"Authentication-Results: mx.here.example 1; dmarc=pass",
        b"Authentication-Results: mx.here.example 99; dmarc=pass",
        b"Authentication-Results: mx.here.example.; dmarc=pass",
        b'Authentication-Results: "mx.here.example"; dmarc=pass',
        b'Authentication-Results: "mx.here\\.example"; dmarc=pass',
        b"Authentication-Results: (a comment) mx.here.example; dmarc=pass",
        b"Authentication-Results: (nested (comment)) mx.here.example (and) 1 (more); dmarc=pass",
        b"Authentication-Results: mx.here.example",
        b"Authentication-Results:",
        b"Authentication-Results: ; dmarc=pass",
        b"Authentication-Results: (never closed mx.here.example; dmarc=pass",
    ],
)
async def test_results_that_claim_to_be_ours_are_taken_out(way_in, forged):
    await way_in.agent(BOT)

    _, raw = await way_in.receive_one(b"X-Before: 1\r\n" + forged + b"\r\n" + MAIL)

    assert raw.endswith(b"X-Before: 1\r\n" + MAIL)
    assert 1 == len(split_headers(raw).all("authentication-results"))


@on_sqlite
@pytest.mark.parametrize(
    "others",
    [
        b"Authentication-Results: mx.other.example; dmarc=pass",
        b"Authentication-Results: mx.here.example.evil.example; dmarc=pass",
        b"Authentication-Results: here.example; dmarc=pass",
        b"Authentication-Results: other.example (mx.here.example); dmarc=pass",
        b"ARC-Authentication-Results: i=1; mx.here.example; dmarc=pass",
        b"X-Authentication-Results: mx.here.example; dmarc=pass",
        b"Subject: Authentication-Results: mx.here.example",
        b"X-Folded: a\r\n Authentication-Results: mx.here.example",
    ],
)
async def test_results_of_others_are_kept(way_in, others):
    await way_in.agent(BOT)

    _, raw = await way_in.receive_one(others + b"\r\n" + MAIL)

    assert raw.endswith(others + b"\r\n" + MAIL)


async def test_what_looks_like_our_results_in_the_body_is_kept(way_in):
    await way_in.agent(BOT)
    mail = MAIL + b"\r\nAuthentication-Results: mx.here.example; dmarc=pass\r\n"

    _, raw = await way_in.receive_one(mail)

    assert raw.endswith(mail)


async def test_every_forged_field_is_taken_out_and_all_else_keeps_its_order(way_in):
    await way_in.agent(BOT)
    forged = b"Authentication-Results: mx.here.example; dmarc=pass\r\n"
    parts = [b"A: 1\r\n", b"Authentication-Results: other.example; spf=pass\r\n", b"junk line\r\n", b"B: 2\r\n"]

    _, raw = await way_in.receive_one(forged + forged.join(parts) + forged + MAIL)

    assert raw.endswith(b"".join(parts) + MAIL)
    assert forged not in raw


@on_sqlite
@pytest.mark.parametrize("fold", [b" ", b"\t", b" ;\r\n ", b"\t;\r\n\t\r\n "])
async def test_a_mail_that_begins_with_a_fold_cannot_go_on_with_our_results(way_in, fold):
    await way_in.agent(BOT)
    forged = fold + b"dmarc=pass header.from=bank.example\r\n"

    _, raw = await way_in.receive_one(forged + MAIL)

    (results,) = split_headers(raw).all("authentication-results")
    assert b"bank.example" not in results.value
    assert raw.endswith(b"\r\nX-Mailseal-First:\r\n" + forged + MAIL)


async def test_a_mail_for_several_agents_is_a_message_each_in_the_order_of_rcpt(way_in):
    wanted = ["c@agents.example", "a@agents.example", "b+x@agents.example"]
    for name in ("a", "b", "c"):
        await way_in.agent(f"{name}@agents.example")

    ids = await way_in.receive(to=wanted)

    found = [(await way_in.message(message_id))[0] for message_id in ids]
    assert wanted == [message.recipient for message in found]
    assert 3 == len(set(ids))


async def test_a_mail_for_several_agents_is_kept_once(way_in):
    await way_in.agent(BOT)
    await way_in.agent("hook@agents.example", webhook="https://hook.example/")

    await way_in.receive(to=[BOT, "hook@agents.example"])

    assert {"messages": 2, "bodies": 1, "body_chunks": 0, "deliveries": 1} == await way_in.kept()


async def test_no_recipient_learns_of_another(way_in):
    await way_in.agent(BOT)
    await way_in.agent(CRITIC)

    for message_id in await way_in.receive(to=[BOT, CRITIC]):
        _, raw = await way_in.message(message_id)
        assert b"critic" not in raw
        assert b"for <" not in raw


async def test_one_agent_addressed_twice_gets_two_messages(way_in):
    await way_in.agent(BOT)

    ids = await way_in.receive(to=["bot+a@agents.example", "bot+b@agents.example"])

    assert ["a", "b"] == [(await way_in.message(message_id))[0].tag for message_id in ids]


async def test_the_seal_holds_with_the_agents_own_secret_only(way_in):
    await way_in.agent(BOT)
    await way_in.agent(CRITIC)

    message, raw = await way_in.receive_one()

    assert verify_seal(message.auth_headers, [await way_in.secret(BOT)], raw).holds
    assert not verify_seal(message.auth_headers, [await way_in.secret(CRITIC)], raw).signature


async def test_the_seal_states_what_was_found_out(way_in):
    await way_in.agent(BOT)
    now = way_in.places.clock.now()

    message, raw = await way_in.receive_one(signed(), to=["Bot+eu@agents.example"])

    (secret,) = await way_in.store.read(lambda tx: list_secrets(tx, BOT, now=now))
    values = (
        "1", message.id, BOT, "ana@example.com", "ana@example.com", "human", "", "true", "example.com",
        "spf=pass; dkim=pass; dmarc=pass; arc=none", "2026-11-23T15:17:00Z", sha256(raw).hexdigest(), secret.key_id,
    )  # fmt: skip
    assert dict(zip(NAMES, values, strict=True)) == {
        name: value for name, value in message.auth_headers.items() if name != SIGNATURE
    }


async def test_a_verified_sender_is_told_with_the_verdict(way_in):
    await way_in.agent(BOT)

    message, _ = await way_in.receive_one(signed(), **FORGER)

    assert (True, "example.com") == (message.verified, message.verified_domain)
    assert "spf=none; dkim=pass; dmarc=pass; arc=none" == message.auth_headers["Mailseal-Domain-Check"]


async def test_an_unverified_sender_is_delivered_and_told(way_in):
    await way_in.agent(BOT)

    message, _ = await way_in.receive_one(**FORGER)

    assert (False, None) == (message.verified, message.verified_domain)
    assert "false" == message.auth_headers["Mailseal-Verified"]
    assert "" == message.auth_headers["Mailseal-Verified-Domain"]


async def test_a_mail_changed_on_its_way_is_not_verified_by_its_signature(way_in):
    await way_in.agent(BOT)

    message, _ = await way_in.receive_one(signed() + b"PS: pay me.\r\n", **FORGER)

    assert not message.verified


async def test_an_agent_that_takes_verified_mail_only_gets_it(way_in):
    await way_in.agent(CRITIC, on_unverified="reject")

    message, _ = await way_in.receive_one(signed(), to=[CRITIC], **FORGER)

    assert message.verified


async def test_an_agent_that_takes_verified_mail_only_refuses_the_rest(way_in):
    await way_in.agent(CRITIC, on_unverified="reject")

    with pytest.raises(Unauthenticated):
        await way_in.receive(to=[CRITIC], **FORGER)

    assert NOTHING == await way_in.kept()


async def test_one_reply_answers_all_so_one_strict_agent_refuses_for_all(way_in):
    await way_in.agent(BOT)
    await way_in.agent(CRITIC, on_unverified="reject")

    with pytest.raises(Unauthenticated):
        await way_in.receive(to=[BOT, CRITIC], **FORGER)

    assert NOTHING == await way_in.kept()


async def test_while_dns_is_down_a_strict_agent_asks_to_try_again(way_in):
    await way_in.agent(CRITIC, on_unverified="reject")
    way_in.resolver.down = {"s1._domainkey.example.com"}

    with pytest.raises(SenderUnproven):
        await way_in.receive(signed(), to=[CRITIC], **FORGER)

    assert NOTHING == await way_in.kept()


async def test_while_dns_is_down_other_agents_get_their_mail(way_in):
    await way_in.agent(BOT)
    way_in.resolver.down = {"example.com", "_dmarc.example.com", "s1._domainkey.example.com"}

    message, _ = await way_in.receive_one(signed())

    assert (False, "temperror") == (message.verified, message.authentication["dmarc"]["result"])


async def test_fifty_hands_are_few_enough(way_in):
    await way_in.agent(BOT)

    await way_in.receive_one(b"Received: from a by b; now\r\n" * 50 + MAIL)


async def test_a_mail_that_goes_in_circles_is_refused(way_in):
    await way_in.agent(BOT)

    with pytest.raises(MailLoop):
        await way_in.receive(b"Received: from a by b; now\r\n" * 51 + MAIL)

    assert NOTHING == await way_in.kept()


async def test_a_header_section_without_end_is_refused(way_in):
    await way_in.agent(BOT)

    with pytest.raises(HeaderTooLarge):
        await way_in.receive(b"X-Long: " + b"x\r\n " * (HEAD_LIMIT // 4) + b"\r\n\r\nhi\r\n")

    assert NOTHING == await way_in.kept()


@pytest.mark.parametrize(
    ("section", "is_taken"),
    [
        (b"X: " + b"x" * (262_144 - 7) + b"\r\n\r\n", True),
        (b"X: " + b"x" * (262_144 - 6) + b"\r\n\r\n", False),
        (b"a:\r\n" * 2000 + b"\r\n", True),
        (b"a:\r\n" * 2001 + b"\r\n", False),
        (b"a:\r\n b\r\n" * 2000 + b"\r\n", True),
    ],
    ids=["bytes", "too many bytes", "fields", "too many fields", "folded fields"],
)
async def test_a_header_section_is_bounded_by_bytes_and_by_fields(way_in, section, is_taken):
    await way_in.agent(BOT)
    if is_taken:
        await way_in.receive_one(section + b"hi\r\n")
        return
    with pytest.raises(HeaderTooLarge):
        await way_in.receive(section + b"hi\r\n")

    assert NOTHING == await way_in.kept()


async def test_a_mail_that_this_relay_has_received_five_times_is_in_a_loop(way_in):
    await way_in.agent(BOT)
    hop = (
        b"Received: from mx.example.com ([192.0.2.1])\r\n by mx.here.example with ESMTPS (TLSv1.3) id msg_%d\r\n"
        b" for <bot@agents.example>;\r\n Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    )
    foreign = b"Received: from a by mx.other.example with ESMTP id msg_1; now\r\n" * 9
    await way_in.receive_one(b"".join(hop % number for number in range(4)) + foreign + MAIL)

    with pytest.raises(MailLoop):
        await way_in.receive(b"".join(hop % number for number in range(5)) + MAIL)


async def test_a_mail_of_three_megabytes_is_kept_in_parts_and_read_back_the_same(way_in):
    await way_in.agent(BOT)
    lines = b"".join(b"%070d\r\n" % number for number in range(3 * 1024 * 1024 // 72))

    message, raw = await way_in.receive_one(MAIL + lines)

    assert front(raw, MAIL + lines).startswith(b"Return-Path:")
    assert {
        "messages": 1,
        "bodies": 1,
        "body_chunks": -(-len(raw) // CHUNK_BYTES),
        "deliveries": 0,
    } == await way_in.kept()
    assert verify_seal(message.auth_headers, [await way_in.secret(BOT)], raw).holds


@pytest.mark.parametrize("more", [-1, 0, 1])
async def test_a_mail_about_as_large_as_a_part_is_read_back_the_same(way_in, more):
    await way_in.agent(BOT)
    small = len((await way_in.receive_one())[1])
    mail = MAIL + b"x" * (CHUNK_BYTES - small - 2 + more) + b"\r\n"

    message, raw = await way_in.receive_one(mail)

    assert raw.endswith(mail)
    assert (CHUNK_BYTES + more, sha256(raw).hexdigest()) == (message.raw_size, message.raw_sha256)


async def test_an_agent_that_goes_between_rcpt_and_data_makes_the_sender_try_again(way_in):
    await way_in.agent(BOT)
    await way_in.agent("gone@agents.example")
    admitted = [await way_in.admit(BOT), await way_in.admit("gone@agents.example")]
    await way_in.store.write(lambda tx: delete_agent(tx, way_in.places.user(tx, OWNER).id, "gone@agents.example"))

    with pytest.raises(Deferred):
        await way_in.receive(to=[BOT, "gone@agents.example"], admitted=admitted)

    assert NOTHING == await way_in.kept()


class DeletingJudge:
    """Judges like another, and meanwhile an agent's owner deletes it."""

    def __init__(self, judge, delete):
        self.judge, self.delete = judge, delete

    async def __call__(self, envelope, headers, spool, *, now):
        await self.delete()
        return await self.judge(envelope, headers, spool, now=now)


async def test_an_agent_that_goes_while_its_mail_is_judged_makes_the_sender_try_again(way_in):
    await way_in.agent(BOT)
    await way_in.agent("gone@agents.example")

    async def delete():
        await way_in.store.write(lambda tx: delete_agent(tx, way_in.places.user(tx, OWNER).id, "gone@agents.example"))

    judge = DeletingJudge(way_in.receive_context.judge, delete)
    way_in.receive_context = replace(way_in.receive_context, judge=judge)

    with pytest.raises(Deferred):
        await way_in.receive(to=[BOT, "gone@agents.example"])

    assert NOTHING == await way_in.kept()


async def test_a_mail_whose_delivery_cannot_be_written_is_not_kept_at_all(way_in):
    await way_in.agent(BOT)
    await way_in.agent("hook@agents.example", webhook="https://hook.example/")
    lose_table(way_in.store, "delivery_attempts")
    lose_table(way_in.store, "deliveries")

    with pytest.raises(Unavailable):
        await way_in.receive(to=[BOT, "hook@agents.example"])

    assert [] == await way_in.store.read(lambda tx: tx.execute(ANY_ROW).all())


async def test_mail_for_a_webhook_is_promised_to_it(way_in):
    await way_in.agent(BOT, webhook="https://hook.example/")

    message, _ = await way_in.receive_one()

    (delivery,) = await way_in.store.read(lambda tx: list_deliveries_of_message(tx, message.id))
    assert (BOT, "email.received", "pending", message.received_at) == (
        delivery.agent,
        delivery.event_type,
        delivery.status,
        delivery.due_at,
    )


async def test_mail_for_a_webhook_is_not_queued(way_in):
    await way_in.agent(BOT, webhook="https://hook.example/")

    await way_in.receive_one()

    assert [] == await lease_one(way_in)


async def test_mail_for_a_polling_agent_is_queued(way_in):
    await way_in.agent(BOT)

    message, _ = await way_in.receive_one()

    assert [message.id] == [lease.message.id for lease in await lease_one(way_in)]


async def test_an_agent_that_does_not_want_the_event_is_promised_none(way_in):
    await way_in.agent(BOT, webhook="https://hook.example/", events=["email.sent"])

    await way_in.receive_one()

    assert 0 == (await way_in.kept())["deliveries"]


async def test_an_answer_joins_the_conversation_it_answers(way_in):
    await way_in.agent(BOT)
    first, _ = await way_in.receive_one()

    answer = MAIL.replace(b"Message-ID: <1@", b"In-Reply-To: <1@example.com>\r\nMessage-ID: <2@")
    second, _ = await way_in.receive_one(answer)

    assert first.conversation_id == second.conversation_id


async def lease_one(way_in):
    now = way_in.places.clock.now()
    return await way_in.store.write(lambda tx: lease_messages(tx, BOT, limit=1, lease=LEASE, now=now))


@pytest.mark.parametrize("written", ["abuse@other.example", "Abuse+list@Other.Example"])
async def test_complaints_about_a_domain_reach_its_owners_postmaster(way_in, written):
    await way_in.agent("bot@other.example")
    await way_in.agent("*@other.example")

    message, _ = await way_in.receive_one(to=[written])

    assert message.agent == "postmaster@other.example"


async def test_an_agent_named_abuse_gets_its_own_mail(way_in):
    await way_in.agent("abuse@other.example")

    message, _ = await way_in.receive_one(to=["abuse@other.example"])

    assert message.agent == "abuse@other.example"


async def test_complaints_about_this_relay_reach_its_operator(way_in):
    message, _ = await way_in.receive_one(to=["abuse@mx.here.example"])

    assert message.agent == "postmaster"
