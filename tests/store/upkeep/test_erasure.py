# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest
from sqlalchemy import delete, select, update

from store.directory.agents import list_agents_by_user, lookup_recipient
from store.directory.domains import claim_or_create_domain, ensure_shared_domain, lookup_domain, verify_domain
from store.directory.idempotency import begin_request
from store.directory.keys import get_user_by_api_key
from store.directory.sessions import get_user_session
from store.directory.users import get_user_by_id
from store.errors import AgentNotFound, DomainNotFound, InvalidValue, UserNotFound
from store.mail.bodies import read_body
from store.mail.messages import get_messages_by_agent
from store.records.people import BegunRequest
from store.schema.inbound import bodies, body_chunks, domain_claims, domains, messages, metadata
from store.schema.outbound import outbound
from store.upkeep.erasure import BATCH, delete_user_data
from tests.places import keep_message, new_message
from tests.store.gate import Gate, run_beside, together, wait_until_blocked
from tests.store.owned import SHARED, dump, hashed, multiply, own_everything

ANA, BO = "ana@owner.example", "bo@owner.example"
DOMAIN, OTHER = "agents.example", "others.example"
OF_THE_STORE = {"store_facts", "switches"}  # tables whose rows belong to no user


@pytest.fixture
def bo(store, places):
    """Somebody with a row of theirs in every table, and on Ana's domain a claim and an agent."""
    user = own_everything(store, places, BO, OTHER)

    def squat(tx):
        claim_or_create_domain(tx, user.id, DOMAIN, token="token-of-bo", now=places.clock.now())
        return places.agent(tx, user, f"bo@{DOMAIN}")

    store.run(squat)
    return user


@pytest.fixture
def ana(store, places):
    return lambda: own_everything(store, places, ANA, DOMAIN)


@pytest.fixture
def erase(store):
    return lambda user: store.run(lambda tx: delete_user_data(tx, user.id))


def counted(rows):
    return {table: len(found) for table, found in rows.items()}


def test_it_is_as_if_the_user_had_never_been_there(store, bo, ana, erase):
    before = dump(store)
    user = ana()
    own = {table: count - len(before[table]) for table, count in counted(dump(store)).items()}
    assert {"domains"} == {table for table, count in of_users(own).items() if count == 0}, "a row in every table"
    assert {"store_facts": 0, "switches": 0} == {table: own[table] for table in OF_THE_STORE}

    gone = erase(user)

    assert before == dump(store)
    # The domain stays, for the claim of another and the agent there, but it was given up too.
    assert of_users(own) | {"domains": 1} == gone


def of_users(counts):
    """Those of the tables whose rows belong to users."""
    return {table: count for table, count in counts.items() if table not in OF_THE_STORE}


def test_what_nobody_else_uses_goes_with_the_user(store, ana, erase):
    user = ana()
    own = counted(dump(store))

    gone = erase(user)

    assert of_users(own) == gone
    assert dict.fromkeys(own, 0) == counted(dump(store))


def test_every_table_is_counted(ana, erase):
    assert {table.name for table in metadata.sorted_tables} - OF_THE_STORE == set(erase(ana()))


def test_a_user_with_nothing_goes_alone(store, places, bo, erase):
    before = dump(store)
    user = store.run(lambda tx: places.user(tx, ANA))

    gone = erase(user)

    assert {"users": 1} == {table: count for table, count in gone.items() if count}
    assert before == dump(store)


def test_nobody_is_not_found(store, bo, ana, erase):
    user = ana()
    erase(user)
    before = dump(store)

    for user_id in (user.id, "usr_404", ""):
        with pytest.raises(UserNotFound):
            store.run(lambda tx, user_id=user_id: delete_user_data(tx, user_id))

    assert before == dump(store)


def test_nothing_opens_for_the_user_any_more(store, ana, erase, clock):
    user = ana()
    keys = [hashed("key", name, ANA) for name in ("all", "one")]
    session = hashed("session", ANA)

    erase(user)

    assert [None, None] == [store.run(lambda tx, key=key: get_user_by_api_key(tx, key)) for key in keys]
    assert store.run(lambda tx: get_user_session(tx, session, now=clock.now())) is None
    with pytest.raises(UserNotFound):
        store.run(lambda tx: get_user_by_id(tx, user.id))


def test_whoever_waits_for_a_mail_of_the_user_s_is_woken(store, ana):
    user = ana()

    def unit(tx):
        delete_user_data(tx, user.id)
        return tx.topics

    assert {f"inbox:{name}@{DOMAIN}" for name in ("poll", "hook", "postmaster")} == store.run(unit)


