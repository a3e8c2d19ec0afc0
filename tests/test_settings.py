"""Settings: where they come from, what fits, and the secret that is made once."""

import stat
from ipaddress import ip_network
from pathlib import Path

import pytest

from relay.backoff import RETRY_SECONDS
from relay.errors import Misconfigured
from relay.settings import load, make_master_secret, master_secret, smarthost_password
from store.database.connect import open_engine

SECRET = "sixteen bytes or more"


@pytest.fixture
def toml(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "mailseal.toml"
        file.write_text(text)
        return file

    return write


def test_nothing_needs_to_be_set():
    settings = load({"PATH": "/bin", "MAILSEALED": "1"})

    assert ((("127.0.0.1", 2525),), (("127.0.0.1", 8025),), 36_700_160, tuple(RETRY_SECONDS), "none") == (
        settings.smtp_listen, settings.http_listen, settings.max_message_bytes, settings.webhook_retry_seconds, settings.outbound,
    )  # fmt: skip


def test_the_environment_wins_over_the_file(toml):
    file = toml('hostname = "file.example"\nmax_recipients = 7\n')

    settings = load({"MAILSEAL_HOSTNAME": "env.example"}, file)

    assert ("env.example", 7) == (settings.hostname, settings.max_recipients)


def test_an_empty_variable_is_as_good_as_none(toml):
    assert "file.example" == load({"MAILSEAL_HOSTNAME": ""}, toml('hostname = "file.example"')).hostname


def test_variables_of_the_test_suite_are_not_settings():
    load({"MAILSEAL_TEST_DATABASE_URL": "postgresql://x/y"})


@pytest.mark.parametrize(
    "text",
    [
        'smtp_listen = "[::]:25, 0.0.0.0:25"',
        'smtp_listen = ["[::]:25", "0.0.0.0:25"]',
        'MAILSEAL_SMTP_LISTEN = "[::]:25,0.0.0.0:25,"',
    ],
)
def test_a_file_may_write_a_list_either_way(toml, text):
    assert (("::", 25), ("0.0.0.0", 25)) == load({}, toml(text)).smtp_listen


@pytest.mark.parametrize(
    ("name", "written", "field", "value"),
    [
        ("SMTP_LISTEN", "[::1]:2525", "smtp_listen", (("::1", 2525),)),
        ("HTTP_LISTEN", "127.0.0.1:0", "http_listen", (("127.0.0.1", 0),)),
        ("DNS_NAMESERVERS", "127.0.0.1:5353,[::1]:53", "dns_nameservers", (("127.0.0.1", 5353), ("::1", 53))),
        ("HOSTNAME", "MX.Bücher.Example.", "hostname", "mx.xn--bcher-kva.example"),
        ("POSTMASTER", "Ops+x@Agents.Example", "postmaster", "ops@agents.example"),
        ("SHARED_DOMAIN", "Shared.Example", "shared_domain", "shared.example"),
        ("WEBHOOK_RETRY_SECONDS", "1, 2.5,0", "webhook_retry_seconds", (1, 2.5, 0)),
        ("WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8, ::1/128", "webhook_allow_cidrs", (ip_network("127.0.0.0/8"), ip_network("::1/128"))),
        ("MAX_MESSAGE_BYTES", "65536", "max_message_bytes", 65_536),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("DATA_DIR", "/var/lib/mailseal", "data_dir", Path("/var/lib/mailseal")),
    ],
)  # fmt: skip
def test_a_setting_is_read_as_what_it_means(name, written, field, value):
    assert value == getattr(load({f"MAILSEAL_{name}": written}), field)


@pytest.mark.parametrize(
    ("name", "written", "why"),
    [
        ("FOO", "1", "no such setting"),
        ("SMTP_LISTEN", "2525", "'2525' is not HOST:PORT"),
        ("SMTP_LISTEN", "127.0.0.1:", "'127.0.0.1:' is not HOST:PORT"),
        ("SMTP_LISTEN", "127.0.0.1:65536", "'127.0.0.1:65536' is not HOST:PORT"),
        ("SMTP_LISTEN", "127.0.0.1:-1", "'127.0.0.1:-1' is not HOST:PORT"),
        ("SMTP_LISTEN", "127.0.0.1:٢٥", "'127.0.0.1:٢٥' is not HOST:PORT"),
        ("HTTP_LISTEN", "ok.example:1,nonsense", "'nonsense' is not HOST:PORT"),
        ("DNS_NAMESERVERS", "127.0.0.1", "'127.0.0.1' is not HOST:PORT"),
        ("HOSTNAME", "not a name", "not a domain name: 'not a name'"),
        ("POSTMASTER", "nonsense", "not an address: 'nonsense'"),
        ("POSTMASTER", "a@b c", "not a domain name: 'b c'"),
        ("WEBHOOK_ALLOW_CIDRS", "10.0.0.0/99", "'10.0.0.0/99' does not appear to be an IPv4 or IPv6 network"),
        ("WEBHOOK_ALLOW_CIDRS", "10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("WEBHOOK_RETRY_SECONDS", "5,-1", "Input should be greater than or equal to 0"),
        ("WEBHOOK_RETRY_SECONDS", ",", "Value should have at least 1 item after validation, not 0"),
        ("MAX_MESSAGE_BYTES", "1000", "Input should be greater than or equal to 65536"),
        ("MAX_RECIPIENTS", "0", "Input should be greater than or equal to 1"),
        ("API_RATE_PER_KEY", "-1", "Input should be greater than or equal to 0"),
        ("API_MAX_BODY_BYTES", "1000", "Input should be greater than or equal to 65536"),
        ("API_REQUEST_SECONDS", "0", "Input should be greater than 0"),
        ("API_MAX_CONNECTIONS", "0", "Input should be greater than or equal to 1"),
        ("SMTP_IDLE_SECONDS", "0", "Input should be greater than 0"),
        ("LOG_LEVEL", "trace", "Input should be 'debug', 'info', 'warning' or 'error'"),
        ("SECRET_KEY", "short", "String should have at least 16 characters"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_with_why(name, written, why):
    with pytest.raises(Misconfigured) as raised:
        load({f"MAILSEAL_{name}": written})

    assert f"MAILSEAL_{name}: {why}" == str(raised.value)


def test_every_setting_that_does_not_fit_is_named():
    with pytest.raises(Misconfigured) as raised:
        load({"MAILSEAL_FOO": "1", "MAILSEAL_BAR": "2", "MAILSEAL_LOG_FORMAT": "xml"})

    assert ["MAILSEAL_BAR", "MAILSEAL_FOO", "MAILSEAL_LOG_FORMAT"] == sorted(
        line.partition(":")[0] for line in str(raised.value).splitlines()
    )


def test_a_secret_that_is_too_short_is_not_repeated():
    with pytest.raises(Misconfigured) as raised:
        load({"MAILSEAL_SECRET_KEY": "swordfish"})

    assert "swordfish" not in str(raised.value)


def test_a_secret_is_not_shown_with_the_settings():
    assert SECRET not in repr(load({"MAILSEAL_SECRET_KEY": SECRET}))


@pytest.mark.parametrize("name", ["TLS_CERT_FILE", "TLS_KEY_FILE"])
def test_a_certificate_and_its_key_go_together(name):
    with pytest.raises(Misconfigured, match="tls_cert_file and tls_key_file go together"):
        load({f"MAILSEAL_{name}": "/mx.pem"})


def test_a_certificate_with_its_key_is_taken():
    settings = load({"MAILSEAL_TLS_CERT_FILE": "/mx.pem", "MAILSEAL_TLS_KEY_FILE": "/mx.key"})

    assert ((Path("/mx.pem"),), (Path("/mx.key"),)) == (settings.tls_cert_file, settings.tls_key_file)


@pytest.mark.parametrize(
    ("text", "why"),
    [("hostname = ", "is not TOML"), ("\x00", "is not TOML"), ("colour = 1", "MAILSEAL_COLOUR: no such setting")],
)
def test_a_file_that_does_not_fit_says_why(toml, text, why):
    with pytest.raises(Misconfigured, match=why):
        load({}, toml(text))


def test_a_file_that_is_no_utf8_says_so(tmp_path):
    file = tmp_path / "mailseal.toml"
    file.write_bytes(b"hostname = '\xff'")

    with pytest.raises(Misconfigured, match="is not TOML"):
        load({}, file)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(Misconfigured, match=r"--config: cannot read .*: No such file or directory"):
        load({}, tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({}, "http://127.0.0.1:8025"),
        ({"MAILSEAL_HTTP_LISTEN": "[::1]:80,127.0.0.1:81"}, "http://[::1]:80"),
        ({"MAILSEAL_PUBLIC_URL": "https://relay.example/mail/"}, "https://relay.example/mail"),
    ],
)
def test_links_begin_at_the_public_url_or_where_http_is_spoken(environ, base):
    assert base == load(environ).base_url


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"MAILSEAL_DATA_DIR": "/data"}, "sqlite:////data/mailseal.db"),
        ({"MAILSEAL_DATA_DIR": "/data", "MAILSEAL_DATABASE_URL": "postgresql://h/x"}, "postgresql://h/x"),
    ],
)
def test_the_database_is_in_the_data_directory_unless_told_otherwise(environ, url):
    assert url == load(environ).database


