"""Claiming domains and proving them by DNS."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import pytest
from structlog.testing import capture_logs

from relay.directory.check_domain import look_up_records
from relay.directory.dns_check import PENDING_OFTEN
from relay.directory.dns_records import DnsIdentity
from relay.directory.domains import (
    accept,
    claim,
    claim_with_records,
    look_up,
    require_answer,
    require_proof,
    settle,
    warn,
)
from relay.errors import DnsUnavailable
from store.directory.agents import get_agent_by_email
from store.directory.domains import delete_domain, list_domains_by_user
from store.errors import (
    AgentNotFound,
    DomainHasAgents,
    DomainNotAvailable,
    DomainNotFound,
    DomainUnproven,
    InvalidValue,
)
from tests.fakes import FakeResolver
from tests.one_database import on_sqlite

NAME = "agents.example"
PROOF = "_mailseal.agents.example"
HERE = DnsIdentity(hostname="mx.here.example")


@pytest.fixture
def ana(store, places):
    return store.run(lambda tx: places.user(tx, "ana@owner.example"))


@pytest.fixture
def eve(store, places):
    return store.run(lambda tx: places.user(tx, "eve@evil.example"))


@pytest.fixture
def claimed(store, clock):
    return lambda user, name=NAME: store.run(lambda tx: claim(tx, user.id, name, now=clock.now()))


@pytest.fixture
def accepted(store, clock, master):
    return lambda user, name=NAME: store.run(lambda tx: accept(tx, user.id, name, master=master, now=clock.now()))


def publishing(*records):
    return FakeResolver({(PROOF, "TXT"): records})


def token(domain):
    return f"mailseal-verify={domain.token}"


def test_a_claim_is_unverified(claimed, ana):
    domain = claimed(ana, "Agents.Example.")

    assert (NAME, ana.id, False, None) == (domain.domain, domain.user_id, domain.verified, domain.verified_at)


@on_sqlite
@pytest.mark.parametrize(
    "name", ["", "localhost", "a b.example", "-a.example", "a..example", "x" * 64 + ".example", "ex@mple.org"]
)
def test_what_is_no_domain_cannot_be_claimed(claimed, ana, name):
    with pytest.raises(InvalidValue):
        claimed(ana, name)


def test_a_claim_keeps_its_token(claimed, ana):
    assert claimed(ana) == claimed(ana)


def test_two_claimants_have_a_token_each(claimed, ana, eve):
    assert claimed(ana).token != claimed(eve).token


def test_a_token_is_too_long_to_be_guessed(claimed, ana):
    assert len(bytes.fromhex(claimed(ana).token)) >= 16


@pytest.fixture
def verify(store, clock, master):
    """Has somebody look at DNS now, as the API does."""

    async def look(domain, resolver):
        seen = await look_up_records(domain, resolver=resolver, place=HERE)
        require_answer(domain, seen)
        listing = store.run(lambda tx: settle(tx, domain, seen, master=master, now=clock.now()))
        require_proof(listing)
        return listing

    return look


@pytest.fixture
def settled(store, clock, master):
    """The same, without asking what came of it."""

    async def look(domain, resolver):
        seen = await look_up_records(domain, resolver=resolver, place=HERE)
        return store.run(lambda tx: settle(tx, domain, seen, master=master, now=clock.now()))

    return look


@pytest.fixture
def reread(store):
    return lambda user, name=NAME: store.run(lambda tx: look_up(tx, user.id, name))


def statuses(listing):
    return {state.purpose: state.status for state in listing.states}


@on_sqlite
@pytest.mark.parametrize("before", [(), ("v=spf1 -all",), ("mailseal-verify=", "mailseal-verify=other")])
async def test_a_token_in_dns_is_proof(claimed, verify, ana, before):
    domain = claimed(ana)

    assert (await verify(domain, publishing(*before, f" {token(domain)} "))).domain.verified


@on_sqlite
@pytest.mark.parametrize(
    "records",
    [
        lambda _: (),
        lambda _: ("",),
        lambda _: ("mailseal-verify=",),
        lambda _: ("mailseal-verify=0000000000000000000000000000000000000000",),
        lambda domain: (domain.token,),
        lambda domain: (token(domain)[:-1],),
        lambda domain: (token(domain) + "0",),
        lambda domain: (token(domain).upper(),),
        lambda domain: (f"x {token(domain)}",),
        lambda _: ("mailseal-verify=\xe9",),
    ],
)
async def test_anything_else_in_dns_is_no_proof_and_is_told(claimed, verify, reread, ana, records):
    domain = claimed(ana)
    there = ", ".join(records(domain))

    with pytest.raises(DomainUnproven) as refused:
        await verify(domain, publishing(*records(domain)))

    seen = f"there is {there}" if records(domain) else "there is none"
    assert f"no TXT record {token(domain)} at {PROOF}: {seen}" == str(refused.value)
    assert not reread(ana).domain.verified


async def test_another_claimants_token_is_no_proof(claimed, verify, ana, eve):
    mine, theirs = claimed(ana), claimed(eve)

    with pytest.raises(DomainUnproven):
        await verify(mine, publishing(token(theirs)))


async def test_a_token_at_another_name_is_no_proof(claimed, verify, ana):
    domain = claimed(ana)

    with pytest.raises(DomainUnproven):
        await verify(domain, FakeResolver({(NAME, "TXT"): [token(domain)]}))


async def test_dns_that_does_not_answer_decides_nothing(claimed, verify, reread, ana):
    domain = claimed(ana)
    before = reread(ana)

    with pytest.raises(DnsUnavailable, match=f"no nameserver answered for {PROOF}"):
        await verify(domain, FakeResolver({}, down=[PROOF]))

    assert before == reread(ana)


async def test_what_was_seen_is_kept_when_it_is_no_proof_too(claimed, settled, reread, ana, clock):
    domain = claimed(ana)

    await settled(domain, FakeResolver({(PROOF, "TXT"): ["mailseal-verify=other"]}, down=[NAME]))

    (proof, mx) = sorted(reread(ana).states, key=lambda state: state.purpose)
    assert ("mismatch", ("mailseal-verify=other",), clock.now()) == (proof.status, proof.found, proof.checked_at)
    assert ("unknown", ()) == (mx.status, mx.found)


async def test_a_proof_that_is_seen_makes_the_owner_and_the_postmaster(store, claimed, settled, ana):
    domain = claimed(ana)

    listing = await settled(domain, publishing(token(domain)))

    assert (True, "verified") == (listing.domain.verified, statuses(listing)["ownership"])
    assert ana.id == store.run(lambda tx: get_agent_by_email(tx, f"postmaster@{NAME}")).user_id


async def test_a_proof_that_comes_second_is_seen_and_gives_nothing(claimed, verify, reread, ana, eve):
    mine, theirs = claimed(ana), claimed(eve)
    both = publishing(token(mine), token(theirs))
    await verify(theirs, both)

    with pytest.raises(DomainNotAvailable):
        await verify(mine, both)

    assert (False, "verified") == (reread(ana).domain.verified, statuses(reread(ana))["ownership"])
    assert reread(eve).domain.verified


@pytest.mark.parametrize(
    ("now_there", "status"),
    [
        (FakeResolver({}), "missing"),
        (publishing("something else"), "mismatch"),
        (FakeResolver({}, down=[PROOF]), "unknown"),
    ],
    ids=["nothing", "something else", "no answer"],
)
async def test_nothing_that_is_seen_takes_a_verified_domain_away(claimed, settled, reread, ana, now_there, status):
    domain = claimed(ana)
    await settled(domain, publishing(token(domain)))

    listing = await settled(reread(ana).domain, now_there)

    assert (True, status) == (listing.domain.verified, statuses(listing)["ownership"])
    assert listing.domain.verified_at == reread(ana).domain.verified_at


async def test_a_record_that_goes_is_told_once_and_says_since_when(claimed, settled, reread, ana, clock):
    domain = claimed(ana)
    await settled(domain, publishing(token(domain)))
    clock.advance(days=1)
    gone_at = clock.now()

    tellings = []
    for there in (FakeResolver({}), FakeResolver({}, down=[PROOF]), publishing("other"), FakeResolver({})):
        listing = await settled(reread(ana).domain, there)
        with capture_logs() as told:
            warn(listing)
        tellings.append(told)
        clock.advance(days=1)

    event = {"event": "dns_record_missing", "domain": NAME, "purpose": "ownership", "status": "missing"}
    assert [[event | {"log_level": "warning"}], [], [], []] == tellings
    assert {gone_at} == {state.missing_since for state in reread(ana).states if state.purpose == "ownership"}

    await settled(reread(ana).domain, publishing(token(domain)))
    (proof,) = [state for state in reread(ana).states if state.purpose == "ownership"]
    assert ("verified", None) == (proof.status, proof.missing_since)


async def test_a_look_that_somebody_has_overtaken_changes_nothing(store, claimed, settled, reread, ana, clock):
    slow = claimed(ana)
    clock.advance(minutes=1)
    await settled(slow, publishing(token(slow)))
    newer = reread(ana)

    assert newer == await settled(slow, FakeResolver({}))


async def test_a_look_at_a_domain_that_was_given_up_meanwhile_makes_nothing(store, claimed, settled, ana):
    domain = claimed(ana)
    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    with pytest.raises(DomainNotFound):
        await settled(domain, publishing(token(domain)))

    assert [] == store.run(lambda tx: list_domains_by_user(tx, ana.id))


async def test_a_given_up_domain_takes_what_was_seen_of_it_along(store, claimed, settled, reread, ana):
    domain = claimed(ana)
    await settled(domain, publishing("other"))
    store.run(lambda tx: delete_domain(tx, ana.id, NAME))
    claimed(ana)

    assert [] == list(reread(ana).states)


def test_a_domain_on_the_operators_word_was_not_seen_yet_and_is_looked_at_soon(claimed, accepted, reread, ana, clock):
    claimed(ana)
    clock.advance(days=8)

    domain = accepted(ana)

    assert ([], clock.now() + PENDING_OFTEN) == (list(reread(ana).states), domain.next_check_at)


def test_a_new_claim_is_told_from_one_that_stood(store, claimed, ana, clock):
    first = store.run(lambda tx: claim_with_records(tx, ana.id, "Agents.Example.", now=clock.now()))
    second = store.run(lambda tx: claim_with_records(tx, ana.id, NAME, now=clock.now()))

    assert ([True, False], first[0].domain) == ([first[1], second[1]], second[0].domain)


def test_an_accepted_proof_makes_the_claimant_the_owner(claimed, accepted, ana, clock):
    claimed(ana)

    domain = accepted(ana)

    assert (True, clock.now()) == (domain.verified, domain.verified_at)


def test_a_domain_comes_with_a_postmaster_that_its_owner_can_poll(store, claimed, accepted, ana):
    claimed(ana)

    accepted(ana)

    agent = store.run(lambda tx: get_agent_by_email(tx, "postmaster@agents.example"))
    assert (ana.id, "poll", True, True) == (agent.user_id, agent.mode, agent.is_postmaster, agent.domain_verified)


def test_a_claim_alone_makes_no_postmaster(store, claimed, ana):
    claimed(ana)

    with pytest.raises(AgentNotFound):
        store.run(lambda tx: get_agent_by_email(tx, "postmaster@agents.example"))


def test_a_postmaster_of_the_owners_own_stays(store, places, claimed, accepted, ana):
    claimed(ana)
    made = store.run(lambda tx: places.agent(tx, ana, "postmaster@agents.example", webhook="https://hook.example/"))

    accepted(ana)

    agent = store.run(lambda tx: get_agent_by_email(tx, "postmaster@agents.example"))
    assert (made.webhook_url, True) == (agent.webhook_url, agent.domain_verified)


def test_a_strangers_postmaster_makes_place_for_the_owners(store, places, claimed, accepted, ana):
    eve = store.run(lambda tx: places.user(tx, "eve@evil.example"))
    claimed(eve)
    claimed(ana)
    store.run(lambda tx: places.agent(tx, eve, "postmaster@agents.example"))

    accepted(ana)

    assert ana.id == store.run(lambda tx: get_agent_by_email(tx, "postmaster@agents.example")).user_id


def test_accepting_twice_changes_nothing(claimed, accepted, ana, clock):
    claimed(ana)
    first = accepted(ana)
    clock.advance(hours=1)

    assert first == accepted(ana)


def test_whoever_proves_first_owns_the_domain(claimed, accepted, ana, eve):
    claimed(ana)
    claimed(eve)
    accepted(ana)

    with pytest.raises(DomainNotAvailable):
        accepted(eve)


def test_a_verified_domain_cannot_be_claimed_by_another(claimed, accepted, ana, eve):
    claimed(ana)
    accepted(ana)

    with pytest.raises(DomainNotAvailable):
        claimed(eve)


def test_an_unclaimed_domain_cannot_be_accepted(accepted, ana):
    with pytest.raises(DomainNotFound):
        accepted(ana)


def test_the_postmaster_does_not_keep_a_domain_from_being_removed(store, claimed, accepted, ana):
    claimed(ana)
    accepted(ana)

    store.run(lambda tx: delete_domain(tx, ana.id, NAME))

    assert [] == store.run(lambda tx: list_domains_by_user(tx, ana.id))
    with pytest.raises(AgentNotFound):
        store.run(lambda tx: get_agent_by_email(tx, "postmaster@agents.example"))


def test_agents_keep_a_domain_from_being_removed(store, places, claimed, accepted, ana):
    claimed(ana)
    accepted(ana)
    store.run(lambda tx: places.agent(tx, ana, "bot@agents.example"))

    with pytest.raises(DomainHasAgents):
        store.run(lambda tx: delete_domain(tx, ana.id, NAME))
