# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from store.directory.agents import list_agents_by_user
from store.directory.domains import (
    claim_or_create_domain,
    delete_domain,
    ensure_shared_domain,
    has_agents_on_domain,
    list_domains_by_user,
    lookup_domain,
    verify_domain,
)
from store.directory.users import bootstrap_user
from store.errors import DomainHasAgents, DomainNotAvailable, DomainNotFound, InvalidValue
from tests.store.directory.rivals import compete
from tests.store.gate import Gate, run_beside, together, wait_until_blocked

NAME = "agents.example"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def claim(store, clock):
    """Has somebody claim a domain, with a token that tells whose it is."""

    def make(user, name=NAME, token=None):
        token = token or f"token-of-{user.email}"
        return store.run(lambda tx: claim_or_create_domain(tx, user.id, name, token=token, now=clock.now()))

    return make


@pytest.fixture
def verify(store, clock):
    return lambda user, name=NAME: store.run(lambda tx: verify_domain(tx, user.id, name, now=clock.now()))


@pytest.fixture
def look(store):
    return lambda user, name=NAME: store.run(lambda tx: lookup_domain(tx, user.id, name))


def test_a_claim_is_unverified_and_has_the_token(claim, ana, clock):
    made = claim(ana)

    assert (NAME, ana.id, "token-of-ana@owner.example", False, None, clock.now()) == (
        made.domain,
        made.user_id,
        made.token,
        made.verified,
        made.verified_at,
        made.created_at,
    )


@pytest.mark.parametrize(("given", "kept"), [("Agents.EXAMPLE.", NAME), ("bücher.example", "xn--bcher-kva.example")])
def test_a_domain_is_claimed_in_any_spelling_and_kept_in_one(claim, look, ana, given, kept):
    claim(ana, given)

    assert kept == look(ana, given).domain


@pytest.mark.parametrize("name", ["", "localhost", "com", "a b.example", "☃.example", "-.example"])
def test_what_is_no_domain_is_not_claimed(claim, ana, name):
    with pytest.raises(InvalidValue):
        claim(ana, name)


def test_a_second_claim_keeps_the_first_one_s_token(claim, ana):
    claim(ana, token="first")

    assert "first" == claim(ana, token="second").token


def test_claims_stand_side_by_side_each_with_a_token_of_its_own(claim, look, ana, bo):
    claim(ana)
    claim(bo)

    assert ["token-of-ana@owner.example", "token-of-bo@owner.example"] == [look(ana).token, look(bo).token]


def test_who_proves_first_owns_it(claim, verify, look, ana, bo):
    claim(ana)
    claim(bo)

    verify(bo)

    assert [False, True] == [look(ana).verified, look(bo).verified]


def test_who_proves_second_gets_nothing(claim, verify, look, ana, bo):
    claim(ana)
    claim(bo)
    verify(bo)

    with pytest.raises(DomainNotAvailable):
        verify(ana)

    assert look(bo).verified


def test_the_pending_token_of_another_outlives_the_proof_and_the_end_of_ownership(store, claim, verify, look, ana, bo):
    claim(ana)
    claim(bo)
    verify(bo)
    store.run(lambda tx: delete_domain(tx, bo.id, NAME))

    assert "token-of-ana@owner.example" == look(ana).token
    assert verify(ana).verified


def test_a_claim_that_is_given_up_leaves_those_of_others(store, claim, look, ana, bo):
    claim(ana)
    claim(bo)

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert "token-of-bo@owner.example" == look(bo).token


def test_a_claim_of_another_that_is_given_up_does_not_touch_the_owner(store, claim, verify, look, ana, bo):
    claim(ana)
    claim(bo)
    owned = verify(ana)

    store.run(lambda tx: delete_domain(tx, bo.id, NAME))

    assert owned == look(ana)


def test_a_domain_that_another_has_proved_cannot_be_claimed(claim, verify, ana, bo):
    claim(ana)
    verify(ana)

    with pytest.raises(DomainNotAvailable):
        claim(bo)


def test_a_domain_that_is_mine_is_claimed_again_as_it_is(claim, verify, ana):
    claim(ana)
    verified = verify(ana)

    assert verified == claim(ana, token="other")


def test_a_domain_stays_verified_since_the_first_time(claim, verify, ana, clock):
    claim(ana)
    first = verify(ana)
    clock.advance(days=3)

    assert first == verify(ana)


def test_nobody_verifies_what_they_have_not_claimed(claim, verify, ana, bo):
    claim(ana)

    with pytest.raises(DomainNotFound):
        verify(bo)


