# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import timedelta

import pytest
from sqlalchemy import insert

from relay.directory.agents import make_secret
from relay.directory.domains import accept, claim
from store.directory.agents import (
    POSTMASTER,
    ROTATION,
    add_secret,
    create_agent,
    delete_agent,
    ensure_operator_postmaster,
    get_agent_by_email,
    get_agent_by_id,
    list_agents_by_user,
    list_secrets,
    lookup_recipient,
    switch_webhook_off,
    update_agent,
    update_agent_mode,
    update_agent_webhook,
)
from store.directory.domains import ensure_shared_domain
from store.directory.users import bootstrap_user
from store.errors import AddressTaken, AgentNotFound, DomainNotFound, InvalidValue
from store.mail.deliveries import claim_due, list_deliveries, settle_delivered
from store.mail.messages import find_message, update_message_delivery_status
from store.mail.queue import lease_messages
from store.records.mail import Attempt
from store.schema.inbound import agent_secrets

NAME = "agents.example"
SUPPORT = f"support@{NAME}"
LEASE = timedelta(minutes=1)


@pytest.fixture
def ana(store, places):
    """Who has proved agents.example."""

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return user

    return store.run(unit)


@pytest.fixture
def bo(store, clock):
    """Somebody else."""
    return store.run(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))


@pytest.fixture
def squatter(store, places, bo, clock):
    """Bo's agent on agents.example, made while nobody had proved it."""

    def unit(tx):
        claim(tx, bo.id, NAME, now=clock.now())
        return places.agent(tx, bo, SUPPORT)

    return store.run(unit)


@pytest.fixture
def make(store, places):
    return lambda user, address, **more: store.run(lambda tx: places.agent(tx, user, address, **more))


@pytest.fixture
def recipient(store):
    """Which agent takes mail for one of some addresses."""

    def look(*candidates):
        found = store.run(lambda tx: lookup_recipient(tx, candidates))
        return found and found.address

    return look


# Making and finding


def test_an_agent_is_kept_with_what_was_said(store, make, ana, clock):
    made = make(
        ana,
        SUPPORT,
        webhook="https://hooks.example/in",
        name="Support",
        events=("email.received", "email.sent"),
        on_unverified="reject",
    )

    assert made == store.run(lambda tx: get_agent_by_id(tx, ana.id, SUPPORT))
    assert (SUPPORT, SUPPORT, NAME, ana.id, "webhook", "https://hooks.example/in", "Support", "reject", True) == (
        made.address,
        made.email_address,
        made.actual_domain,
        made.user_id,
        made.mode,
        made.webhook_url,
        made.name,
        made.on_unverified,
        made.domain_verified,
    )
    assert ("email.received", "email.sent") == made.events
    assert clock.now() == made.created_at


def test_an_agent_asks_a_person_for_nothing_unless_told(make, ana):
    made = make(ana, SUPPORT)

    assert (False, 86400, "reject") == (made.hitl_enabled, made.hitl_ttl_seconds, made.hitl_expiration_action)


@pytest.mark.parametrize("spelling", ["SUPPORT@Agents.EXAMPLE", " support@agents.example. "])
def test_an_agent_is_found_in_any_spelling(store, make, ana, spelling):
    made = make(ana, SUPPORT)

    assert made == store.run(lambda tx: get_agent_by_id(tx, ana.id, spelling))
    assert made == store.run(lambda tx: get_agent_by_email(tx, spelling))


def test_an_agent_of_another_is_not_found(store, make, ana, bo):
    make(ana, SUPPORT)

    with pytest.raises(AgentNotFound):
        store.run(lambda tx: get_agent_by_id(tx, bo.id, SUPPORT))


@pytest.mark.parametrize("address", ["", "support", "@agents.example", "a b@agents.example", "a@b@agents.example"])
def test_what_is_no_address_makes_no_agent(make, ana, address):
    with pytest.raises(InvalidValue):
        make(ana, address)


def test_an_address_is_taken_once_in_whatever_spelling(make, ana):
    make(ana, SUPPORT)

    with pytest.raises(AddressTaken):
        make(ana, "Support@AGENTS.example")


