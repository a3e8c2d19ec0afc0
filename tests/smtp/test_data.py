"""The end of a mail, its dots and its faults, for chunks of any size."""

import re
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.smtp.data import BdatReceiver, DataFault, DotReceiver, has_fake_end
from tests.cost import SECOND, cost

PIECES = [b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"abcdefgh", b"\0", b"\r\n.\r\n", b"\r\n.", b"QUIT", b"\r\n\r\n"]
MAX_LINE, MAX_BYTES = 7, 25
streams = st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join)
clean_streams = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"bcd", b"\r\n.\r\n"]), max_size=14).map(b"".join)


def feed(receiver, chunks):
    kept = b""
    for at, chunk in enumerate(chunks):
        kept += receiver.feed(chunk)
        if receiver.done:
            return kept, receiver.rest + b"".join(chunks[at + 1 :])
    return kept, b""


def cut(stream, places):
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def reference(stream):
    """The definition, line by line: (mail, behind it, whether it is spoilt), or None without an end."""
    lines = stream.split(b"\r\n")
    if b"." not in lines[:-1]:
        return None
    end = lines.index(b".")
    mail = [line.removeprefix(b".") for line in lines[:end]]
    spoilt = any(sign in line for line in mail for sign in (b"\r", b"\n", b"\0"))
    body = b"".join(line + b"\r\n" for line in mail)
    spoilt = spoilt or any(len(line) > MAX_LINE for line in mail) or len(body) > MAX_BYTES
    return body, b"\r\n".join(lines[end + 1 :]), spoilt


@given(stream=streams, places=st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=400)
def test_data_is_as_defined_line_by_line_whatever_the_chunks(stream, places):
    receiver = DotReceiver(max_bytes=MAX_BYTES, max_line=MAX_LINE)
    kept, rest = feed(receiver, cut(stream, places))
    expected = reference(stream)
    if expected is None:
        assert not receiver.done
        return
    body, behind, spoilt = expected
    assert receiver.done
    assert behind == rest
    assert spoilt == (receiver.fault is not None)
    if not spoilt:
        assert body == kept


@given(body=clean_streams, places=st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=200)
def test_a_stuffed_mail_comes_back_as_it_was(body, places):
    body += b"\r\n"
    stuffed = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in body.split(b"\r\n")[:-1])
    receiver = DotReceiver(max_bytes=1000, max_line=1000)

    assert (body, b"NOOP\r\n") == feed(receiver, cut(stuffed + b".\r\nNOOP\r\n", places))
    assert receiver.fault is None


@given(
    stream=streams, places=st.lists(st.integers(0, 200), max_size=8), blocks=st.lists(st.integers(0, 200), max_size=4)
)
@settings(max_examples=300)
def test_chunks_of_bdat_are_counted_and_judged_as_one_mail(stream, places, blocks):
    receiver = BdatReceiver(max_bytes=1000, max_line=1000)
    parts = cut(stream, blocks)
    kept = b""
    for at, part in enumerate(parts):
        receiver.begin(len(part), last=at == len(parts) - 1)
        got, rest = feed(receiver, [*cut(part, places), b"NEXT"])
        kept += got
        assert receiver.done
        assert rest in {b"NEXT", b"NEXTNEXT"} or rest.endswith(b"NEXT")
    bare = stream.replace(b"\r\n", b"")
    spoilt = any(sign in bare for sign in (b"\r", b"\n", b"\0"))

    assert spoilt == (receiver.fault is not None)
    if not spoilt:
        assert stream == kept


@pytest.mark.parametrize(
    "fake",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\n\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\n.\r",
        b"\r.\n",
        b"\r\n.\n\r\n",
    ],
)
def test_a_fake_end_of_data_ends_nothing_and_spoils_the_mail(fake):
    stream = b"Subject: x\r\n\r\nbody" + fake + b"MAIL FROM:<evil@there.example>\r\n.\r\nQUIT\r\n"
    for chunks in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        receiver = DotReceiver(max_bytes=1000, max_line=1000)
        _, rest = feed(receiver, chunks)
        assert b"QUIT\r\n" == rest
        assert receiver.fault in {DataFault.BARE_LINE_END, DataFault.NUL}


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"a\nb\r\n.\r\n", DataFault.BARE_LINE_END),
        (b"a\rb\r\n.\r\n", DataFault.BARE_LINE_END),
        (b"\n\r\n.\r\n", DataFault.BARE_LINE_END),
        (b"a\0b\r\n.\r\n", DataFault.NUL),
        (b"a" * 51 + b"\r\n.\r\n", DataFault.LINE_TOO_LONG),
        (b"a" * 50 + b"\r\n.\r\n", None),
        (b"." + b"." * 50 + b"\r\n.\r\n", None),
        (b"a" * 48 + b"\r\n" + b"b" * 48 + b"\r\n.\r\n", None),
        (b"a" * 48 + b"\r\n" + b"b" * 48 + b"\r\n\r\n.\r\n", DataFault.TOO_LARGE),
        (b".\r\n", None),
        (b"\r\n.\r\n", None),
    ],
)
def test_the_limits_of_a_mail_hold_to_the_octet(stream, fault):
    for size in (1, 3, 1000):
        receiver = DotReceiver(max_bytes=100, max_line=50)
        feed(receiver, [stream[at : at + size] for at in range(0, len(stream), size)])
        assert receiver.done
        assert fault == receiver.fault


