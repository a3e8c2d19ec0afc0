"""Where a listener goes on, in memory and in a file."""

import pytest

from relay.bridge.resume_point import ResumePoint, load_resume_point
from relay.errors import Misconfigured

BOT = "bot@agents.example"


def test_without_a_file_a_place_is_forgotten():
    place = load_resume_point(BOT, None)
    place.keep("7")

    assert ("7", None) == (place.last_id, load_resume_point(BOT, None).last_id)


def test_a_place_is_found_again_in_its_file(tmp_path):
    file = tmp_path / "place.json"
    place = load_resume_point(BOT, file)
    assert (None, False) == (place.last_id, file.exists())
    place.keep("6")
    place.keep("7")

    assert ResumePoint(BOT, file, "7") == load_resume_point(BOT, file)
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not a file of"),
        (b"\xff", "is not a file of"),
        (b"[]", "is not a file of"),
        (b'{"agent": "bot@agents.example"}', "is not a file of"),
        (b'{"agent": "bot@agents.example", "last_event_id": 7}', "is not a file of"),
        (b'{"agent": "bot@agents.example", "last_event_id": "7\\r\\nX: y"}', "is not a file of"),
        (b'{"agent": "other@agents.example", "last_event_id": "7"}', "belongs to other@agents.example"),
    ],
)
def test_a_file_of_anything_else_is_left_alone(tmp_path, content, why):
    file = tmp_path / "place.json"
    file.write_bytes(content)

    with pytest.raises(Misconfigured, match=why):
        load_resume_point(BOT, file)

    assert content == file.read_bytes()


def test_a_file_that_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(Misconfigured, match="cannot read"):
        load_resume_point(BOT, tmp_path)
    place = load_resume_point(BOT, tmp_path / "nowhere" / "place.json")

    with pytest.raises(Misconfigured, match=r"cannot write .*No such file"):
        place.keep("7")
