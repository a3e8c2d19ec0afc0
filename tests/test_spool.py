"""The bytes of one mail while it arrives."""

import stat

import pytest

from relay.errors import SpoolFull
from relay.spool import SPOOL_ABOVE, Spool


@pytest.mark.parametrize("above", [0, 5, 10, 1000])
def test_what_is_written_is_read_again_as_often_as_needed(tmp_path, above):
    with Spool(tmp_path, above=above) as spool:
        for chunk in (b"abc", b"", b"defg", b"hij"):
            spool.write(chunk)

        assert (10, b"abcdefghij") == (spool.size, b"".join(spool.chunks()))
        assert (b"abc", b"abcdefghij") == (spool.head(3), spool.head())
        assert [b"efg", b"hij"] == list(spool.chunks(4, 3))


@pytest.mark.parametrize(("size", "on_disk"), [(0, False), (SPOOL_ABOVE, False), (SPOOL_ABOVE + 1, True)])
def test_a_large_mail_goes_to_disk(tmp_path, size, on_disk):
    with Spool(tmp_path) as spool:
        spool.write(b"x" * size)

        assert on_disk == spool.on_disk


def test_a_mail_that_grows_goes_to_disk_with_what_came_before(tmp_path):
    with Spool(tmp_path, above=4) as spool:
        spool.write(b"abcd")
        spool.write(b"e")
        spool.write(b"f")

        assert (True, b"abcdef") == (spool.on_disk, b"".join(spool.chunks()))


def test_a_file_never_has_a_name(tmp_path):
    with Spool(tmp_path, above=0) as spool:
        spool.write(b"x")

        assert (True, []) == (spool.on_disk, list(tmp_path.iterdir()))


def test_a_directory_is_made_for_its_owner_alone(tmp_path):
    with Spool(tmp_path / "data" / "spool", above=0) as spool:
        spool.write(b"x")

    assert 0o700 == stat.S_IMODE((tmp_path / "data" / "spool").stat().st_mode)


def test_a_small_mail_needs_no_directory(tmp_path):
    with Spool(tmp_path / "spool") as spool:
        spool.write(b"x")

    assert not (tmp_path / "spool").exists()


def test_where_no_file_can_be_made_there_is_no_room(tmp_path):
    (tmp_path / "spool").write_bytes(b"a file")

    with Spool(tmp_path / "spool", above=0) as spool, pytest.raises(SpoolFull):
        spool.write(b"x")


def test_what_did_not_fit_is_not_counted(tmp_path):
    (tmp_path / "spool").write_bytes(b"a file")
    with Spool(tmp_path / "spool", above=3) as spool:
        spool.write(b"abc")

        with pytest.raises(SpoolFull):
            spool.write(b"d")

        assert (3, b"abc") == (spool.size, spool.head())


def test_a_closed_spool_is_empty_handed(tmp_path):
    with Spool(tmp_path) as spool:
        spool.write(b"x")

    with pytest.raises(ValueError, match="closed file"):
        spool.head()
