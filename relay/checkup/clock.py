"""Check that NTP sets this machine's clock: signatures and leases depend on it."""

import shutil
import subprocess
from typing import Final

from relay.finding import Finding, ok, skipped, warning

_SECONDS: Final = 5


def check_clock() -> list[Finding]:
    """Ask systemd whether the clock is synchronised; skipped without systemd."""
    program = shutil.which("timedatectl")
    if program is None:
        return [skipped("clock", "there is no timedatectl")]
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True, text=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return [skipped("clock", "timedatectl gave no answer")]
    if done.stdout.strip() == "yes":
        return [ok("clock", "synchronised by NTP")]
    return [
        warning("clock", "not synchronised by NTP", "Run an NTP service: webhooks refuse signatures 5 minutes off.")
    ]
