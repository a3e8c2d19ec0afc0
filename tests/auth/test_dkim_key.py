import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.dkim_key import MAX_RECORD, KeyCache, KeyProblem, PublicKey, read_key
from tests.auth.mails import ed25519_key, ed25519_record, rsa_record


def record_of(public, form=serialization.PublicFormat.SubjectPublicKeyInfo) -> str:
    return "p=" + base64.b64encode(public.public_bytes(serialization.Encoding.DER, form)).decode()


def der_integer(value: int) -> bytes:
    octets = value.to_bytes(value.bit_length() // 8 + 1)
    return b"\x02" + der_length(len(octets)) + octets


def der_length(length: int) -> bytes:
    return bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2)


def rsa_record_of(modulus: int, exponent: int) -> str:
    """A key in the bare form of PKCS #1, of any numbers."""
    inner = der_integer(modulus) + der_integer(exponent)
    return "p=" + base64.b64encode(b"\x30" + der_length(len(inner)) + inner).decode()


@pytest.mark.parametrize("bits", [512, 768, 1016])
def test_a_short_key_is_refused_by_policy(bits):
    found = read_key(rsa_record_of(2 ** (bits - 1) + 1, 65537))

    assert isinstance(found, KeyProblem)
    assert found.result in ("policy", "permerror")
    assert "pass" != found.result


def test_a_real_short_key_is_told_with_its_size():
    found = read_key(
        "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALVI635dLK4cJJAH3Lx6upo3X/Lm1tQz3mezcWTA3BUBnyIsdnRf57aD5"
        "BtNmhPrYYDlWlzw3UgnKisIxktkk5sCAwEAAQ=="
    )

    assert isinstance(found, KeyProblem)
    assert ("policy", 512) == (found.result, found.bits)


def test_a_huge_modulus_and_a_huge_exponent_are_refused_before_they_cost_anything():
    modulus = 2**9000 + 1
    exponent = 2**80 + 1

    assert isinstance(read_key(rsa_record_of(modulus, 65537)), KeyProblem)
    assert isinstance(read_key(rsa_record_of(2**2047 + 1, exponent)), KeyProblem)


def test_a_key_of_another_kind_is_not_taken_for_rsa():
    found = read_key(record_of(ec.generate_private_key(ec.SECP256R1()).public_key()))

    assert isinstance(found, KeyProblem)
    assert "permerror" == found.result


@pytest.mark.parametrize("form", [serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1])
def test_both_forms_of_an_rsa_key_are_read(form):
    found = read_key(record_of(rsa.generate_private_key(65537, 1024).public_key(), form))

    assert isinstance(found, PublicKey)
    assert ("rsa", 1024) == (found.kind, found.bits)


def test_the_flags_of_a_record_are_read():
    found = read_key(rsa_record("v=DKIM1; t=y : s; h=SHA256: sha512; s=other:email"))

    assert isinstance(found, PublicKey)
    assert (True, True, True) == (found.testing, found.strict, found.email)
    assert frozenset({"sha256", "sha512"}) == found.hashes


def test_ed25519_signs_the_digest():
    found = read_key(ed25519_record())
    digest = bytes(32)

    assert isinstance(found, PublicKey)
    assert found.accepts(ed25519_key().sign(digest), digest)
    assert not found.accepts(ed25519_key().sign(digest), bytes([1]) * 32)
    assert not found.accepts(b"short", digest)
    assert not found.accepts(b"", digest)


def test_a_wrong_signature_of_any_length_is_only_wrong():
    found = read_key(rsa_record())

    assert isinstance(found, PublicKey)
    assert not any(found.accepts(bytes(size), bytes(32)) for size in (0, 1, 255, 256, 257, 1024))


def test_a_record_is_read_once():
    keys = KeyCache()

    assert keys.read(rsa_record()) is keys.read(rsa_record())
    assert 1 == len(keys)


def test_the_key_least_used_makes_room():
    keys = KeyCache(2)
    first = keys.read(rsa_record("n=1"))
    second = keys.read(rsa_record("n=2"))
    keys.read(rsa_record("n=1"))
    keys.read("n=3")

    assert 2 == len(keys)
    assert first is keys.read(rsa_record("n=1"))
    assert second is not keys.read(rsa_record("n=2"))


def test_a_record_too_long_takes_no_room():
    keys = KeyCache()
    keys.read("x" * (MAX_RECORD + 1))

    assert 0 == len(keys)


@settings(max_examples=200)
@given(st.text(max_size=80) | st.text("vkph=; sDKIM1rsaed25519+/", max_size=80))
def test_any_text_is_a_key_or_a_problem(text):
    assert isinstance(read_key(text), (PublicKey, KeyProblem))
