"""An account moved from one relay to another by hand."""

import pytest

from tests.cli.conftest import BOT, DOMAIN, OWNER, Cli


@pytest.fixture
def archive(cli, mail, tmp_path):
    cli.inject(mail, "--to", BOT)
    cli.ok("user", "export", OWNER, "--output", str(tmp_path / "ana.zip"))
    return str(tmp_path / "ana.zip")


@pytest.fixture
def elsewhere(tmp_path):
    relay = Cli(tmp_path / "elsewhere")
    relay.ok("init")
    return relay


def test_an_account_is_taken_in_by_another_relay(archive, elsewhere):
    counts = {each["kind"]: each for each in elsewhere.json("user", "import", archive, "--verified")["items"]}

    assert {"kind": "message", "kept": 1, "there_already": 0, "left_out": 0} == counts["message"]
    assert ["user", "domain", "agent", "api_key", "message", "usage_event", "suppression"] == list(counts)
    assert 1 == len(elsewhere.json("message", "list", "--agent", BOT)["items"])


def test_its_domains_take_no_mail_until_they_are_proved(archive, elsewhere):
    elsewhere.ok("user", "import", archive)

    assert [False] == [each["verified"] for each in elsewhere.json("domain", "list", "--user", OWNER)["items"]]


def test_a_second_time_passes_everything_over(archive, elsewhere):
    elsewhere.ok("user", "import", archive)

    counts = elsewhere.json("user", "import", archive)["items"]
    assert {0} == {each["kept"] for each in counts}
    assert DOMAIN in elsewhere.ok("domain", "list", "--user", OWNER)


def test_an_agent_that_has_the_relays_sending_address_is_refused_with_its_line(cli, elsewhere, tmp_path):
    cli.ok("agent", "create", f"agents@{DOMAIN}", "--user", OWNER, "--poll")
    cli.ok("user", "export", OWNER, "--output", str(tmp_path / "ana.zip"))

    result = elsewhere.run("user", "import", str(tmp_path / "ana.zip"), MAILSEAL_OUTBOUND_FROM_DOMAIN=DOMAIN)

    assert 1 == result.exit_code
    assert f"agents@{DOMAIN} sends for agents of all users and belongs to the relay" in result.stderr


def test_a_file_that_is_no_export_is_one_line_and_a_failure(elsewhere, mail):
    result = elsewhere.run("user", "import", str(mail))

    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert "mail.eml" in result.stderr
