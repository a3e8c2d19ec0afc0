"""Claiming domains and proving them by DNS."""

import pytest

from relay.directory.domains import accept, claim, require_proof
from relay.directory.zone import records_for
from relay.errors import DnsUnavailable
from store.agents import get_agent_by_email
from store.domains import delete_domain, list_domains_by_user
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


@on_sqlite
@pytest.mark.parametrize("before", [(), ("v=spf1 -all",), ("mailseal-verify=", "mailseal-verify=other")])
async def test_a_token_in_dns_is_proof(claimed, ana, before):
    domain = claimed(ana)

    await require_proof(domain, resolver=publishing(*before, f" {token(domain)} "))


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
async def test_anything_else_in_dns_is_no_proof(claimed, ana, records):
    domain = claimed(ana)

    with pytest.raises(DomainUnproven, match=rf"no TXT record {token(domain)} at {PROOF}"):
        await require_proof(domain, resolver=publishing(*records(domain)))


async def test_another_claimants_token_is_no_proof(claimed, ana, eve):
    mine, theirs = claimed(ana), claimed(eve)

    with pytest.raises(DomainUnproven):
        await require_proof(mine, resolver=publishing(token(theirs)))


async def test_a_token_at_another_name_is_no_proof(claimed, ana):
    domain = claimed(ana)

    with pytest.raises(DomainUnproven):
        await require_proof(domain, resolver=FakeResolver({(NAME, "TXT"): [token(domain)]}))


async def test_dns_that_does_not_answer_decides_nothing(claimed, ana):
    domain = claimed(ana)

    with pytest.raises(DnsUnavailable):
        await require_proof(domain, resolver=FakeResolver({}, down=[PROOF]))


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


def test_the_records_to_publish_are_the_proof_and_the_mx(claimed, ana):
    domain = claimed(ana)

    assert [
        {"type": "TXT", "name": PROOF, "value": token(domain), "purpose": "ownership", "status": "pending"},
        {"type": "MX", "name": NAME, "value": "10 mx.here.example", "purpose": "receiving", "status": "pending"},
    ] == [record.to_dict() for record in records_for(domain, hostname="mx.here.example")]


def test_a_proved_domain_shows_its_proof_as_verified(claimed, accepted, ana):
    claimed(ana)

    proof, mx = records_for(accepted(ana), hostname="mx.here.example")

    assert ("verified", "pending") == (proof.status, mx.status)
