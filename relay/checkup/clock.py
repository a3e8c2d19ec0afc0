"""Whether this machine's clock is kept by anybody: signatures and leases go by it."""

import shutil
import subprocess
from typing import Final

from relay.finding import Finding, ok, skipped, warning

_SECONDS: Final = 5


def check_clock() -> list[Finding]:
    """What systemd says of it, where there is systemd."""
    program = shutil.which("timedatectl")
    if program is None:
        return [skipped("clock", "no timedatectl to ask")]
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True, text=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return [skipped("clock", "timedatectl does not say")]
    if done.stdout.strip() == "yes":
        return [ok("clock", "kept by NTP")]
    return [warning("clock", "not kept by NTP", "Run a time service: webhooks refuse signatures 5 minutes off.")]