@pytest.mark.parametrize("address", ["a@other.example", POSTMASTER])
def test_nobody_has_an_agent_where_they_have_no_claim(store, ana, master, clock, address):
    secret = make_secret(address, master=master, now=clock.now())

    with pytest.raises(DomainNotFound):
        store.run(
            lambda tx: create_agent(tx, ana.id, address, mode="poll", webhook_url=None, secret=secret, now=clock.now())
        )


def test_a_webhook_agent_has_a_url(store, ana, master, clock):
    secret = make_secret(SUPPORT, master=master, now=clock.now())

    with pytest.raises(InvalidValue):
        store.run(
            lambda tx: create_agent(
                tx, ana.id, SUPPORT, mode="webhook", webhook_url=None, secret=secret, now=clock.now()
            )
        )


def test_agents_are_listed_by_address_and_only_one_s_own(store, make, squatter, ana):
    for name in ("b", "a"):
        make(ana, f"{name}@{NAME}")

    listed = store.run(lambda tx: list_agents_by_user(tx, ana.id))

    assert [f"a@{NAME}", f"b@{NAME}", f"postmaster@{NAME}"] == [agent.address for agent in listed]


def test_an_agent_goes_with_its_messages_and_deliveries(store, places, hook):
    message = store.run(lambda tx: places.message(tx, hook.address))

    store.run(lambda tx: delete_agent(tx, hook.user_id, hook.address))

    with pytest.raises(Exception, match="message"):
        store.run(lambda tx: find_message(tx, message.id))
    assert [] == store.run(list_deliveries).items


@pytest.mark.parametrize(
    "do",
    [
        lambda tx, user_id, now: delete_agent(tx, user_id, SUPPORT),
        lambda tx, user_id, now: update_agent(tx, user_id, SUPPORT, now=now, name="mine"),
        lambda tx, user_id, now: update_agent_webhook(tx, user_id, SUPPORT, "https://evil.example/", now=now),
        lambda tx, user_id, now: update_agent_mode(tx, user_id, SUPPORT, "poll", now=now),
    ],
    ids=["delete", "update", "webhook", "mode"],
)
def test_nobody_touches_the_agent_of_another(store, make, ana, bo, clock, do):
    before = make(ana, SUPPORT)

    with pytest.raises(AgentNotFound):
        store.run(lambda tx: do(tx, bo.id, clock.now()))

    assert before == store.run(lambda tx: get_agent_by_email(tx, SUPPORT))


# Strangers on a domain


def test_an_agent_on_an_unproved_domain_takes_no_mail(squatter, recipient):
    assert not squatter.domain_verified
    assert recipient(SUPPORT) is None


def test_a_stranger_s_agent_takes_no_mail_on_a_domain_that_another_has_proved(store, squatter, ana, recipient):
    assert recipient(SUPPORT) is None
    assert not store.run(lambda tx: get_agent_by_email(tx, SUPPORT)).domain_verified


def test_who_has_proved_the_domain_takes_the_address_from_a_stranger(store, squatter, ana, bo, make, recipient):
    made = make(ana, SUPPORT)

    assert ana.id == made.user_id
    assert SUPPORT == recipient(SUPPORT)
    assert [] == store.run(lambda tx: list_agents_by_user(tx, bo.id))


def test_who_takes_the_address_from_a_stranger_gets_none_of_its_secrets(store, squatter, ana, make, clock):
    theirs = store.run(lambda tx: list_secrets(tx, SUPPORT, now=clock.now()))
    make(ana, SUPPORT)

    mine = store.run(lambda tx: list_secrets(tx, SUPPORT, now=clock.now()))

    assert 1 == len(mine)
    assert theirs[0].key_id != mine[0].key_id


def test_a_stranger_takes_no_address_from_another_on_an_unproved_domain(store, squatter, places, clock):
    def unit(tx):
        cy = bootstrap_user(tx, "cy@owner.example", now=clock.now())
        claim(tx, cy.id, NAME, now=clock.now())
        return places.agent(tx, cy, SUPPORT)

    with pytest.raises(AddressTaken):
        store.run(unit)


def test_a_stranger_takes_no_address_from_the_owner_of_the_domain(store, bo, places, clock, ana, make):
    def unit(tx):
        return places.agent(tx, bo, SUPPORT)

    make(ana, SUPPORT)
    with pytest.raises(DomainNotFound):
        store.run(unit)


