"""What an installation gets beside the code: an example of the settings, a unit file, tested versions."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from relay.errors import Misconfigured
from relay.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "packaging" / "mailseal.example.toml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETTING = re.compile(r"^(?:# )?([a-z_]+) = (.+)$", re.MULTILINE)
SETTINGS = SETTING.findall(EXAMPLE.read_text())
GOES_WITH = {
    "tls_cert_file": {"tls_key_file": "/key.pem"},
    "tls_key_file": {"tls_cert_file": "/cert.pem"},
    "smtp_out_username": {"smtp_out_password_file": "/password"},
    "smtp_out_password": {"smtp_out_username": "mailseal"},
    "smtp_out_password_file": {"smtp_out_username": "mailseal"},
}
# In docs/settings.md: MAILSEAL_NAME with its default.
PAGE = dict(
    re.findall(r"^\| `MAILSEAL_([A-Z_]+)` \| (.*?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
)


def test_the_example_of_the_settings_loads():
    assert ("mx.example.net", "json") == (load({}, EXAMPLE).hostname, load({}, EXAMPLE).log_format)


def explained() -> dict[str, str]:
    """For each setting of the example the words above it; settings without a blank line between share them."""
    words, found = "", {}
    for line in EXAMPLE.read_text().splitlines():
        setting = SETTING.match(line)
        if setting:
            found[setting[1]] = words
        else:
            words = line.removeprefix("# ")
    return found


def test_the_example_has_every_setting_of_the_page_once_with_a_line_of_words():
    names = [name for name, _ in SETTINGS]

    assert sorted(Settings.model_fields) == sorted(names)
    assert {name.lower() for name in PAGE} == set(names)
    assert [] == [name for name, words in explained().items() if not 10 < len(words) < 120]


def test_each_line_of_the_example_is_a_setting_with_a_valid_value():
    for name, value in SETTINGS:
        given = tomllib.loads(f"{name} = {value}") | GOES_WITH.get(name, {})
        Settings(**({"hostname": "mx.example"} | given))


def test_each_line_of_the_example_has_the_default_or_names_it_as_the_page_does():
    words, wrong = explained(), []
    for name, value in SETTINGS:
        given = Settings(**({"hostname": "mx.example"} | tomllib.loads(f"{name} = {value}") | GOES_WITH.get(name, {})))
        told = words[name].partition("Default: ")[2]
        is_default = getattr(given, name) == Settings.model_fields[name].get_default()
        if told != ("" if is_default else PAGE[name.upper()].replace("`", "")):
            wrong.append((name, told))

    assert [] == wrong


def test_a_wrong_value_in_a_file_like_the_example_is_named(tmp_path):
    file = tmp_path / "mailseal.toml"
    file.write_text(EXAMPLE.read_text() + "\nmax_recipients = 0\n")

    with pytest.raises(Misconfigured, match="MAILSEAL_MAX_RECIPIENTS"):
        load({}, file)


def test_the_wheel_shares_files_that_exist():
    shared = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]

    assert {
        "systemd/mailseal.service",
        "systemd/mailseal.socket",
        "packaging/mailseal.example.toml",
        "packaging/constraints.txt",
    } == set(shared)
    assert [] == [name for name in shared if not (ROOT / name).is_file()]
    assert all(target == f"share/mailseal/{Path(name).name}" for name, target in shared.items())


def test_the_tested_versions_hold_each_library_within_its_bounds():
    lines = (ROOT / "packaging" / "constraints.txt").read_text().splitlines()
    versions = dict(line.lower().replace("_", "-").split("==") for line in lines if not line.startswith("#"))
    wanted = [Requirement(each) for each in PROJECT["project"]["dependencies"]]

    assert [] == [each.name for each in wanted if not each.specifier.contains(versions.get(each.name, "0"))]


def test_a_run_of_the_checks_installs_the_lower_bounds_and_builds_the_packages():
    run = (ROOT / ".ci" / "run").read_text().splitlines()

    assert {".ci/lower-bounds", "make package", "make demo", "make test", "make check"} <= set(run)
    assert "--resolution lowest-direct" in (ROOT / ".ci" / "lower-bounds").read_text()
