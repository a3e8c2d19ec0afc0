"""The store remembers that it had a verified domain, until a program gives up the last one."""

from sqlalchemy import update

from store.directory.domains import delete_domain
from store.directory.hosted import has_lost_domains, remember_domains
from store.schema.inbound import domains
from store.upkeep.erasure import delete_user_data
from tests.places import Places


def test_domains_are_lost_when_their_rows_are_and_not_when_they_are_given_up(store, clock, master):
    places = Places(clock, master)

    def unit(tx):
        found = [has_lost_domains(tx)]
        user = places.user(tx)
        places.domain(tx, user, "one.example")
        places.domain(tx, user, "two.example")
        delete_domain(tx, user.id, "one.example")
        found.append(has_lost_domains(tx))
        tx.execute(update(domains).values(verified_at=None))
        found.append(has_lost_domains(tx))
        tx.execute(update(domains).values(verified_at=clock.now()))
        delete_domain(tx, user.id, "two.example")
        found.append(has_lost_domains(tx))
        places.domain(tx, user, "three.example")
        delete_user_data(tx, user.id)
        return [*found, has_lost_domains(tx)]

    assert [False, False, True, False, False] == store.run(unit)


def test_a_store_of_an_earlier_release_remembers_its_domains_at_the_next_start(store, clock, master):
    places = Places(clock, master)

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user, "one.example")
        tx.execute(domains.metadata.tables["store_facts"].delete())
        remember_domains(tx, now=clock.now())
        tx.execute(update(domains).values(verified_at=None))
        return has_lost_domains(tx)

    assert store.run(unit)
