"""A message that arrives before the message that it answers."""

import asyncio
from itertools import permutations

import pytest
from sqlalchemy import func, insert, select

from store.expiry import KEPT_FOR
from store.mail.awaited import MAX_AWAITED, MAX_AWAITED_OF_AGENT, delete_expired_awaited
from store.schema.inbound import agents
from store.schema.threads import awaited_ids
from tests.store.plans import statements


@pytest.fixture
def waiting(store, poll):
    """The ids that conversations of the polling agent wait for, sorted."""
    return lambda: store.run(
        lambda tx: sorted(
            tx.execute(select(awaited_ids.c.awaited).where(awaited_ids.c.agent == poll.address)).scalars()
        )
    )


@pytest.fixture
def joined(arrive, poll):
    """The conversation of a mail with the id *own* that names *parents*, nearest first."""
    return lambda own, *parents: arrive(poll, email_message_id=own, parent_ids=parents).conversation_id


def test_a_parent_that_comes_late_takes_the_conversation_of_its_answer(joined, waiting):
    first = joined("2@a", "1@a")

    assert first == joined("1@a")
    assert [] == waiting()


def test_answers_to_one_missing_parent_are_one_conversation_before_it_comes(joined):
    first = joined("2@a", "1@a")

    assert {first} == {joined("3@a", "1@a"), joined("4@a", "1@a"), joined("1@a"), joined("5@a", "1@a")}


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::3])
def test_a_chain_with_references_is_one_conversation_in_any_order(joined, order):
    chain = [("1@a",), ("2@a", "1@a"), ("3@a", "2@a", "1@a"), ("4@a", "3@a", "2@a", "1@a")]

    assert 1 == len({joined(*chain[place]) for place in order})


def test_a_chain_that_names_only_the_parent_is_one_conversation_when_it_comes_backwards(joined):
    assert 1 == len({joined(f"{n}@a", f"{n - 1}@a") for n in range(6, 0, -1)})


def test_a_message_keeps_the_conversation_that_was_told_of_it(store, poll, joined, arrive):
    left, right = joined("3@a", "2@a"), joined("5@a", "4@a")

    assert left == joined("2@a", "4@a")  # its parent is awaited elsewhere: two conversations are not merged
    assert right == joined("4@a")


def test_a_parent_whose_own_parent_is_known_stays_with_it_and_ends_the_waiting(joined, waiting):
    known = joined("1@a")
    early = joined("3@a", "2@a")

    assert known == joined("2@a", "1@a") != early
    assert [] == waiting()


def test_an_answer_with_a_known_parent_waits_for_none(joined, waiting):
    known = joined("1@a")

    assert known == joined("3@a", "2@a", "1@a")
    assert [] == waiting()


@pytest.mark.parametrize("named", ["<0100abc@eu-west-1.amazonses.com>", "0100abc@email.amazonses.com", "0100abc"])
@pytest.mark.parametrize("own", ["0100abc@eu-west-1.amazonses.com", "0100abc"])
def test_a_provider_s_id_is_awaited_with_and_without_its_domain(joined, own, named):
    assert joined("2@a", named) == joined(own)


@pytest.mark.parametrize("own", ["ONE@a", "one@ab", "ne@a", "one@", "%", ""])
def test_an_awaited_id_is_met_by_the_exact_id_alone(joined, own):
    assert joined("2@a", "one@a") != joined(own)


def test_an_id_is_awaited_by_one_agent_only(joined, arrive, other):
    assert joined("2@a", "1@a") != arrive(other, email_message_id="1@a").conversation_id


def test_a_message_does_not_wait_for_itself(joined, waiting):
    joined("1@a", "1@a", "<1@a>")

    assert [] == waiting()


@pytest.mark.parametrize("named", ["a\0b@a", "\ud800@a", "[]", '"', "é@a"])
def test_ids_of_any_signs_are_awaited_without_harm(joined, named):
    joined("2@a", named, "1@a")

    assert joined("3@a", "1@a") == joined("1@a")


# Hostile use


def test_a_message_with_many_ids_waits_for_the_nearest_and_the_root(joined, waiting):
    ids = [f"{n:03}@a" for n in range(1000)]
    first = joined("x@a", *ids[:50])

    assert sorted([*ids[: MAX_AWAITED - 1], ids[49]]) == waiting()
    assert first == joined(ids[49])


