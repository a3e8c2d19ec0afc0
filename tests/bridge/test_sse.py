"""Events out of bytes, as the standard reads them, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge import sse
from relay.bridge.sse import LineTooLong, Parser, ResumeMark, SseEvent


def parsed(stream, *cuts):
    """What a parser gives of *stream*, cut at these places."""
    parser, found, start = Parser(), [], 0
    for cut in (*sorted(cuts), len(stream)):
        found += parser.feed(stream[start:cut])
        start = cut
    return found


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", []),
        (b":\n\n", []),
        (b"data: a\n\n", [SseEvent(None, "message", "a")]),
        (b"data:a\n\n", [SseEvent(None, "message", "a")]),
        (b"data:  a\n\n", [SseEvent(None, "message", " a")]),
        (b"data\n\n", [SseEvent(None, "message", "")]),
        (b"data: a\ndata: b\n\n", [SseEvent(None, "message", "a\nb")]),
        (b"data: a: b\n\n", [SseEvent(None, "message", "a: b")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [SseEvent(None, "x", "a"), SseEvent(None, "message", "b")]),
        (b"id: 1\ndata: a\n\ndata: b\n\n", [SseEvent("1", "message", "a"), SseEvent("1", "message", "b")]),
        (b"id: 1\n\ndata: b\n\n", [ResumeMark("1"), SseEvent("1", "message", "b")]),
        (b"id: 1\n\nid\ndata: b\n\n", [ResumeMark("1"), SseEvent("", "message", "b")]),
        (b"id: 1\0\ndata: b\n\n", [SseEvent(None, "message", "b")]),
        (b"retry: 2000\nid: 9\n\n:\n\n", [ResumeMark("9")]),
        (b"retry: 5\nunknown: x\n: said aside\ndata: b\n\n", [SseEvent(None, "message", "b")]),
        (b"event: x\n\ndata: b\n\n", [SseEvent(None, "message", "b")]),
        (b"data: a\r\rdata: b\r\n\r\n", [SseEvent(None, "message", "a"), SseEvent(None, "message", "b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [SseEvent(None, "message", "a")]),
        (b"\n\ndata: \xef\xbb\xbfa\n\n", [SseEvent(None, "message", "\ufeffa")]),
        ("data: Grüße\u2028\n\n".encode(), [SseEvent(None, "message", "Grüße\u2028")]),
        (b"data: \xff\n\n", [SseEvent(None, "message", "\ufffd")]),
        (b"data: a\n\nid: 2\ndata: b\n", [SseEvent(None, "message", "a")]),
    ],
)
def test_a_stream_is_read_as_the_standard_says_wherever_it_is_cut(stream, expected):
    assert expected == parsed(stream)
    assert [expected] * len(stream) == [parsed(stream, cut) for cut in range(len(stream))]
    assert expected == parsed(stream, *range(len(stream)))


def test_the_place_to_go_on_is_that_of_what_has_ended():
    parser = Parser()
    list(parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b"))
    assert "1" == parser.last_id

    list(parser.feed(b"\n\n"))
    assert "2" == parser.last_id


def test_a_line_without_an_end_is_no_stream():
    parser = Parser()
    part = b"x" * (sse.MAX_LINE // 2 + 1)
    list(parser.feed(part))

    with pytest.raises(LineTooLong):
        list(parser.feed(part))


@given(st.lists(st.tuples(st.text(), st.text(st.characters(exclude_characters="\r\n\0"))), max_size=4), st.data())
def test_what_a_server_writes_is_what_is_read(events, data):
    lines = [
        (word.replace("\r", "").replace("\n", "").encode("utf-8", "replace"), text.encode("utf-8", "replace"))
        for word, text in events
    ]
    stream = b"".join(b"event: %b\ndata: %b\n\n" % each for each in lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=5))

    expected = [SseEvent(None, kind.decode() or "message", text.decode()) for kind, text in lines]
    assert expected == parsed(stream, *cuts)
