"""The data directory as it is found."""

import pytest

from relay.checkup.disk import LOW_BYTES, NO_BYTES, _judged, check_data_dir
from relay.settings import Settings


@pytest.fixture
def settings(tmp_path):
    place = tmp_path / "data"
    place.mkdir(mode=0o700)
    (place / "secret.key").write_bytes(b"x" * 32)
    (place / "secret.key").chmod(0o600)
    return Settings(data_dir=place, hostname="mx.here.example")


def states(settings):
    return {each.name: each.state for each in check_data_dir(settings)}


def test_a_directory_as_it_should_be_is_ok(settings):
    found = states(settings)

    assert {"ok"} == {found[name] for name in ("data directory", "master key", "spool")}
    assert {"disk", "inodes"} <= found.keys()


def test_a_directory_that_is_not_there_fails(tmp_path):
    assert {"data directory": "failing"} == states(Settings(data_dir=tmp_path / "none", hostname="mx.here.example"))


def test_what_others_can_read_is_said(settings):
    settings.data_dir.chmod(0o755)
    (settings.data_dir / "secret.key").chmod(0o644)

    found = states(settings)
    assert ("warning", "failing") == (found["data directory"], found["master key"])


def test_a_secret_that_is_gone_fails(settings):
    (settings.data_dir / "secret.key").unlink()

    assert "failing" == states(settings)["master key"]


def test_files_left_in_the_spool_are_counted(settings):
    settings.spool_dir.mkdir()
    (settings.spool_dir / "left").write_bytes(b"")

    assert "warning" == states(settings)["spool"]


@pytest.mark.parametrize(
    ("free", "state"), [(NO_BYTES - 1, "failing"), (NO_BYTES, "warning"), (LOW_BYTES - 1, "warning"), (LOW_BYTES, "ok")]
)
def test_room_is_judged_by_what_is_left(free, state):
    assert state == _judged("disk", free, "", LOW_BYTES, NO_BYTES, "").state