def test_what_opens_for_another_still_does(store, bo, ana, erase, clock):
    erase(ana())

    key, session = hashed("key", "all", BO), hashed("session", BO)
    assert bo == store.run(lambda tx: get_user_by_api_key(tx, key))[0]
    assert bo == store.run(lambda tx: get_user_session(tx, session, now=clock.now()))[0]
    asked = hashed("request", BO)
    assert BegunRequest("under way") == store.run(lambda tx: begin_request(tx, bo.id, "k-1", asked, now=clock.now()))


def test_bytes_that_another_s_message_points_to_stay(store, bo, ana, erase, clock):
    erase(ana())

    page = store.run(
        lambda tx: get_messages_by_agent(tx, f"poll@{OTHER}", status="all", limit=1, cursor=None, now=clock.now())
    )
    assert SHARED == store.run(lambda tx: read_body(tx, page.items[0].raw_sha256))


def test_a_failure_later_in_the_transaction_undoes_all_of_it(store, ana):
    user = ana()
    before = dump(store)

    def unit(tx):
        delete_user_data(tx, user.id)
        raise InvalidValue

    with pytest.raises(InvalidValue):
        store.run(unit)

    assert before == dump(store)


# Domains


def test_a_domain_of_the_user_on_which_others_live_takes_mail_again_when_one_of_them_proves_it(
    store, bo, ana, erase, clock
):
    def takes_mail():
        return store.run(lambda tx: lookup_recipient(tx, [f"bo@{DOMAIN}"])) is not None

    erase(ana())

    assert not takes_mail()
    claimed = store.run(lambda tx: lookup_domain(tx, bo.id, DOMAIN))
    assert ("token-of-bo", False) == (claimed.token, claimed.verified)
    store.run(lambda tx: verify_domain(tx, bo.id, DOMAIN, now=clock.now()))
    assert takes_mail()


def test_an_agent_of_another_keeps_the_domain_even_without_a_claim(store, bo, ana, erase):
    user = ana()
    store.run(lambda tx: tx.execute(delete(domain_claims).where(domain_claims.c.user_id == bo.id)))

    erase(user)

    kept = store.run(lambda tx: tx.execute(select(domains).where(domains.c.name == DOMAIN)).one())
    assert (None, None) == (kept.user_id, kept.verified_at)


def test_a_domain_of_nobody_can_be_claimed_anew(store, ana, places, erase):
    erase(ana())
    user = store.run(lambda tx: places.user(tx, "cy@owner.example"))

    store.run(lambda tx: places.domain(tx, user, DOMAIN))

    assert store.run(lambda tx: lookup_domain(tx, user.id, DOMAIN)).verified


def test_a_claim_that_was_never_proved_goes_with_its_domain(store, places, erase, clock):
    user = store.run(lambda tx: places.user(tx, ANA))
    store.run(lambda tx: claim_or_create_domain(tx, user.id, DOMAIN, token="t", now=clock.now()))

    gone = erase(user)

    assert (1, 1) == (gone["domains"], gone["domain_claims"])
    with pytest.raises(DomainNotFound):
        store.run(lambda tx: lookup_domain(tx, user.id, DOMAIN))


def test_the_shared_domain_stays_as_it_is(store, places, bo, ana, erase, clock):
    store.run(lambda tx: ensure_shared_domain(tx, "shared.example", now=clock.now()))
    store.run(lambda tx: places.agent(tx, bo, "bo@shared.example"))
    before = dump(store)
    user = ana()
    store.run(lambda tx: places.agent(tx, user, "ana@shared.example"))

    erase(user)

    assert before == dump(store)


def test_who_reviewed_another_s_mail_is_not_named_there_any_more(store, bo, ana, erase):
    user = ana()
    store.run(lambda tx: tx.execute(update(outbound).values(reviewed_by=user.id)))

    erase(user)

    assert {None} == set(store.run(lambda tx: tx.execute(select(outbound.c.reviewed_by)).scalars().all()))


# Many


