import asyncio

import pytest

from store.mail.conversations import MAX_REFERENCES, bare_id, lookup_conversation_id, normalise_message_id, provider_id
from tests.store.plans import statements


@pytest.mark.parametrize(
    ("written", "bare", "provided"),
    [
        ("<Abc@example.com>", "Abc@example.com", None),
        (" <Abc@example.com> ", "Abc@example.com", None),
        ("<0100abc-1@eu-west-1.amazonses.com>", "0100abc-1@eu-west-1.amazonses.com", "0100abc-1"),
        ("0100abc-1@email.amazonses.com", "0100abc-1@email.amazonses.com", "0100abc-1"),
        ("<0100@us-gov-west-1.amazonses.com>", "0100@us-gov-west-1.amazonses.com", "0100"),
        ("<0100@ap-southeast-2.amazonses.com>", "0100@ap-southeast-2.amazonses.com", "0100"),
        ("<0100@CN-north-1.amazonses.com.cn>", "0100@CN-north-1.amazonses.com.cn", "0100"),
        ("<0100abc-1@eu-west-1>", "0100abc-1@eu-west-1", "0100abc-1"),
        ("0100abc-1", "0100abc-1", None),
        ("<x@evil.amazonses.com.example>", "x@evil.amazonses.com.example", None),
        ("<x@a.eu-west-1.amazonses.com>", "x@a.eu-west-1.amazonses.com", None),
        ("<@email.amazonses.com>", "@email.amazonses.com", None),
        ("<>", "", None),
        ("", "", None),
    ],
)
def test_an_id_is_known_bare_and_a_provider_s_without_its_domain(written, bare, provided):
    assert (bare, provided, provided or bare) == (bare_id(written), provider_id(written), normalise_message_id(written))


def test_a_mail_without_parents_begins_a_conversation(arrive, poll):
    assert arrive(poll).conversation_id != arrive(poll).conversation_id


def test_an_answer_belongs_to_the_conversation_of_its_parent(arrive, poll):
    parent = arrive(poll, email_message_id="one@sender")

    assert parent.conversation_id == arrive(poll, parent_ids=("one@sender",)).conversation_id


def test_the_nearest_parent_that_is_known_decides(arrive, poll):
    far = arrive(poll, email_message_id="far@sender")
    near = arrive(poll, email_message_id="near@sender")

    answer = arrive(poll, parent_ids=("unknown@sender", "near@sender", "far@sender"))

    assert near.conversation_id == answer.conversation_id != far.conversation_id


def test_a_conversation_of_another_agent_is_not_joined(arrive, poll, other):
    theirs = arrive(other, email_message_id="one@sender")

    assert theirs.conversation_id != arrive(poll, parent_ids=("one@sender",)).conversation_id


@pytest.mark.parametrize("parents", [("ONE@sender",), ("one@sende",), ("one@senderx",), ("%",), ("_ne@sender",), ("",)])
def test_a_parent_is_found_by_its_exact_id_alone(store, arrive, poll, parents):
    arrive(poll, email_message_id="one@sender")

    assert store.run(lambda tx: lookup_conversation_id(tx, poll.address, parents)) is None


def test_only_so_many_references_are_looked_at(store, arrive, poll):
    known = arrive(poll, email_message_id="one@sender")
    unknown = [f"{n}@sender" for n in range(MAX_REFERENCES)]

    def ask(parents):
        return store.run(lambda tx: lookup_conversation_id(tx, poll.address, parents))

    assert known.conversation_id == ask([*unknown[:-1], "one@sender"])
    assert ask([*unknown, "one@sender"]) is None


@pytest.mark.parametrize("kept", ["0100abc@eu-west-1.amazonses.com", "0100abc"])
@pytest.mark.parametrize("named", ["<0100abc@eu-west-1.amazonses.com>", "0100abc@email.amazonses.com", "0100abc"])
def test_a_provider_s_id_is_found_with_and_without_its_domain(store, arrive, poll, kept, named):
    parent = arrive(poll, email_message_id=kept)

    assert parent.conversation_id == store.run(lambda tx: lookup_conversation_id(tx, poll.address, [named]))


@pytest.mark.parametrize("parent", ["a\0b@sender", "\ud800@sender", "[]", '"', "a" * 100_000])
def test_whatever_a_stranger_names_is_looked_up_without_harm(store, arrive, poll, parent):
    known = arrive(poll, email_message_id="one@sender")

    assert known.conversation_id == store.run(
        lambda tx: lookup_conversation_id(tx, poll.address, [parent, "<one@sender>"])
    )


def test_fifty_references_are_one_question(store, poll):
    with statements(store.engine) as asked:
        store.run(lambda tx: lookup_conversation_id(tx, poll.address, [f"{n}@sender" for n in range(MAX_REFERENCES)]))

    assert 1 == len([text for text, _ in asked if text.startswith("SELECT")])


def test_nobody_is_asked_about_no_parents(store, poll):
    assert store.run(lambda tx: lookup_conversation_id(tx, poll.address, ())) is None


def test_who_repeats_an_id_does_not_draw_answers_into_another_conversation(arrive, poll):
    genuine = arrive(poll, email_message_id="one@sender")
    arrive(poll, email_message_id="one@sender")

    assert genuine.conversation_id == arrive(poll, parent_ids=("one@sender",)).conversation_id


def test_a_long_exchange_is_one_conversation(arrive, poll):
    kept = [arrive(poll, email_message_id="0@s")]
    kept += [arrive(poll, email_message_id=f"{n}@s", parent_ids=(f"{n - 1}@s",)) for n in range(1, 5)]

    assert 1 == len({message.conversation_id for message in kept})


async def test_an_answer_finds_its_parent_of_an_earlier_group(live_store, places):
    agent = await live_store.write(places.poll_agent)
    parent = await live_store.write(lambda tx: places.message(tx, agent.address, email_message_id="one@sender"))

    answers = await asyncio.gather(
        *[live_store.write(lambda tx: places.message(tx, agent.address, parent_ids=("one@sender",))) for _ in range(3)]
    )

    assert {parent.conversation_id} == {answer.conversation_id for answer in answers}