@pytest.mark.parametrize("name", ["da ta", "a?b=c", "a#b", "a%41b", "a@b:c", "\u00e9"])
def test_a_data_directory_may_have_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    engine = open_engine(load({"MAILSEAL_DATA_DIR": str(tmp_path / name)}).database)

    engine.connect().close()

    engine.dispose()
    assert (tmp_path / name / "mailseal.db").exists()


@pytest.fixture
def at(tmp_path):
    return lambda **more: load({"MAILSEAL_DATA_DIR": str(tmp_path / "data")} | more)


def test_a_secret_is_made_once_for_its_owner_alone(at, tmp_path):
    make_master_secret(at())
    first = master_secret(at())

    file = tmp_path / "data" / "secret.key"
    assert (0o600, 0o700) == (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode))
    make_master_secret(at())
    assert first == master_secret(at())


def test_a_missing_secret_is_never_made_by_reading_it(at, tmp_path):
    with pytest.raises(Misconfigured, match=r"the master key .*secret\.key is missing: put back the key"):
        master_secret(at())

    assert not (tmp_path / "data").exists()


def test_two_relays_have_two_secrets(tmp_path):
    relays = [load({"MAILSEAL_DATA_DIR": str(tmp_path / name)}) for name in ("one", "other")]
    for each in relays:
        make_master_secret(each)
    one, other = (master_secret(each) for each in relays)

    assert (True, True) == (one != other, len(one) >= 32)