def test_nobody_takes_an_address_on_the_shared_domain(store, places, ana, bo, clock, make):
    store.run(lambda tx: ensure_shared_domain(tx, "shared.example", now=clock.now()))
    make(bo, "one@shared.example")

    with pytest.raises(AddressTaken):
        make(ana, "one@shared.example")


def test_a_postmaster_that_a_stranger_made_gives_way_to_the_owner_s(store, places, bo, clock, master):
    def squat(tx):
        claim(tx, bo.id, NAME, now=clock.now())
        places.agent(tx, bo, f"postmaster@{NAME}")

    def prove(tx):
        ana = places.user(tx)
        claim(tx, ana.id, NAME, now=clock.now())
        accept(tx, ana.id, NAME, master=master, now=clock.now())
        return ana

    store.run(squat)
    ana = store.run(prove)

    found = store.run(lambda tx: get_agent_by_email(tx, f"postmaster@{NAME}"))
    assert (ana.id, True) == (found.user_id, found.is_postmaster)


# Who takes mail


def test_a_recipient_has_what_the_way_in_needs(store, make, ana, clock):
    make(ana, SUPPORT, on_unverified="reject")
    secret = store.run(lambda tx: list_secrets(tx, SUPPORT, now=clock.now()))[0]

    found = store.run(lambda tx: lookup_recipient(tx, [SUPPORT]))

    assert (SUPPORT, "reject", secret.key_id, secret.sealed) == (
        found.address,
        found.on_unverified,
        found.key_id,
        found.sealed,
    )


def test_the_first_candidate_that_is_there_takes_the_mail(make, ana, recipient):
    for name in ("*", "support", "support+eu"):
        make(ana, f"{name}@{NAME}")

    assert f"support+eu@{NAME}" == recipient(f"support+eu@{NAME}", SUPPORT, f"*@{NAME}")
    assert SUPPORT == recipient(f"support+us@{NAME}", SUPPORT, f"*@{NAME}")
    assert f"*@{NAME}" == recipient(f"sales@{NAME}", f"*@{NAME}")


def test_nobody_takes_mail_for_an_address_without_agent(ana, recipient):
    assert recipient(f"nobody@{NAME}", f"*@{NAME}") is None


def test_a_domain_that_was_proved_has_a_postmaster(ana, recipient, store):
    found = store.run(lambda tx: get_agent_by_email(tx, f"postmaster@{NAME}"))

    assert f"postmaster@{NAME}" == recipient(f"postmaster@{NAME}")
    assert (ana.id, "poll", True) == (found.user_id, found.mode, found.is_postmaster)


def test_the_operator_s_postmaster_is_made_once_and_takes_mail_without_a_domain(store, recipient, master, clock):
    assert recipient(POSTMASTER) is None
    for _ in range(2):
        secret = make_secret(POSTMASTER, master=master, now=clock.now())
        store.run(lambda tx, secret=secret: ensure_operator_postmaster(tx, secret=secret, now=clock.now()))

    found = store.run(lambda tx: get_agent_by_email(tx, POSTMASTER))
    assert POSTMASTER == recipient(POSTMASTER)
    assert (None, None, True, False) == (found.user_id, found.domain, found.is_postmaster, found.domain_verified)
    assert 1 == len(store.run(lambda tx: list_secrets(tx, POSTMASTER, now=clock.now())))


# Secrets


@pytest.fixture
def rotate(store, master, clock):
    def turn(address=SUPPORT):
        secret = make_secret(address, master=master, now=clock.now())
        store.run(lambda tx: add_secret(tx, secret))
        return secret.key_id

    return turn


@pytest.fixture
def valid(store, clock):
    return lambda: [
        (secret.key_id, secret.expires_at)
        for secret in store.run(lambda tx: list_secrets(tx, SUPPORT, now=clock.now()))
    ]


def test_after_a_rotation_the_new_secret_comes_first_and_the_old_one_has_an_end(make, ana, rotate, valid, clock):
    make(ana, SUPPORT)
    old = valid()[0][0]
    clock.advance(days=5)
    new = rotate()

    assert [(new, None), (old, clock.now() + ROTATION)] == valid()


def test_an_old_secret_is_valid_for_a_day_and_not_longer(make, ana, rotate, valid, clock):
    make(ana, SUPPORT)
    clock.advance(days=5)
    new = rotate()

    clock.advance(hours=23, minutes=59, seconds=59)
    assert 2 == len(valid())
    clock.advance(seconds=1)
    assert [new] == [key_id for key_id, _ in valid()]