@pytest.mark.parametrize("do", ["look", "delete"])
def test_a_domain_of_another_is_not_found(store, claim, ana, bo, do):
    claim(ana)
    ask = {"look": lookup_domain, "delete": delete_domain}[do]

    with pytest.raises(DomainNotFound):
        store.run(lambda tx: ask(tx, bo.id, NAME))


def test_domains_are_listed_by_name_and_only_one_s_own(store, claim, ana, bo):
    for user, name in ((ana, "b.example"), (ana, "a.example"), (bo, "c.example")):
        claim(user, name, token=name)

    assert ["a.example", "b.example"] == [
        found.domain for found in store.run(lambda tx: list_domains_by_user(tx, ana.id))
    ]


def test_a_domain_without_claims_and_agents_is_forgotten(store, claim, verify, ana, bo):
    claim(ana)
    verify(ana)

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert not claim(bo).verified


# With agents on it


def test_a_domain_with_agents_is_not_deleted(store, places):
    agent = store.run(places.poll_agent)

    with pytest.raises(DomainHasAgents):
        store.run(lambda tx: delete_domain(tx, agent.user_id, NAME))

    assert store.run(lambda tx: has_agents_on_domain(tx, agent.user_id, NAME))


def test_the_postmaster_that_came_with_a_domain_goes_with_it(store, places, ana):
    store.run(lambda tx: places.domain(tx, ana))
    assert not store.run(lambda tx: has_agents_on_domain(tx, ana.id, NAME))

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert [] == store.run(lambda tx: list_agents_by_user(tx, ana.id))


def test_an_agent_of_a_stranger_does_not_keep_a_domain_from_being_given_up(store, places, claim, verify, ana, bo):
    claim(bo)
    store.run(lambda tx: places.agent(tx, bo, f"squatter@{NAME}"))
    claim(ana)
    verify(ana)

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert [f"squatter@{NAME}"] == [agent.address for agent in store.run(lambda tx: list_agents_by_user(tx, bo.id))]


# The shared domain


def test_the_shared_domain_is_made_once(store, clock):
    names = [store.run(lambda tx: ensure_shared_domain(tx, "Shared.Example", now=clock.now())) for _ in range(2)]

    assert ["shared.example"] * 2 == names


def test_the_shared_domain_is_nobody_s(store, claim, ana, clock):
    store.run(lambda tx: ensure_shared_domain(tx, "shared.example", now=clock.now()))

    with pytest.raises(DomainNotAvailable):
        claim(ana, "shared.example")
    with pytest.raises(DomainNotFound):
        store.run(lambda tx: lookup_domain(tx, ana.id, "shared.example"))


def test_a_domain_that_somebody_claimed_does_not_become_the_shared_one(store, claim, ana, clock):
    claim(ana)

    with pytest.raises(DomainNotAvailable):
        store.run(lambda tx: ensure_shared_domain(tx, NAME, now=clock.now()))


def test_anybody_may_have_an_agent_on_the_shared_domain(store, places, ana, bo, clock):
    store.run(lambda tx: ensure_shared_domain(tx, "shared.example", now=clock.now()))

    made = [
        store.run(lambda tx, user=user, name=name: places.agent(tx, user, f"{name}@shared.example"))
        for user, name in ((ana, "one"), (bo, "two"))
    ]

    assert [True, True] == [agent.domain_verified for agent in made]
    assert made[0].is_shared_domain("shared.example")
    assert not made[0].is_shared_domain(None)
    assert not made[0].is_shared_domain("other.example")


# Two processes at once


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_claims_made_at_once_by_two_processes_both_stand(store, beside, clock, ana, bo, look):
    def claims(user):
        return lambda tx: claim_or_create_domain(tx, user.id, NAME, token=user.email, now=clock.now())

    gate = Gate(claims(ana))
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, claims(bo))
    wait_until_blocked(store.engine)
    gate.open()

    assert [ana.email, bo.email] == [first.result().token, second.result().token]
    assert [ana.email, bo.email] == [look(ana).token, look(bo).token]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_proofs_at_once_the_first_one_to_commit_holds(store, beside, clock, ana, bo, claim, look):
    claim(ana)
    claim(bo)
    gate = Gate(lambda tx: verify_domain(tx, ana.id, NAME, now=clock.now()))
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, lambda tx: verify_domain(tx, bo.id, NAME, now=clock.now()))
    wait_until_blocked(store.engine)
    gate.open()

    assert first.result().verified
    with pytest.raises(DomainNotAvailable):
        second.result()
    assert [True, False] == [look(ana).verified, look(bo).verified]


