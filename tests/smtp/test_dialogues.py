"""Whole sessions, written down as text in tests/dialogues."""

import asyncio
from pathlib import Path

import pytest

from relay.smtp.limits import Limits
from tests.smtp.dialogue import play, read

FILES = sorted((Path(__file__).parent.parent / "dialogues").glob("*.smtp"))
LIMITS = Limits(max_message_bytes=2000, max_recipients=3, data_line_bytes=1000, max_errors=8, linger_seconds=0.2)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_dialogue_goes_as_written(file, open_server, connect, collector):
    client = await connect(await open_server(LIMITS))
    async with asyncio.timeout(10):
        await play(read(file), client, collector)


def test_there_are_dialogues():
    assert len(FILES) > 15
