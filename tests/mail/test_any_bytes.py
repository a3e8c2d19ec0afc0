"""Whatever the bytes are: something is answered, and it can be kept and sent as it is."""

import dataclasses
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.mail.headers import split_headers
from relay.mail.parse import attachment, parse
from relay.mail.reply_text import reply_text
from relay.mail.summary import summarise
from tests.mail.letters import LETTERS

SAMPLES = [path.read_bytes() for path in sorted(LETTERS.glob("*.eml"))]
SOUP = st.lists(
    st.sampled_from(
        [b"\r\n", b"--x", b"--", b"Content-Type: multipart/mixed; boundary=x\r\n", b"Content-Type: text/html; charset=utf-7\r\n",
         b"Content-Disposition: attachment; filename*0*=utf-8''%00%ff\r\n", b"Content-Transfer-Encoding: base64\r\n",
         b"From: =?utf-16?b?2AAA?= <a\x00@b>\r\n", b"Subject: \x9b=?utf-8?q?=1B?=\r\n", b" ", b"\xff\xfe", b"<p>&#0;", b":", b"\x00"]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@st.composite
def mutated_letters(draw):
    raw = bytearray(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 40))
        raw[position : position + length] = draw(st.binary(max_size=20))
    return bytes(raw)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=400), SOUP, mutated_letters()))
def test_no_bytes_fail_and_no_control_character_comes_through(raw):
    summary = summarise(split_headers(raw))
    letter = parse(raw)

    for part in letter.attachments:
        content = attachment(raw, part.index)
        assert content is not None
        assert part.size == len(content.content)
    lines = [*strings(dataclasses.asdict(summary)), *strings(letter.headers), *strings(letter.defects)]
    lines += [text for part in letter.attachments for text in strings(dataclasses.asdict(part))]
    assert not [line for line in lines if any(is_control(sign) for sign in line)]
    for text in (letter.text, letter.html or "", reply_text(letter.text)):
        assert not any(is_control(sign) for sign in text if sign not in "\t\n")
    json.dumps(dataclasses.asdict(letter), ensure_ascii=False).encode("utf-8")


def is_control(sign):
    return ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F or 0xD800 <= ord(sign) <= 0xDFFF


def strings(value):
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in strings(item)] if isinstance(value, list | tuple) else []
