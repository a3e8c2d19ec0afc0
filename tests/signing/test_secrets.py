"""Signing secrets as their owner sees them and as they lie in the store."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import BadSecret, Misconfigured
from relay.signing.secrets import Secret, decrypt, derive, encrypt, master_key, new_secret, parse_whsec, whsec

SECRET = Secret(bytes(range(32)))
MASTER = master_key(b"an operator's master key, random")
NONCE = b"123456789012"
ROW = "support@agents.example key_1"


def test_a_secret_never_shows_itself():
    assert repr(SECRET) == "Secret(…)"
    assert str(SECRET) == "Secret(…)"
    assert f"{[SECRET]}" == "[Secret(…)]"


def test_the_master_key_shows_nothing():
    assert repr(MASTER) == "MasterKey()"


def test_a_secret_is_written_in_the_standard_webhooks_form():
    assert whsec(SECRET) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@given(st.binary(min_size=32, max_size=32))
def test_what_is_written_is_read_again(value):
    assert Secret(value) == parse_whsec(whsec(Secret(value)))


@pytest.mark.parametrize("spelling", [whsec(SECRET).rstrip("="), f" {whsec(SECRET)}\n"])
def test_missing_padding_and_blanks_around_are_tolerated(spelling):
    assert parse_whsec(spelling) == SECRET


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_foreign_secret_of_the_standards_lengths_is_read(length):
    assert len(parse_whsec("whsec_" + base64.b64encode(b"x" * length).decode()).value) == length


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_=",
        whsec(SECRET).removeprefix("whsec_"),
        whsec(SECRET).upper(),
        "whsec_" + "!" * 44,
        "whsec_" + "A" * 41,
        "whsec_" + "A" * 20 + " " + "A" * 23,
        "whsec_" + "é" * 44,
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_" + "A" * 1_000_000,
    ],
)
def test_what_is_no_secret_is_refused_without_being_quoted(text):
    with pytest.raises(BadSecret) as refusal:
        parse_whsec(text)

    assert text == "" or text not in str(refusal.value)


def test_a_new_secret_is_made_of_32_bytes():
    assert new_secret(b"r" * 32) == Secret(b"r" * 32)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_new_secret_of_another_length_is_refused(length):
    with pytest.raises(BadSecret):
        new_secret(b"r" * length)


def test_a_secret_kept_is_opened_again():
    blob = encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW)

    assert decrypt(blob, master=MASTER, context=ROW) == SECRET


def test_a_blob_tells_its_version_and_nonce_but_not_the_secret():
    blob = encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW)

    assert blob.startswith(b"\x01" + NONCE)
    assert len(blob) == 1 + 12 + 32 + 16
    assert SECRET.value not in blob


def test_a_blob_in_another_row_does_not_open():
    blob = encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW)

    with pytest.raises(BadSecret):
        decrypt(blob, master=MASTER, context="other@agents.example key_1")


def test_a_blob_under_another_master_key_does_not_open():
    blob = encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW)

    with pytest.raises(BadSecret):
        decrypt(blob, master=master_key(b"another operator's key, as long"), context=ROW)


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20, 28, 60])
def test_a_blob_cut_short_does_not_open(length):
    blob = encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW)

    with pytest.raises(BadSecret):
        decrypt(blob[:length], master=MASTER, context=ROW)


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_blob_with_any_byte_changed_does_not_open(place, change):
    blob = bytearray(encrypt(SECRET, master=MASTER, nonce=NONCE, context=ROW))
    blob[place] ^= change

    with pytest.raises(BadSecret):
        decrypt(bytes(blob), master=MASTER, context=ROW)


@pytest.mark.parametrize("nonce", [b"", b"short", b"x" * 13])
def test_a_nonce_of_another_length_is_refused(nonce):
    with pytest.raises(BadSecret):
        encrypt(SECRET, master=MASTER, nonce=nonce, context=ROW)


def test_purposes_get_keys_of_their_own():
    keys = {derive(b"m" * 32, purpose) for purpose in ("sessions", "links", "signing secrets at rest")}

    assert len(keys) == 3
    assert {len(key) for key in keys} == {32}


def test_the_same_material_gives_the_same_key():
    assert derive(b"m" * 32, "links") == derive(b"m" * 32, "links")
    assert len(derive(b"m" * 32, "links", length=64)) == 64


def test_material_too_short_to_be_a_key_stops_the_start():
    with pytest.raises(Misconfigured):
        master_key(b"hunter2")
