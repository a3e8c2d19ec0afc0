"""The master key is replaced in steps, and after an end at any of them one key opens the store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.database import make_database, open_database
from relay.directory.agents import read_secrets
from relay.errors import Misconfigured
from relay.master_files import read_master
from relay.rotation import rotate_master
from relay.settings import load
from tests.places import Places

ROOT = Path(__file__).resolve().parents[1]
STEPS = ("make the new key", "encrypt", "replace the key file", "done")
AGENT = "poll@agents.example"
# Rotates the key of the store in argv[1], and is killed before the step argv[2].
ROTATES = """
import os, signal, sys
from relay.clock import SystemClock
from relay.database import open_database
from relay.rotation import rotate_master
from relay.settings import load

settings = load({"MAILSEAL_DATA_DIR": sys.argv[1], "MAILSEAL_HOSTNAME": "mx.here.example"})
now = SystemClock().now()

def on_step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

rotate_master(open_database(settings, now=now), settings, now=now, on_step=on_step)
"""


def settings_of(folder, **more):
    return load({"MAILSEAL_DATA_DIR": str(folder), "MAILSEAL_HOSTNAME": "mx.here.example"} | more)


@pytest.fixture
def settings(tmp_path):
    made = settings_of(tmp_path / "data")
    store = make_database(made, now=SystemClock().now())
    store.run(Places(SystemClock(), read_master(made)).poll_agent)
    store.engine.dispose()
    return made


def opened_secret(settings):
    """The secret of the agent, as a command would show it now."""
    now = SystemClock().now()
    store = open_database(settings, now=now)
    master = read_master(settings)
    try:
        return store.run(lambda tx: read_secrets(tx, AGENT, master=master, now=now))[0]["secret"]
    finally:
        store.engine.dispose()


def rotate(settings, **more):
    now = SystemClock().now()
    store = open_database(settings, now=now)
    try:
        return rotate_master(store, settings, now=now, **more)
    finally:
        store.engine.dispose()


def test_the_secrets_stay_and_only_the_new_key_opens_them(settings, tmp_path):
    secret, key = opened_secret(settings), Path(settings.secret_place)
    old = key.read_bytes()

    count, kept = rotate(settings)

    assert (2, old, 0o600) == (count, kept.read_bytes(), key.stat().st_mode & 0o777)
    assert old != key.read_bytes()
    assert secret == opened_secret(settings)
    with pytest.raises(Misconfigured, match="is not the master key of the store"):
        open_database(settings_of(tmp_path / "data", MAILSEAL_SECRET_KEY_FILE=str(kept)), now=SystemClock().now())


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_is_killed_at_any_step_leaves_a_store_that_opens(settings, tmp_path, step):
    secret = opened_secret(settings)
    command = [sys.executable, "-c", ROTATES, str(tmp_path / "data"), step]

    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=100, check=False)

    assert -9 == done.returncode
    assert secret == opened_secret(settings)
    rotate(settings)
    assert secret == opened_secret(settings)


def test_a_key_from_elsewhere_is_replaced_by_one_from_elsewhere(settings, tmp_path):
    secret, key = opened_secret(settings), Path(settings.secret_place)
    given = tmp_path / "credential"
    key.rename(given)
    new = tmp_path / "new"
    new.write_text("a new master key from the operator")
    elsewhere = settings_of(tmp_path / "data", MAILSEAL_SECRET_KEY_FILE=str(given))

    with pytest.raises(Misconfigured, match="--new-key-file"):
        rotate(elsewhere)
    rotate(elsewhere, new_file=new)

    assert secret == opened_secret(settings_of(tmp_path / "data", MAILSEAL_SECRET_KEY_FILE=str(new)))
