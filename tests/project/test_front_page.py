"""The README is a front page: short, with one picture, two commands and an agent; the rest is in docs/."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "README.md").read_text().splitlines()
PICTURE = ROOT / "docs" / "images" / "approval-phone.png"


def test_the_readme_has_at_most_120_lines_of_at_most_100_columns():
    assert len(LINES) <= 120
    assert [] == [line for line in LINES if len(line) > 100]


def test_the_readme_shows_one_picture_as_wide_as_a_phone_and_small_to_load():
    shown = re.findall(r'<img src="([^"]+)"', "\n".join(LINES))
    width = int.from_bytes(PICTURE.read_bytes()[16:20])

    assert ["docs/images/approval-phone.png"] == shown
    assert (390, True) == (width, PICTURE.stat().st_size < 50_000)


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile():
    shown = [line.split()[1] for line in LINES if line.startswith("make ")]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert ["demo", "test"] == shown
    assert set(shown) <= set(targets)
