"""Which workers of a daemon are ready, as its log tells."""

from tests.daemon_process import DaemonProcess


def workers_of(daemon: DaemonProcess) -> dict[int, int]:
    """The process ids of the workers that are ready, by number."""
    found: dict[int, int] = {}
    for line in [*daemon.log]:
        if line["event"] == "worker_ready":
            found[line["worker"]] = line["pid"]
        elif line["event"] == "worker_ended":
            found.pop(line["worker"], None)
    return found
