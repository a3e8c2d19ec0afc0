import select
import subprocess
import sys

import pytest

from relay.clock import SystemClock
from relay.daemon import Daemon
from relay.data_dir_lock import exclusive_lock, shared_lock, sole_process
from relay.database import make_database
from relay.errors import DaemonRuns
from relay.settings import load

HOLD = """
import sys
from pathlib import Path
from relay.data_dir_lock import shared_lock
with shared_lock(Path(sys.argv[1])):
    print("running", flush=True)
    sys.stdin.read()
"""


def test_several_daemons_may_run_in_a_data_directory(tmp_path):
    with shared_lock(tmp_path), shared_lock(tmp_path):
        pass


def test_nobody_has_a_data_directory_alone_while_a_daemon_runs(tmp_path):
    with shared_lock(tmp_path), pytest.raises(DaemonRuns, match="stop it first"), exclusive_lock(tmp_path):
        pass

    with exclusive_lock(tmp_path):
        pass


def test_no_daemon_starts_while_somebody_has_the_data_directory_alone(tmp_path):
    with exclusive_lock(tmp_path), pytest.raises(DaemonRuns, match="being moved"), shared_lock(tmp_path):
        pass


def test_a_daemon_that_was_killed_is_in_nobody_s_way(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert b"running\n" == process.stdout.readline()
        with pytest.raises(DaemonRuns), exclusive_lock(tmp_path):
            pass
        process.kill()

    with exclusive_lock(tmp_path):
        pass


def test_the_first_at_a_data_directory_is_told_so(tmp_path):
    with sole_process(tmp_path) as is_first:
        assert is_first
    with shared_lock(tmp_path), sole_process(tmp_path) as is_first:
        assert not is_first
    with sole_process(tmp_path) as is_first:
        assert is_first


def test_who_comes_while_another_looks_whether_it_is_the_first_waits_for_that(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with sole_process(tmp_path), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        is_there = select.select([process.stdout], [], [], 1)[0]
        assert not is_there
        with sole_process(tmp_path) as is_first:
            assert not is_first
        process.kill()


async def test_a_daemon_has_its_data_directory_in_use_from_start_to_stop(tmp_path):
    anywhere = {"MAILSEAL_SMTP_LISTEN": "127.0.0.1:0", "MAILSEAL_HTTP_LISTEN": "127.0.0.1:0"}
    settings = load({"MAILSEAL_DATA_DIR": str(tmp_path), "MAILSEAL_HOSTNAME": "mx.here.example"} | anywhere)
    daemon = Daemon(settings, store=make_database(settings, now=SystemClock().now()))
    await daemon.start()
    with pytest.raises(DaemonRuns), exclusive_lock(tmp_path):
        pass
    await daemon.stop()

    with exclusive_lock(tmp_path), pytest.raises(DaemonRuns):
        await Daemon(settings).start()
