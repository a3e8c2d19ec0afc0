"""Names and addresses that read as the relay's own are refused, however they are written."""

import pytest

from store.directory.reserved import is_relays_local, looks_like_relay
from store.errors import InvalidValue


@pytest.mark.parametrize(
    "name",
    [
        "Mailseal",
        "MAILSEAL",
        " mail seal ",
        "Mail-Seal",
        "\uff2dailseal",
        "M\u0430ils\u0435al",
        "Mai1sea1",
        "MaiIseal",
        "rnailseal",
        "M\u00e1ilse\u00e0l",
        "\u041cailseal",
        "M\u200bailseal",
    ],
)
def test_a_name_that_reads_as_the_relays_is_found(name):
    assert looks_like_relay(name)


@pytest.mark.parametrize("name", ["", "Ana", "Sealmail", "Mailseal support team", "Seal", "Mail"])
def test_another_name_is_left_alone(name):
    assert not looks_like_relay(name)


@pytest.mark.parametrize(("local", "expected"), [("MailSeal", True), ("mailseal+x", True), ("mail", False)])
def test_the_relays_local_part_is_found_with_any_tag(local, expected):
    assert expected is is_relays_local(local)


@pytest.mark.parametrize("address", ["mailseal@agents.example", "MAILSEAL+x@agents.example", "mai1seal@agents.example"])
def test_no_agent_gets_an_address_of_the_relay(store, places, address):
    user = store.run(places.user)
    store.run(lambda tx: places.domain(tx, user))

    with pytest.raises(InvalidValue, match="reserved"):
        store.run(lambda tx: places.agent(tx, user, address))


def test_no_agent_gets_the_name_of_the_relay(store, places):
    user = store.run(places.user)
    store.run(lambda tx: places.domain(tx, user))

    with pytest.raises(InvalidValue, match="name of this relay"):
        store.run(lambda tx: places.agent(tx, user, "bot@agents.example", name="Mail Seal"))