# Many at once


@pytest.fixture
def crowd(store, clock):
    """The ids of eight users."""

    def make(tx):
        return [bootstrap_user(tx, f"user{n}@owner.example", now=clock.now()).id for n in range(8)]

    return store.run(make)


def test_of_many_who_claim_a_new_domain_at_once_each_has_a_claim_of_their_own(store, beside, crowd, clock):
    answers = compete([store, beside], NAME, clock.now(), crowd, "claim")

    assert {user: [f"token-of-{user}", False] for user in crowd} == answers


def test_of_many_who_prove_a_domain_at_once_exactly_one_owns_it(store, beside, crowd, clock):
    compete([store, beside], NAME, clock.now(), crowd, "claim")

    answers = compete([store, beside], NAME, clock.now(), crowd, "prove")

    check_one_owner(store, crowd, answers)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_several_processes_whose_users_want_a_domain_at_once_exactly_one_user_owns_it(
    store, database_url, crowd, clock
):
    command = [sys.executable, "-m", "tests.store.directory.rivals", database_url, NAME, clock.now().isoformat()]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(Popen([*command, *crowd[n::3]], stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT))
            for n in range(3)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        claimed, proved = [tell(processes, step) for step in ("claim", "prove")]
        for process in processes:
            process.stdin.close()

    assert {user: [f"token-of-{user}", False] for user in crowd} == claimed
    check_one_owner(store, crowd, proved)


def tell(processes, step):
    """What all users of all *processes* get, told to do it at once."""
    for process in processes:
        process.stdin.write(f"{step}\n")
        process.stdin.flush()
    return {user: answer for process in processes for user, answer in json.loads(process.stdout.readline()).items()}


def check_one_owner(store, crowd, answers):
    owners = [user for user, answer in answers.items() if answer == [f"token-of-{user}", True]]
    others = set(crowd) - set(owners)
    assert 1 == len(owners)
    assert dict.fromkeys(others, "DomainNotAvailable") == {user: answers[user] for user in others}
    seen = {user: store.run(lambda tx, user=user: lookup_domain(tx, user, NAME)) for user in crowd}
    assert {user: (f"token-of-{user}", user in owners) for user in crowd} == {
        user: (domain.token, domain.verified) for user, domain in seen.items()
    }


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_claim_that_comes_while_the_last_one_is_given_up_makes_the_domain_anew(store, beside, claim, ana, bo, clock):
    claim(ana)
    gate = Gate(lambda tx: delete_domain(tx, ana.id, NAME))
    given_up = run_beside(store, gate.unit)
    gate.reached()
    claimed = run_beside(beside, lambda tx: claim_or_create_domain(tx, bo.id, NAME, token="bo", now=clock.now()))
    wait_until_blocked(store.engine)
    gate.open()

    given_up.result()
    assert "bo" == claimed.result().token
    assert ["bo"] == [domain.token for domain in store.run(lambda tx: list_domains_by_user(tx, bo.id))]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_giving_up_the_last_claim_waits_for_one_that_comes_and_leaves_it(store, beside, claim, look, ana, bo, clock):
    claim(ana)
    gate = Gate(lambda tx: claim_or_create_domain(tx, bo.id, NAME, token="bo", now=clock.now()))
    claimed = run_beside(beside, gate.unit)
    gate.reached()
    given_up = run_beside(store, lambda tx: delete_domain(tx, ana.id, NAME))
    wait_until_blocked(store.engine)
    gate.open()

    claimed.result()
    given_up.result()
    assert "bo" == look(bo).token


def test_claims_that_come_and_go_at_once_all_stand_in_the_end(store, beside, crowd, clock):
    def come_and_go(by, user):
        for _ in range(6):
            by.run(lambda tx: claim_or_create_domain(tx, user, NAME, token=f"token-of-{user}", now=clock.now()))
            by.run(lambda tx: delete_domain(tx, user, NAME))
        return by.run(
            lambda tx: claim_or_create_domain(tx, user, NAME, token=f"token-of-{user}", now=clock.now())
        ).token

    answers = together(
        [lambda by=by, user=user: come_and_go(by, user) for by, user in zip([store, beside] * 4, crowd, strict=True)]
    )

    assert [f"token-of-{user}" for user in crowd] == answers
    kept = [store.run(lambda tx, user=user: lookup_domain(tx, user, NAME)).token for user in crowd]
    assert answers == kept