def test_a_second_rotation_does_not_lengthen_the_life_of_the_first_secret(make, ana, rotate, valid, clock):
    make(ana, SUPPORT)
    first = valid()[0][0]
    end = clock.now() + ROTATION
    second = rotate()
    clock.advance(hours=20)
    third = rotate()

    assert [(third, None), (second, clock.now() + ROTATION), (first, end)] == valid()


def test_mail_is_sealed_with_the_newest_secret(store, make, ana, rotate):
    make(ana, SUPPORT)
    new = rotate()

    assert new == store.run(lambda tx: lookup_recipient(tx, [SUPPORT])).key_id


def test_mail_is_never_sealed_with_a_secret_that_has_an_end(store, make, ana, valid, clock):
    make(ana, SUPPORT)
    current = valid()[0][0]
    old = {"agent": SUPPORT, "sealed": b"old", "created_at": clock.now(), "expires_at": clock.now() + ROTATION}
    store.run(lambda tx: tx.execute(insert(agent_secrets), [{"key_id": "key_", **old}, {"key_id": "key_z", **old}]))

    assert current == store.run(lambda tx: lookup_recipient(tx, [SUPPORT])).key_id


def test_rotating_one_agent_s_secret_leaves_that_of_another(store, make, ana, rotate, valid, clock):
    make(ana, SUPPORT)
    make(ana, f"sales@{NAME}")
    before = valid()
    rotate(f"sales@{NAME}")

    assert before == valid()


# Changes


@pytest.mark.parametrize(
    "change", [{"name": "New"}, {"events": ["email.sent"]}, {"on_unverified": "reject"}, {"events": []}]
)
def test_a_change_changes_that_and_when_it_was_and_nothing_else(store, make, ana, clock, change):
    before = make(ana, SUPPORT)
    clock.advance(days=1)

    after = store.run(lambda tx: update_agent(tx, ana.id, SUPPORT, now=clock.now(), **change))

    changed = {
        field: getattr(after, field) for field in before.__slots__ if getattr(after, field) != getattr(before, field)
    }
    kept = {key: tuple(value) if isinstance(value, list) else value for key, value in change.items()}
    assert kept | {"updated_at": clock.now()} == changed


@pytest.mark.parametrize("change", [{"mode": "webhook"}, {"webhook_url": None}, {"hitl_enabled": True}, {"x": 1}])
def test_other_things_are_not_changed_that_way(store, make, ana, clock, change):
    make(ana, SUPPORT)

    with pytest.raises(InvalidValue):
        store.run(lambda tx: update_agent(tx, ana.id, SUPPORT, now=clock.now(), **change))


def test_the_database_is_the_last_guard_of_a_change(store, make, ana, clock):
    make(ana, SUPPORT)

    with pytest.raises(InvalidValue):
        store.run(lambda tx: update_agent(tx, ana.id, SUPPORT, now=clock.now(), on_unverified="drop"))


def test_webhook_mode_needs_a_url(store, make, ana, clock):
    make(ana, SUPPORT)

    with pytest.raises(InvalidValue):
        store.run(lambda tx: update_agent_mode(tx, ana.id, SUPPORT, "webhook", now=clock.now()))

    store.run(lambda tx: update_agent_webhook(tx, ana.id, SUPPORT, "https://hooks.example/in", now=clock.now()))
    changed = store.run(lambda tx: update_agent_mode(tx, ana.id, SUPPORT, "webhook", now=clock.now()))
    assert ("webhook", "https://hooks.example/in") == (changed.mode, changed.webhook_url)


def test_a_webhook_that_said_gone_is_off_until_it_gets_a_url_again(store, hook, clock):
    store.run(lambda tx: switch_webhook_off(tx, hook.address, now=clock.now()))
    assert clock.now() == store.run(lambda tx: get_agent_by_email(tx, hook.address)).webhook_off_at

    new = "https://hooks.example/new"
    store.run(lambda tx: update_agent_webhook(tx, hook.user_id, hook.address, new, now=clock.now()))

    assert store.run(lambda tx: get_agent_by_email(tx, hook.address)).webhook_off_at is None


