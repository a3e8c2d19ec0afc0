"""How the program starts, and how it stops when its settings do not fit."""

import stat
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text

from store.database.connect import open_engine, sqlite_url
from store.database.migrate import migrations_folder, upgrade
from tests.cli.conftest import OWNER

HEAD = ScriptDirectory(str(migrations_folder())).get_current_head()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("FOO", "1", "MAILSEAL_FOO: no such setting"),
        ("LOG_LEVEL", "silly", "MAILSEAL_LOG_LEVEL: Input should be "),
        ("SMTP_LISTEN", "25", "MAILSEAL_SMTP_LISTEN: '25' is not HOST:PORT"),
        ("MAX_MESSAGE_BYTES", "many", "MAILSEAL_MAX_MESSAGE_BYTES: "),
        ("WEBHOOK_ALLOW_CIDRS", "10.0.0.0/99", "MAILSEAL_WEBHOOK_ALLOW_CIDRS: "),
        ("POSTMASTER", "nonsense", "MAILSEAL_POSTMASTER: "),
        ("SECRET_KEY", "short", "MAILSEAL_SECRET_KEY: "),
        (
            "DATABASE_URL",
            "mysql://x/y",
            "MAILSEAL_DATABASE_URL: a database URL starts with sqlite:/// or postgresql://",
        ),
        ("DATABASE_URL", "nonsense", "MAILSEAL_DATABASE_URL: not a database URL"),
        ("DATABASE_URL", "postgresql://h:port/x", "MAILSEAL_DATABASE_URL: not a database URL"),
        ("DATABASE_URL", "sqlite:////nowhere/at/all.db", "there is no store at /nowhere/at/all.db: "),
        ("DATA_DIR", "/dev/null/data", "there is no store at /dev/null/data/mailseal.db: "),
        ("TLS_CERT_FILE", "/cert.pem", "settings: tls_cert_file and tls_key_file go together"),
    ],
)
def test_a_setting_that_does_not_fit_stops_every_command_with_its_name(empty, name, value, why):
    result = empty.run("user", "list", **{f"MAILSEAL_{name}": value})

    assert (78, "", True) == (result.exit_code, result.stdout, result.stderr.startswith(f"mailseal: {why}")), (
        result.stderr
    )
    assert 1 == result.stderr.count("\n")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "--config: cannot read"),
        ("hostname = ", "is not TOML"),
        ("colour = 'red'", "MAILSEAL_COLOUR: no such setting"),
        ("max_recipients = 0", "MAILSEAL_MAX_RECIPIENTS: "),
    ],
)
def test_a_config_file_that_does_not_fit_stops_every_command(empty, tmp_path, content, why):
    file = tmp_path / "mailseal.toml"
    if content is not None:
        file.write_text(content)

    result = empty.run("--config", str(file), "user", "list")

    assert (78, True) == (result.exit_code, why in result.stderr)


def test_a_config_file_is_read(empty, tmp_path):
    file = tmp_path / "mailseal.toml"
    file.write_text(f'data_dir = "{tmp_path / "other"}"\n')
    del empty.settings["MAILSEAL_DATA_DIR"]

    assert 0 == empty.run("--config", str(file), "init").exit_code
    assert (tmp_path / "other" / "mailseal.db").exists()


def test_init_makes_a_directory_that_only_its_owner_can_enter(empty):
    made = empty.json("init")

    folder = Path(empty.settings["MAILSEAL_DATA_DIR"])
    assert (str(folder), "mx.here.example", HEAD) == (made["data_dir"], made["hostname"], made["revision"])
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert 0o600 == stat.S_IMODE((folder / "secret.key").stat().st_mode)


def test_init_twice_keeps_the_secret(empty):
    empty.ok("init")
    secret = Path(empty.settings["MAILSEAL_DATA_DIR"], "secret.key")
    first = secret.read_bytes()

    empty.ok("init")

    assert first == secret.read_bytes()


def test_another_secret_key_cannot_open_what_was_kept(cli):
    result = cli.run(
        "agent", "show", "bot@agents.example", "--secret", MAILSEAL_SECRET_KEY="another secret key altogether"
    )

    assert (78, "") == (result.exit_code, result.stdout)
    place = Path(cli.settings["MAILSEAL_DATA_DIR"], "mailseal.db")
    assert result.stderr.startswith(f"mailseal: MAILSEAL_SECRET_KEY is not the master key of the store {place}: ")


def test_an_empty_postgresql_holds_no_store_and_only_init_makes_one(empty, empty_postgres_url):
    empty.settings["MAILSEAL_DATABASE_URL"] = empty_postgres_url

    for command in (["user", "list"], ["migrate"]):
        result = empty.run(*command)
        assert (78, True) == (result.exit_code, "holds no store: run `mailseal init`" in result.stderr)
    empty.ok("init")

    assert OWNER == empty.json("user", "create", OWNER)["email"]


def test_postgresql_of_an_earlier_revision_says_what_to_do(empty, empty_postgres_url):
    engine = open_engine(empty_postgres_url)
    upgrade(engine, to="0005")
    engine.dispose()
    empty.settings["MAILSEAL_DATABASE_URL"] = empty_postgres_url

    result = empty.run("user", "list")

    assert 78 == result.exit_code
    assert result.stderr.startswith(f"mailseal: the database is at revision 0005, this program needs {HEAD}")
    assert result.stderr.endswith("run `mailseal migrate`, or `mailseal serve --migrate`\n")


def test_a_database_that_lets_nothing_be_made_says_so(empty, empty_postgres_url):
    engine = open_engine(empty_postgres_url)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on"))
    engine.dispose()
    empty.settings["MAILSEAL_DATABASE_URL"] = empty_postgres_url

    result = empty.run("init")

    assert (75, True) == (
        result.exit_code,
        "cannot be migrated: cannot execute CREATE TABLE in a read-only" in result.stderr,
    )


def test_no_password_is_shown(empty, empty_postgres_url):
    url = make_url(empty_postgres_url).set(password="swordfish")
    empty.settings["MAILSEAL_DATABASE_URL"] = url.render_as_string(hide_password=False)

    shown = empty.ok("init")

    assert (True, False) == ("***" in shown, "swordfish" in shown)


def test_a_database_of_a_later_release_goes_on_working(cli):
    engine = open_engine(sqlite_url(Path(cli.settings["MAILSEAL_DATA_DIR"], "mailseal.db")))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    engine.dispose()

    assert OWNER == cli.json("user", "list")["items"][0]["email"]


@pytest.mark.parametrize("arguments", [["--help"], ["agent", "--help"], ["inject", "-h"], ["serve", "--help"]])
def test_help_needs_no_settings(empty, arguments):
    result = empty.run(*arguments, MAILSEAL_FOO="1")

    assert (0, True) == (result.exit_code, result.stdout.startswith("Usage:"))


def test_the_version_is_told(empty):
    assert "version" in empty.ok("--version")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["agent", "nonsense"], ["user", "create"], ["message", "list", "--limit", "0"]]
)
def test_a_command_that_is_none_is_a_question_of_usage(empty, arguments):
    assert 2 == empty.run(*arguments).exit_code


def test_the_program_can_be_run_as_a_module(empty):
    done = empty.process("init")

    assert (0, b"") == (done.returncode, done.stderr)