@pytest.mark.parametrize("contents_too", [False, True])
def test_more_messages_than_a_batch_all_go(store, places, bo, ana, erase, contents_too):
    before = dump(store)
    user = ana()
    address = f"poll@{DOMAIN}"
    model = store.run(lambda tx: places.message(tx, address, b"Subject: many\r\n\r\n")).id
    count = 2 * BATCH + BATCH // 2
    store.run(lambda tx: multiply(tx, model, count, contents_too=contents_too))
    own = {table: found - len(before[table]) for table, found in counted(dump(store)).items()}

    gone = erase(user)

    assert before == dump(store)
    assert of_users(own) | {"domains": 1} == gone
    assert gone["messages"] > count


# At once


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_mail_that_is_arriving_is_waited_for_and_goes_too(store, beside, bo, ana, clock):
    before = dump(store)
    user = ana()
    new = new_message(f"poll@{DOMAIN}", b"Subject: late\r\n\r\n", at=clock.now())
    gate = Gate(lambda tx: (keep_message(tx, new, b"Subject: late\r\n\r\n"), tx.flush()))
    mail = run_beside(beside, gate.unit)
    gate.reached()

    gone = run_beside(store, lambda tx: delete_user_data(tx, user.id))
    wait_until_blocked(store.engine)
    gate.open()

    mail.result()
    assert 1 == gone.result()["users"]
    assert before == dump(store)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_mail_that_comes_meanwhile_finds_no_agent(store, beside, bo, ana, clock):
    before = dump(store)
    user = ana()
    gate = Gate(lambda tx: delete_user_data(tx, user.id))
    gone = run_beside(store, gate.unit)
    gate.reached()

    raw = b"Subject: late\r\n\r\n"
    mail = run_beside(beside, lambda tx: keep_message(tx, new_message(f"poll@{DOMAIN}", raw, at=clock.now()), raw))
    wait_until_blocked(store.engine)
    gate.open()

    gone.result()
    with pytest.raises(AgentNotFound):
        mail.result()
    assert before == dump(store)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_content_that_comes_for_another_meanwhile_is_there(store, beside, bo, ana, clock):
    own = f"Subject: to {ANA}\r\n\r\n".encode()
    user = ana()
    gate = Gate(lambda tx: delete_user_data(tx, user.id))
    gone = run_beside(store, gate.unit)
    gate.reached()

    mail = run_beside(beside, lambda tx: keep_message(tx, new_message(f"poll@{OTHER}", own, at=clock.now()), own))
    wait_until_blocked(store.engine)
    gate.open()

    gone.result()
    kept = mail.result()
    assert own == store.run(lambda tx: read_body(tx, kept.raw_sha256))


def test_mail_that_arrives_for_all_meanwhile_is_kept_for_the_others_and_lost_for_nobody(
    store, beside, places, bo, ana, clock
):
    user = ana()
    mails = 40

    def arrive(address):
        def keep(n):
            raw = f"Subject: {n % 5}\r\n\r\n".encode()  # of few contents, so that both sides want one
            new = new_message(address, raw, at=clock.now())
            try:
                return beside.run(lambda tx: keep_message(tx, new, raw)).id
            except AgentNotFound:
                return None

        return lambda: [keep(n) for n in range(mails)]

    answers = together(
        [
            lambda: store.run(lambda tx: delete_user_data(tx, user.id)),
            *[arrive(address) for address in (f"poll@{DOMAIN}", f"hook@{DOMAIN}", f"poll@{OTHER}", f"bo@{DOMAIN}")],
        ]
    )

    gone, *_, theirs, squatted = answers
    assert 1 == gone["users"]
    assert None not in [*theirs, *squatted]
    kept = set(store.run(lambda tx: tx.execute(select(messages.c.id)).scalars().all()))
    assert {*theirs, *squatted} <= kept
    assert [] == store.run(lambda tx: list_agents_by_user(tx, user.id))
    assert set() == lost_contents(store)


def lost_contents(store):
    """What a message points to and is not there, or is there and no message points to."""

    def unit(tx):
        named = set(tx.execute(select(messages.c.raw_sha256).distinct()).scalars()) - {None}
        chunked = set(tx.execute(select(body_chunks.c.sha256).distinct()).scalars())
        there = set(tx.execute(select(bodies.c.sha256)).scalars())
        return (named ^ there) | (chunked - there)

    return store.run(unit)


def test_of_two_who_erase_one_user_at_once_one_finds_nobody(store, beside, bo, ana):
    before = dump(store)
    user = ana()

    answers = together([lambda by=by: by.run(lambda tx: delete_user_data(tx, user.id)) for by in (store, beside)])

    assert ["UserNotFound", "dict"] == sorted(type(answer).__name__ for answer in answers)
    assert before == dump(store)
