"""API keys: their form, their checksum and what is kept of them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.signing.keys import hash_key, is_key, new_key, prefix

KEY = new_key(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32))
def test_every_new_key_has_the_form_of_a_key(random_bytes):
    key = new_key(random_bytes)

    assert key.startswith("mk_")
    assert len(key) == 52
    assert is_key(key)


@pytest.mark.parametrize("random_bytes", [bytes(32), b"\xff" * 32])
def test_the_least_and_the_greatest_chance_fit(random_bytes):
    assert is_key(new_key(random_bytes))


def test_other_chance_gives_another_key():
    assert new_key(b"a" * 32) != new_key(b"b" * 32)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_less_chance_is_not_made(length):
    with pytest.raises(ValueError, match="32 bytes"):
        new_key(b"x" * length)


@pytest.mark.parametrize(
    "text", ["", "mk_", KEY[:-1], KEY + "0", KEY.upper(), " " + KEY, KEY + "\n", "sk" + KEY[2:], KEY[:-1] + "é"]
)
def test_what_is_no_key_is_told_without_the_store(text):
    assert not is_key(text)


@given(st.integers(3, 51), st.sampled_from("0Az"))
def test_a_typing_error_is_found_by_the_checksum(place, letter):
    typed = KEY[:place] + letter + KEY[place + 1 :]

    assert is_key(typed) == (typed == KEY)


def test_the_hash_is_plain_sha256_in_hex():
    assert hashlib.sha256(KEY.encode()).hexdigest() == hash_key(KEY)


def test_a_key_that_is_no_text_of_ours_is_hashed_all_the_same():
    assert len(hash_key("\ud800é")) == 64


def test_twelve_characters_stay_readable():
    assert KEY[:12] == prefix(KEY)
    assert len(prefix(KEY)) == 12
