"""The systemd units: what systemd says of them, and that they fit the program."""

import re
import subprocess
import tomllib
from shutil import which

import pytest

from relay.systemd import SOCKET_NAMES
from tests.project.documents import ROOT

SERVICE, SOCKET = ROOT / "systemd/mailseal.service", ROOT / "systemd/mailseal.socket"
HIGHEST = 15  # tenths: the exposure that `systemd-analyze security` may find
needs_systemd = pytest.mark.skipif(which("systemd-analyze") is None, reason="no systemd-analyze on this machine")


def values(file, name):
    return re.findall(rf"^{name}=(.*)$", file.read_text(), re.MULTILINE)


@needs_systemd
def test_the_service_is_exposed_little():
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={HIGHEST}", str(SERVICE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert 0 == done.returncode, done.stdout[-200:] + done.stderr


@needs_systemd
def test_systemd_understands_each_line():
    command = ["systemd-analyze", "verify", str(SERVICE), str(SOCKET)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    absent = "Command /opt/mailseal/bin/mailseal is not executable"

    assert [] == [line for line in done.stderr.splitlines() if "mailseal." in line and absent not in line]


def test_the_service_restarts_reloads_and_is_watched():
    wanted = {
        "Restart": "always",
        "Type": "notify",
        "UMask": "0077",
        "LimitCORE": "0",
        "RestartPreventExitStatus": "78",
    }

    assert {name: [value] for name, value in wanted.items()} == {name: values(SERVICE, name) for name in wanted}
    assert ["/bin/kill -HUP $MAINPID"] == values(SERVICE, "ExecReload")
    assert int(values(SERVICE, "WatchdogSec")[0]) >= 30
    assert 2 == len(values(SERVICE, "LoadCredential"))


def test_the_socket_has_a_name_that_the_daemon_knows():
    assert set(values(SOCKET, "FileDescriptorName")) <= set(SOCKET_NAMES)
    assert ["mailseal.service"] == values(SOCKET, "Service")


def test_the_wheel_carries_both_units():
    shared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert {"systemd/mailseal.service", "systemd/mailseal.socket"} <= shared["shared-data"].keys()