@pytest.mark.parametrize(("said_so", "is_off"), [("https://hooks.example/in", True), ("https://old.example/", False)])
def test_a_webhook_that_took_the_place_of_one_that_said_gone_stays_on(store, hook, clock, said_so, is_off):
    store.run(lambda tx: switch_webhook_off(tx, hook.address, now=clock.now(), url=said_so))

    assert is_off == (store.run(lambda tx: get_agent_by_email(tx, hook.address)).webhook_off_at is not None)


# From webhook to poll


@pytest.fixture
def to_poll(store, hook, clock):
    return lambda: store.run(lambda tx: update_agent_mode(tx, hook.user_id, hook.address, "poll", now=clock.now()))


@pytest.fixture
def queued(store, hook, clock):
    return lambda: [
        lease.message.id
        for lease in store.run(lambda tx: lease_messages(tx, hook.address, limit=10, lease=LEASE, now=clock.now()))
    ]


def test_what_a_webhook_has_not_had_waits_in_the_queue_once_the_agent_polls(store, places, hook, to_poll, queued):
    mails = [store.run(lambda tx: places.message(tx, hook.address)).id for _ in range(2)]
    assert [] == queued()

    to_poll()

    assert mails == queued()


def test_what_a_webhook_has_had_is_not_given_again(store, places, hook, to_poll, queued, clock):
    had = store.run(lambda tx: places.message(tx, hook.address)).id
    attempt = Attempt(at=clock.now(), duration_ms=1, status=200, error=None)

    def deliver(tx):
        (claimed,) = claim_due(tx, hook.address, limit=1, lease=LEASE, now=clock.now())
        settle_delivered(tx, claimed, attempt, now=clock.now())

    store.run(deliver)
    waits = store.run(lambda tx: places.message(tx, hook.address)).id
    to_poll()

    assert [waits] == queued()
    assert ["delivered"] == [
        delivery.status for delivery in store.run(list_deliveries).items if delivery.message_id == had
    ]


def test_deliveries_of_an_agent_that_polls_now_are_dead_and_say_why(store, places, hook, to_poll, clock):
    store.run(lambda tx: places.message(tx, hook.address))
    to_poll()

    (delivery,) = store.run(list_deliveries).items
    assert ("dead", "the agent was switched to poll mode", clock.now()) == (
        delivery.status,
        delivery.last_error,
        delivery.settled_at,
    )


def test_what_waits_for_other_agents_is_left_alone_when_one_begins_to_poll(store, places, hook, to_poll):
    def unit(tx):
        other = places.agent(tx, places.user(tx), f"other@{NAME}", webhook="https://hooks.example/other")
        return places.message(tx, other.address).id

    store.run(unit)
    to_poll()

    assert ["pending"] == [delivery.status for delivery in store.run(list_deliveries).items]


def test_mail_for_an_agent_that_polls_now_goes_to_the_queue(store, places, hook, to_poll, queued):
    to_poll()
    arrived = store.run(lambda tx: places.message(tx, hook.address)).id

    assert [arrived] == queued()


def test_a_poll_agent_told_to_poll_keeps_its_queue_as_it_is(store, places, poll, clock):
    mail = store.run(lambda tx: places.message(tx, poll.address)).id
    store.run(lambda tx: update_message_delivery_status(tx, poll.address, mail, "read", now=clock.now()))

    store.run(lambda tx: update_agent_mode(tx, poll.user_id, poll.address, "poll", now=clock.now()))

    assert [] == store.run(lambda tx: lease_messages(tx, poll.address, limit=10, lease=LEASE, now=clock.now()))


@pytest.mark.parametrize(
    "change",
    [
        lambda tx, agent, now: update_agent_webhook(
            tx, agent.user_id, agent.address, "https://hooks.example/", now=now
        ),
        lambda tx, agent, now: update_agent_mode(tx, agent.user_id, agent.address, "poll", now=now),
        lambda tx, agent, now: update_agent(tx, agent.user_id, agent.address, now=now, name="New"),
    ],
    ids=["webhook", "mode", "name"],
)
def test_a_change_wakes_the_agent_s_lane(store, hook, clock, change):
    def unit(tx):
        change(tx, hook, clock.now())
        return tx.topics

    assert f"deliveries:{hook.address}" in store.run(unit)
