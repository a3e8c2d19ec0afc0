"""Addresses that are not written to any more, by hand."""

from store.database.connect import open_store
from store.directory.users import get_user_by_email
from store.outbound.suppression import MAX_PAGE, keep_suppression
from tests.cli.conftest import OWNER
from tests.fakes import FakeClock

GONE = "gone@reader.example"


def keep(cli, *addresses, email=OWNER):
    store = open_store(f"sqlite:///{cli.settings['MAILSEAL_DATA_DIR']}/mailseal.db")

    def unit(tx):
        user = get_user_by_email(tx, email)
        for address in addresses:
            keep_suppression(tx, user.id, address, reason="bounced", detail="550 gone", now=FakeClock().now())

    store.run(unit)
    store.engine.dispose()


def listed(cli, email=OWNER):
    return [each["address"] for each in cli.json("suppression", "list", "--user", email)["items"]]


def test_addresses_are_listed_with_why(cli):
    keep(cli, GONE)

    (item,) = cli.json("suppression", "list", "--user", OWNER)["items"]

    assert (GONE, "bounced", "550 gone", None) == (
        item["address"], item["reason"], item["detail"], item["message_id"],
    )  # fmt: skip
    assert GONE in cli.ok("suppression", "list", "--user", OWNER)


def test_a_list_is_told_to_its_end(cli):
    keep(cli, *(f"{n:04}@reader.example" for n in range(MAX_PAGE + 1)))

    assert [f"{n:04}@reader.example" for n in range(MAX_PAGE + 1)] == listed(cli)


def test_an_address_is_written_to_again(cli):
    keep(cli, GONE, "cross@reader.example")

    assert "mail to Gone@Reader.example is sent again\n" == cli.ok(
        "suppression", "remove", "Gone@Reader.example", "--user", OWNER
    )
    assert ["cross@reader.example"] == listed(cli)


def test_what_is_not_on_the_list_cannot_be_taken_off(cli):
    cli.ok("user", "create", "eve@evil.example")
    keep(cli, GONE)

    for address, email in ((GONE, "eve@evil.example"), ("no address", OWNER), ("bo@reader.example", OWNER)):
        result = cli.run("suppression", "remove", address, "--user", email)
        assert (1, "mailseal: The address is not on the suppression list\n") == (result.exit_code, result.stderr)
    assert [GONE] == listed(cli)


def test_a_user_who_is_not_there_is_told(cli):
    assert 1 == cli.run("suppression", "list", "--user", "nobody@owner.example").exit_code
