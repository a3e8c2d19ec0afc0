import tracemalloc
from hashlib import sha256

import dkim.canonicalization as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.body_hash import BodyForm, hash_body
from relay.auth.canonical import CanonicalBody, relaxed_field, simple_field, squeeze
from relay.mail.headers import Field

WHOLE = {True: BodyForm(True, None), False: BodyForm(False, None)}
PIECES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b".", b"  ", b"\r\n\r\n"]), max_size=40)
WILD = st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"x"]), max_size=30)


def canonical(chunks, *, relaxed):
    out = []
    body = CanonicalBody(out.append, relaxed=relaxed)
    for chunk in chunks:
        body.update(chunk)
    body.finish()
    return b"".join(out)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \t\r\n", b" \t\r\n", b""),
        (b" ", b" \r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n", b"a\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.5
        (b"\r\na", b"\r\na\r\n", b"\r\na\r\n"),
        (b"a \r\n \r\nb", b"a \r\n \r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"a\r\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"\n\n\r\n", b"\n\n\r\n", b"\n\n\r\n"),
    ],
)
def test_a_body_has_its_canonical_forms(body, simple, relaxed):
    assert simple == canonical([body], relaxed=False)
    assert relaxed == canonical([body], relaxed=True)


@settings(max_examples=150)
@given(PIECES)
def test_bodies_come_out_as_the_oracle_has_them(pieces):
    body = b"".join(pieces) + b"\r\n"  # as every mail ends; without it the oracle keeps the last blanks

    assert oracle.Simple.canonicalize_body(body) == canonical([body], relaxed=False)
    assert oracle.Relaxed.canonicalize_body(body) == canonical([body], relaxed=True)


@settings(max_examples=150)
@given(WILD, st.booleans())
def test_where_the_chunks_are_cut_changes_nothing(pieces, relaxed):
    body = b"".join(pieces)
    whole = canonical([body], relaxed=relaxed)

    assert whole == canonical([body[place : place + 1] for place in range(len(body))], relaxed=relaxed)
    assert whole == canonical(pieces, relaxed=relaxed)


@pytest.mark.parametrize("filler", [b" ", b"\t", b"\r\n", b" \r\n", b"\r", b"\n", b"a ", b"\r\r\n"])
@pytest.mark.parametrize("relaxed", [True, False])
def test_a_body_made_to_hurt_is_given_out_in_pieces_of_bounded_size(filler, relaxed):
    sizes = []
    body = CanonicalBody(lambda data: sizes.append(len(data)), relaxed=relaxed)

    for _ in range(20):
        body.update(filler * (100_000 // len(filler)))
    body.update(b"x")
    body.finish()

    assert max(sizes) <= 64 * 1024 + 2
    assert len(sizes) < 200


@given(st.binary(max_size=60), st.integers(0, 70))
@settings(max_examples=60)
def test_a_limit_covers_the_first_octets_of_the_canonical_body(body, limit):
    form = BodyForm(True, limit)
    expected = canonical([body], relaxed=True)

    found = hash_body([body[:7], body[7:]], {form})[form]

    assert (sha256(expected[:limit]).digest(), len(expected)) == found


def test_all_forms_are_hashed_in_one_reading():
    readings = []

    def body():
        readings.append(1)
        yield b"a  b\r\n"

    digests = hash_body(body(), {WHOLE[True], WHOLE[False]})

    assert [1] == readings
    assert sha256(b"a b\r\n").digest() == digests[WHOLE[True]].digest
    assert sha256(b"a  b\r\n").digest() == digests[WHOLE[False]].digest


def test_a_body_nobody_asks_for_is_not_read():
    assert {} == hash_body(iter(lambda: pytest.fail("read"), None), set())


@pytest.mark.parametrize(
    ("raw", "relaxed"),
    [
        (b"A: X\r\n", b"a:X\r\n"),
        (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (b"C:\r\n", b"c:\r\n"),
        (b"D: \t \r\n", b"d:\r\n"),
    ],
)
def test_a_field_has_its_canonical_forms(raw, relaxed):
    field = Field(raw[:1].decode().lower(), raw)

    assert relaxed == relaxed_field(field)
    assert raw == simple_field(field)


def test_blanks_are_squeezed():
    assert b"a b c " == squeeze(b"a \t b\tc\t\t")


def test_a_body_of_many_megabytes_is_hashed_in_little_memory():
    chunk = b"The quick brown fox jumps over the lazy dog.\r\n" * 1000
    tracemalloc.start()

    digest = hash_body((chunk for _ in range(200)), {WHOLE[True]})[WHOLE[True]]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 200 * len(chunk) == digest.length
    assert peak < 1_000_000