def test_nothing_is_handed_out_behind_a_fault():
    receiver = DotReceiver(max_bytes=10, max_line=100)

    assert b"1234567\r\na" == receiver.feed(b"1234567\r\na")
    assert b"" == receiver.feed(b"toolong\r\nx")
    assert DataFault.TOO_LARGE is receiver.fault
    assert b"" == receiver.feed(b"y\nz\r\n.\r\n")
    assert DataFault.TOO_LARGE is receiver.fault


def test_a_cr_at_the_end_of_a_bdat_mail_is_bare():
    receiver = BdatReceiver(max_bytes=100, max_line=100)
    receiver.begin(2, last=False)
    assert b"a" == receiver.feed(b"a\r")
    receiver.begin(0, last=True)
    assert b"" == receiver.feed(b"QUIT")

    assert DataFault.BARE_LINE_END is receiver.fault
    assert b"QUIT" == receiver.rest


def test_a_crlf_across_two_bdat_chunks_is_whole():
    receiver = BdatReceiver(max_bytes=100, max_line=100)
    receiver.begin(2, last=False)
    kept = receiver.feed(b"a\r")
    receiver.begin(2, last=True)
    kept += receiver.feed(b"\nb")

    assert b"a\r\nb" == kept
    assert receiver.fault is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [(b"\r\n", None), (b".\r\n", None), (b"x" * 998 + b"\r\n", None), (b"x", DataFault.LINE_TOO_LONG)],
)
def test_25_megabytes_cost_little_and_take_no_memory(line, fault):
    # A lone dot would end the mail, so it is stuffed.
    stuffed = b"." + line if line == b".\r\n" else line
    block = stuffed * (65_536 // len(stuffed))
    receiver = DotReceiver(max_bytes=1 << 25, max_line=65_536)

    def receive():
        for _ in range(25 * 1024 * 1024 // len(block)):
            receiver.feed(block)
            assert len(receiver._held) <= 4
        receiver.feed(b"\r\n.\r\n")

    assert cost(receive, rounds=1) < 1.5 * SECOND
    assert receiver.done
    assert fault == receiver.fault


def test_octet_by_octet_costs_no_more_than_linear():
    receiver = DotReceiver(max_bytes=1 << 25, max_line=65_536)

    def receive():
        for octet in (b"\r", b"\n", b".") * 30_000:
            receiver.feed(octet)

    assert cost(receive, rounds=1) < 1.5 * SECOND


FAKE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\rx", b"\r.\r", b"a\n.b", b"a.\nb"]
HARMLESS = [b"end.\r\nnext", b"\r\n..\r\n", b"a.b", b"\r\n.x\r\n"]


def received(octets, size):
    receiver = DotReceiver(max_bytes=10_000, max_line=1000)
    stream = b"Subject: x\r\n\r\n" + octets + b"more\r\n.\r\n"
    for at in range(0, len(stream), size):
        receiver.feed(stream[at : at + size])
        if receiver.done:
            break
    return receiver


@pytest.mark.parametrize("octets", FAKE_ENDS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_bare_line_end_beside_a_dot_is_seen(octets, size):
    receiver = received(octets, size)
    assert DataFault.BARE_LINE_END is receiver.fault
    assert receiver.smuggles


@pytest.mark.parametrize("octets", FAKE_ENDS)
def test_one_behind_another_fault_is_seen_too(octets):
    assert received(b"x\0y\r\n" + b"z" * 50 + octets, 7).smuggles


@pytest.mark.parametrize("octets", [*HARMLESS, b"a\nb", b"a\rb"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_other_octets_leave_the_session_open(octets, size):
    receiver = received(octets, size)
    assert not receiver.smuggles
    assert (receiver.fault is None) is (octets in HARMLESS)


def test_a_fake_end_is_a_bare_line_end_next_to_a_dot():
    expression = re.compile(rb"(?<!\r)\n\.|\.\n|\r\.|\.\r[^\n]")
    texts = [bytes(text) for size in range(7) for text in product(b".\r\nx", repeat=size)]
    assert all(has_fake_end(text) == (expression.search(text) is not None) for text in texts)