def test_a_stranger_who_guesses_many_ids_does_not_bring_two_others_together(joined, waiting):
    trap = joined("trap@evil", "1@a", "1@b", "1@c")

    assert trap == joined("1@a")  # as if it had come first, and the stranger had named it
    assert [] == waiting()
    assert 3 == len({trap, joined("1@b"), joined("1@c")})


def test_answers_of_two_others_are_not_brought_together_by_the_ids_that_a_stranger_names(joined):
    trap = joined("trap@evil", "1@a", "1@b")

    assert trap == joined("2@a", "1@a")
    assert trap != joined("2@b", "1@b")


def test_a_stranger_who_joins_does_not_let_the_conversation_wait_for_more(joined, waiting):
    first = joined("2@a", "1@a")

    assert first == joined("trap@evil", "1@a", "1@b", "1@c")
    assert ["1@a"] == waiting()
    assert first != joined("1@b")


def test_a_stranger_who_took_an_id_does_not_keep_the_genuine_message_out_of_its_thread(joined):
    root = joined("1@a")
    joined("trap@evil", "2@a")

    assert root == joined("2@a", "1@a") == joined("3@a", "2@a", "1@a")


def test_an_id_that_many_name_is_one_row(joined, waiting):
    conversations = {joined(f"{n}@b", "1@a") for n in range(200)}

    assert (1, ["1@a"]) == (len(conversations), waiting())


def test_of_too_many_awaited_ids_of_an_agent_the_oldest_are_forgotten(store, poll, joined, waiting, clock):
    joined("2@a", "oldest@a")
    rows = [
        {"awaited": f"{n}@b", "number": n, "agent": poll.address, "conversation_id": f"conv_{n}"}
        for n in range(2, MAX_AWAITED_OF_AGENT + 1)
    ]

    def fill(tx):
        tx.execute(insert(awaited_ids), [row | {"expires_at": clock.now() + KEPT_FOR} for row in rows])
        tx.execute(agents.update().values(last_awaited=MAX_AWAITED_OF_AGENT))

    store.run(fill)
    newest = joined("3@a", "newest@a")

    assert MAX_AWAITED_OF_AGENT == len(waiting())
    assert "oldest@a" not in waiting()
    assert newest == joined("newest@a")


# Cost and upkeep


def asked(store, unit):
    with statements(store.engine) as found:
        unit()
    return [text for text, _ in found if "awaited_ids" in text]


def test_a_mailbox_in_which_no_id_was_ever_awaited_is_not_asked(store, joined):
    assert [] == asked(store, lambda: joined("1@a"))
    assert [] == asked(store, lambda: joined("2@a", "1@a"))


def test_a_mail_that_nothing_waits_for_costs_one_statement_where_others_wait(store, joined):
    joined("1@a")
    joined("9@b", "8@b")

    assert [1, 1, 0] == [
        len(asked(store, lambda given=given: joined(*given))) for given in (("2@c",), ("2@a", "1@a"), ("", "1@a"))
    ]


def test_awaited_ids_expire_with_the_message_that_waits(store, joined, waiting, clock):
    joined("2@a", "1@a")
    clock.advance(seconds=60)
    joined("2@b", "1@b")
    clock.advance(seconds=KEPT_FOR.total_seconds() - 60)

    assert 1 == store.run(lambda tx: delete_expired_awaited(tx, now=clock.now(), limit=10))
    assert ["1@b"] == waiting()


def test_awaited_ids_go_with_their_agent(store, poll, joined):
    joined("2@a", "1@a")
    store.run(lambda tx: tx.execute(agents.delete().where(agents.c.address == poll.address)))

    assert 0 == store.run(lambda tx: tx.execute(select(func.count()).select_from(awaited_ids)).scalar_one())


async def test_messages_that_arrive_at_once_are_one_conversation_in_whichever_order(live_store, places):
    agent = await live_store.write(places.poll_agent)
    chain = [("3@a", "2@a", "1@a"), ("1@a",), ("4@a", "1@a"), ("2@a", "1@a"), ("5@a", "4@a")]

    def keep(own, *parents):
        return live_store.write(
            lambda tx: places.message(tx, agent.address, email_message_id=own, parent_ids=tuple(parents))
        )

    kept = await asyncio.gather(*[keep(*each) for each in chain])

    assert 1 == len({message.conversation_id for message in kept})
