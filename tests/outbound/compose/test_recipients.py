"""Whom a mail goes to."""

import pytest

from relay.errors import BadDraft
from relay.outbound.compose.recipients import settle_draft, settle_recipients, with_name
from store.records.outbound import Draft

AGENT = "bot@agents.example"


def test_domains_are_written_in_a_labels_and_local_parts_stay_as_they_were():
    settled = settle_recipients(to=["Ana@BÜCHER.example", " bo@Example.com. "], agent=AGENT)

    assert ("Ana@xn--bcher-kva.example", "bo@example.com") == settled.to


def test_a_mailbox_is_written_to_once_where_it_is_named_first():
    settled = settle_recipients(
        to=["ana@example.com"],
        cc=["ANA@Example.com", "bo@example.com"],
        bcc=["bo@example.com", "ana+x@example.com"],
        agent=AGENT,
    )

    assert (("ana@example.com",), ("bo@example.com",), ("ana+x@example.com",)) == (settled.to, settled.cc, settled.bcc)
    assert ("ana@example.com", "bo@example.com", "ana+x@example.com") == settled.all_recipients


@pytest.mark.parametrize("own", [AGENT, "BOT@Agents.Example", "bot+tag@agents.example"])
def test_an_agent_does_not_write_to_itself(own):
    assert ("ana@example.com",) == settle_recipients(to=[own], cc=["ana@example.com"], agent=AGENT).all_recipients

    with pytest.raises(BadDraft, match="other than the agent") as caught:
        settle_recipients(to=[own], agent=AGENT)
    assert ("to", None) == (caught.value.field, caught.value.index)


def test_fifty_recipients_are_the_most():
    people = [f"p{number}@example.com" for number in range(50)]
    assert 50 == len(settle_recipients(to=people[:20], cc=people[20:], bcc=people, agent=AGENT).all_recipients)

    with pytest.raises(BadDraft, match="at most 50") as caught:
        settle_recipients(to=people, bcc=["one@example.com"] * 10_000, agent=AGENT)
    assert ("bcc", 0) == (caught.value.field, caught.value.index)


@pytest.mark.parametrize(
    "bad",
    ["", "ana", "@example.com", "ana@", "ana@exa mple.com", "a b@example.com", "a@b@example.com",
     "ana@example.com\r\nBcc: eve@example.com", "ana\0@example.com", "ana@example.com,bo@example.com", "änne@example.com",
     "ana@example.com\n", "x" * 65 + "@example.com", "a@" + "x" * 64 + ".example", "\ud800@example.com", "a@\ud800.example"],
)  # fmt: skip
def test_what_is_no_address_is_named_with_its_place(bad):
    with pytest.raises(BadDraft) as caught:
        settle_recipients(to=["ok@example.com"], cc=["fine@example.com", bad], agent=AGENT)

    assert ("cc", 1) == (caught.value.field, caught.value.index)


NAMED = {
    "Ana <ana@example.com>": "Ana",
    " Ana Müller  <ana@example.com> ": "Ana Müller",
    "Müller, Ana <ana@example.com>": "Müller, Ana",
    '"Ana" <ana@example.com>': "Ana",
    '"ana@example.com" <ana@example.com>': "ana@example.com",
    r'"Ana \"the \\ best\"" <ana@example.com>': r'Ana "the \ best"',
    "Ana\xa0Müller 👩‍🔧 <ana@example.com>": "Ana\xa0Müller 👩‍🔧",
    "<ana@example.com>": "",
    '"" <ana@example.com>': "",
}


@pytest.mark.parametrize("written", NAMED)
def test_a_name_may_stand_before_an_address(written):
    settled = settle_recipients(to=[written], cc=["bo@example.com"], agent=AGENT)

    assert (("ana@example.com",), NAMED[written]) == (settled.to, settled.name_of("ana@example.com"))
    assert "" == settled.name_of("bo@example.com")


@pytest.mark.parametrize(
    "name", ["", "Ana", "Müller, Ana", 'Ana "the best"', "a\\b", "ana@example.com", "<Ana>", "x" * 255]
)
def test_a_name_is_written_so_that_it_is_read_again(name):
    assert name == settle_recipients(to=[with_name(name, "a@b.example")], agent=AGENT).name_of("a@b.example")


@pytest.mark.parametrize(
    "bad",
    ["Ana <ana@example.com> and more", "Ana <ana@example.com", "Ana ana@example.com>", "bo@example.com <ana@example.com>",
     "bo@example.com, Ana <ana@example.com>", "Ana <bo@example.com> <ana@example.com>", "<<ana@example.com>>", '"Ana <ana@example.com>',
     "Ana\r\nBcc: eve@example.com <ana@example.com>", "Ana\n<ana@example.com>", "Ana\0 <ana@example.com>", "\u202eanA <ana@example.com>",
     "\ud800 <ana@example.com>", "x" * 256 + " <ana@example.com>", "x" * 100_000 + "<>", '"' + "\\" * 100_000 + ">", "Ana <>"],
)  # fmt: skip
def test_what_is_no_name_and_address_is_named_with_its_place(bad):
    with pytest.raises(BadDraft) as caught:
        settle_recipients(to=["ok@example.com"], cc=["fine@example.com", bad], agent=AGENT)

    assert ("cc", 1) == (caught.value.field, caught.value.index)


def test_who_stays_keeps_a_name_that_is_not_given_again():
    draft = Draft(
        to=("ana@example.com", "Bobby <bo@example.com>", "cy@example.com"),
        names=(("ana@example.com", "Ana"), ("bo@example.com", "Bo"), ("gone@example.com", "Gone")),
    )

    settled = settle_draft(draft, agent=AGENT)

    assert ("ana@example.com", "bo@example.com", "cy@example.com") == settled.to
    assert (("ana@example.com", "Ana"), ("bo@example.com", "Bobby")) == settled.names
    assert settled == settle_draft(settled, agent=AGENT)