def test_a_given_secret_is_used_and_none_is_made(at, tmp_path):
    assert SECRET.encode() == master_secret(at(MAILSEAL_SECRET_KEY=SECRET))
    assert not (tmp_path / "data").exists()


def test_a_secret_is_read_from_the_file_given(at, tmp_path):
    file = tmp_path / "credential"
    file.write_text(SECRET + "\n")

    assert SECRET.encode() == master_secret(at(MAILSEAL_SECRET_KEY_FILE=str(file)))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", ["", "short\n", " " * 100])
def test_a_file_with_a_short_secret_is_refused(at, tmp_path, content):
    file = tmp_path / "credential"
    file.write_text(content)

    with pytest.raises(Misconfigured, match=r"MAILSEAL_SECRET_KEY_FILE: .* holds less than 16 bytes"):
        master_secret(at(MAILSEAL_SECRET_KEY_FILE=str(file)))


def test_a_file_that_was_named_is_never_made(at, tmp_path):
    file = tmp_path / "credential"

    with pytest.raises(Misconfigured, match=r"the master key .* is missing: .*MAILSEAL_SECRET_KEY_FILE"):
        master_secret(at(MAILSEAL_SECRET_KEY_FILE=str(file)))

    assert not file.exists()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"SMTP_OUT_USERNAME": "me"}, "goes with one of"),
        ({"SMTP_OUT_PASSWORD": "x"}, "goes with one of"),
        ({"SMTP_OUT_USERNAME": "me", "SMTP_OUT_PASSWORD": "x", "SMTP_OUT_TLS": "none"}, "in clear"),
        ({"SMTP_OUT_PORT": "0"}, "SMTP_OUT_PORT"),
        ({"SES_ENDPOINT_URL": "ftp://x"}, "SES_ENDPOINT_URL"),
        ({"SES_CONFIGURATION_SET": "a b"}, "SES_CONFIGURATION_SET"),
    ],
)
def test_a_courier_that_could_not_carry_stops_the_start(given, why):
    with pytest.raises(Misconfigured, match=why):
        load({f"MAILSEAL_{name}": value for name, value in given.items()})


def test_the_smarthosts_password_is_read_from_its_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("right\n")
    settings = load({"MAILSEAL_SMTP_OUT_USERNAME": "me", "MAILSEAL_SMTP_OUT_PASSWORD_FILE": str(file)})

    assert "right" == smarthost_password(settings)
    file.unlink()
    with pytest.raises(Misconfigured, match="SMTP_OUT_PASSWORD_FILE"):
        smarthost_password(settings)
