"""How domains' records were seen, and who looks again when."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from store.directory.domain_records import keep_record_states, list_record_states, take_due_domains
from store.directory.domains import (
    MAX_PAGE,
    claim_or_create_domain,
    delete_domain,
    lookup_domain,
    page_domains_by_user,
    verify_domain,
)
from store.errors import InvalidValue
from store.records.domains import RecordState
from store.schema.inbound import domain_records
from tests.store.gate import Gate, run_beside, together, wait_until_blocked

NAME = "agents.example"
MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=5)


@pytest.fixture
def claim(store, clock):
    """Has somebody claim a domain that is looked at *wait* later."""

    def make(user, name=NAME, *, wait=MINUTE):
        due = None if wait is None else clock.now() + wait
        token = f"{name} {user.email}"
        return store.run(
            lambda tx: claim_or_create_domain(tx, user.id, name, token=token, now=clock.now(), next_check_at=due)
        )

    return make


@pytest.fixture
def take(store, clock):
    def names(limit=10, *, by=store):
        taken = by.run(lambda tx: take_due_domains(tx, limit=limit, lease=LEASE, now=clock.now()))
        return [domain.domain for domain in taken]

    return names


@pytest.fixture
def seen(clock):
    def state(purpose="ownership", status="verified", **changes):
        values = {"found": ("a", "\xe9\x00"), "verified_at": clock.now(), "missing_since": None}
        return RecordState(purpose=purpose, status=status, checked_at=clock.now(), **values | changes)

    return state


@pytest.fixture
def states(store):
    """What is kept, by purpose."""

    def look(user, *names):
        asked = names or (NAME,)
        found = store.run(lambda tx: list_record_states(tx, user.id, asked))
        return [sorted(found[name], key=lambda state: state.purpose) for name in asked]

    return look


# States


def test_states_are_kept_as_they_are(store, claim, states, seen, ana, clock):
    domain = claim(ana)
    given = [seen(), seen("receiving", "missing", missing_since=clock.now() - MINUTE, verified_at=None, found=())]

    assert store.run(lambda tx: keep_record_states(tx, domain, given, next_check_at=None))

    assert [given] == states(ana)


def test_what_was_not_looked_for_stays(store, claim, states, seen, ana):
    domain = claim(ana)
    store.run(lambda tx: keep_record_states(tx, domain, [seen(), seen("spf", "unknown")], next_check_at=None))
    domain = replace(domain, next_check_at=None)

    store.run(lambda tx: keep_record_states(tx, domain, [seen(status="missing")], next_check_at=None))

    assert [[("ownership", "missing"), ("spf", "unknown")]] == [
        [(state.purpose, state.status) for state in found] for found in states(ana)
    ]


def test_each_claimant_has_states_of_their_own(store, claim, states, seen, ana, bo):
    mine = claim(ana)
    claim(bo)

    store.run(lambda tx: keep_record_states(tx, mine, [seen()], next_check_at=None))

    assert ([[seen()]], [[]]) == (states(ana), states(bo))


def test_of_several_domains_each_has_its_own_states(store, claim, states, seen, ana):
    domains = [claim(ana, name) for name in ("a.example", "b.example")]
    for domain, status in zip(domains, ("pending", "mismatch"), strict=True):
        store.run(lambda tx, d=domain, s=status: keep_record_states(tx, d, [seen(status=s)], next_check_at=None))

    assert [[seen(status="mismatch")], [], [seen(status="pending")]] == states(
        ana, "b.example", "c.example", "a.example"
    )


def test_states_of_no_domain_are_none(store, ana):
    assert {} == store.run(lambda tx: list_record_states(tx, ana.id, []))


def test_a_claim_moves_its_next_check_with_what_was_seen(store, claim, ana, clock):
    domain = claim(ana)

    store.run(lambda tx: keep_record_states(tx, domain, [], next_check_at=clock.now() + 2 * MINUTE))

    assert clock.now() + 2 * MINUTE == store.run(lambda tx: lookup_domain(tx, ana.id, NAME)).next_check_at


@pytest.mark.parametrize("wait", [MINUTE, None])
def test_a_look_that_was_overtaken_keeps_nothing(store, claim, states, seen, ana, clock, wait):
    slow = claim(ana, wait=wait)
    store.run(lambda tx: keep_record_states(tx, slow, [seen()], next_check_at=clock.now() + LEASE))

    kept = store.run(lambda tx: keep_record_states(tx, slow, [seen(status="missing")], next_check_at=None))

    assert (False, [[seen()]]) == (kept, states(ana))


def test_a_claim_that_was_given_up_keeps_nothing(store, claim, states, seen, ana):
    domain = claim(ana)
    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert not store.run(lambda tx: keep_record_states(tx, domain, [seen()], next_check_at=None))
    assert [[]] == states(ana)


def test_states_go_with_the_claim_and_those_of_others_stay(store, claim, states, seen, ana, bo):
    for user in (ana, bo):
        domain = claim(user)
        store.run(lambda tx, domain=domain: keep_record_states(tx, domain, [seen()], next_check_at=None))

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert [bo.id] == store.run(lambda tx: list(tx.execute(select(domain_records.c.user_id)).scalars()))


@pytest.mark.parametrize("values", [{"purpose": "luck"}, {"status": "perhaps"}, {"user_id": "usr_404"}])
def test_the_database_is_the_last_guard(store, claim, ana, clock, values):
    claim(ana)
    row = {"domain": NAME, "user_id": ana.id, "purpose": "spf", "status": "pending", "found": []} | values

    with store.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(domain_records), row | {"checked_at": clock.now()})


# Whose turn it is


def test_claims_are_due_at_their_time_and_not_before(claim, take, ana, clock):
    claim(ana)
    claim(ana, "never.example", wait=None)

    clock.advance(seconds=59)
    assert [] == take()
    clock.advance(seconds=1)
    assert [NAME] == take()


def test_what_is_taken_is_nobody_elses_until_its_lease_is_over(claim, take, ana, clock):
    claim(ana, wait=-MINUTE)
    assert [NAME] == take()

    clock.advance(seconds=LEASE.total_seconds() - 1)
    assert [] == take()
    clock.advance(seconds=1)
    assert [NAME] == take()


def test_a_taken_claim_tells_the_end_of_its_lease(store, claim, ana, clock):
    claim(ana, wait=-MINUTE)

    (taken,) = store.run(lambda tx: take_due_domains(tx, limit=1, lease=LEASE, now=clock.now()))

    assert store.run(lambda tx: lookup_domain(tx, ana.id, NAME)) == taken
    assert clock.now() + LEASE == taken.next_check_at


def test_the_longest_due_are_taken_first_and_no_more_than_asked_for(claim, take, ana):
    for number in range(4):
        claim(ana, f"{number}.example", wait=(number - 9) * MINUTE)

    assert ["0.example", "1.example"] == take(2)
    assert ["2.example", "3.example"] == take(9)


def test_each_claimant_s_turn_comes(store, claim, ana, bo, clock):
    claim(ana, wait=-MINUTE)
    claim(bo, wait=-MINUTE)

    taken = store.run(lambda tx: take_due_domains(tx, limit=9, lease=LEASE, now=clock.now()))

    assert {ana.id, bo.id} == {domain.user_id for domain in taken}
    assert [NAME, NAME] == [domain.domain for domain in taken]


def test_a_claim_of_one_does_not_take_that_of_another(claim, take, ana, bo):
    claim(ana, wait=-MINUTE)
    claim(bo, wait=MINUTE)

    assert [NAME] == take()
    assert [] == take()


def test_of_many_who_take_at_once_each_claim_goes_to_one(store, beside, claim, take, ana):
    names = sorted(f"{number}.example" for number in range(20))
    for name in names:
        claim(ana, name, wait=-MINUTE)

    answers = together([lambda by=by: take(3, by=by) for by in [store, beside] * 4])

    assert names == sorted(name for answer in answers for name in answer)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_process_passes_over_what_another_is_taking(store, beside, claim, take, ana, clock):
    for name in ("a.example", "b.example"):
        claim(ana, name, wait=-MINUTE)
    gate = Gate(lambda tx: take_due_domains(tx, limit=1, lease=LEASE, now=clock.now()))
    first = run_beside(store, gate.unit)
    gate.reached()

    second = take(9, by=beside)
    gate.open()

    assert {"a.example", "b.example"} == {*second, *[domain.domain for domain in first.result()]}
    assert 1 == len(second)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_looks_at_once_the_first_to_commit_holds(store, beside, claim, states, seen, ana, clock):
    domain = claim(ana)
    gate = Gate(lambda tx: keep_record_states(tx, domain, [seen()], next_check_at=clock.now()))
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(
        beside, lambda tx: keep_record_states(tx, domain, [seen(status="missing")], next_check_at=clock.now())
    )
    wait_until_blocked(store.engine)
    gate.open()

    assert (True, False) == (first.result(), second.result())
    assert [[seen()]] == states(ana)


# Pages


def test_domains_come_by_name_a_page_at_a_time(store, claim, ana, bo):
    names = ["a.example", "b.example", "c.example", "xn--bcher-kva.example", "z.example"]
    for name in reversed(names):
        claim(ana, name)
    claim(bo, "aa.example")
    found, cursor, sizes = [], None, []

    while cursor is not None or not sizes:
        page = store.run(lambda tx, at=cursor: page_domains_by_user(tx, ana.id, limit=2, cursor=at))
        found += [domain.domain for domain in page.items]
        sizes.append(len(page.items))
        cursor = page.next_cursor

    assert (names, [2, 2, 1]) == (found, sizes)


def test_a_page_goes_on_where_a_domain_was_that_is_gone(store, claim, ana):
    for name in ("a.example", "b.example", "c.example"):
        claim(ana, name)
    first = store.run(lambda tx: page_domains_by_user(tx, ana.id, limit=2, cursor=None))
    store.run(lambda tx: delete_domain(tx, ana.id, "b.example"))

    second = store.run(lambda tx: page_domains_by_user(tx, ana.id, limit=2, cursor=first.next_cursor))

    assert ["c.example"] == [domain.domain for domain in second.items]


def test_a_page_shows_what_its_claimant_sees(store, claim, ana, bo, clock):
    claim(ana)
    claim(bo)
    store.run(lambda tx: verify_domain(tx, ana.id, NAME, now=clock.now()))

    pages = [store.run(lambda tx, u=user: page_domains_by_user(tx, u.id, limit=9, cursor=None)) for user in (ana, bo)]

    assert [[True], [False]] == [[domain.verified for domain in page.items] for page in pages]


@pytest.mark.parametrize(("limit", "size"), [(0, 1), (-5, 1), (10_000, 3)])
def test_a_page_has_a_bound(store, claim, ana, limit, size):
    for name in ("a.example", "b.example", "c.example"):
        claim(ana, name)

    assert size == len(store.run(lambda tx: page_domains_by_user(tx, ana.id, limit=limit, cursor=None)).items)
    assert MAX_PAGE == 200


@pytest.mark.parametrize("cursor", ["", "nonsense", "a b.example", "☃.example", "a\x00b.example"])
def test_what_is_no_cursor_of_the_list_is_refused(store, ana, cursor):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: page_domains_by_user(tx, ana.id, limit=1, cursor=cursor))
