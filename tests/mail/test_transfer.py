from base64 import b64encode, encodebytes
from binascii import b2a_qp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.coding.base64_body import decode_base64, is_base64
from relay.mail.transfer import decode_pieces


def decode(data, encoding):
    """Decoded where it stands within something longer."""
    return b"".join(decode_pieces(b"=aa" + data + b"b\n=", 3, 3 + len(data), encoding))


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        (b"aGVsbG8=", "base64", b"hello"),
        (b"aGVs\r\nbG8=\r\n", " BASE64 ", b"hello"),
        (b"aGVsbG8", "base64", b"hello"),
        (b"aGVsbG8=\r\n-- \r\nfooter", "base64", b"hello"),
        (b"aGV!!sb*G8=", "base64", b"hello"),
        (b"aGVsbG8aa", "base64", b"hello\x1a"),
        (b"=", "base64", b""),
        (b"", "base64", b""),
        (b"a", "base64", b""),
        (b"caf=E9=\r\n!", "quoted-printable", b"caf\xe9!"),
        (b"=ZZ=", "Quoted-Printable; x", b"=ZZ"),
        (b"as=20is", "8bit", b"as=20is"),
        (b"as is", "x-uuencode", b"as is"),
        (b"as is", "", b"as is"),
        (b"as is", ";", b"as is"),
    ],
)
def test_what_can_be_decoded_is(data, encoding, expected):
    assert expected == decode(data, encoding)


def test_pieces_of_a_megabyte_meet_without_a_seam():
    content = bytes(range(256)) * 12_000

    assert content == decode_base64(encodebytes(content))
    assert content == decode(b2a_qp(content, istext=False), "quoted-printable")


@pytest.mark.parametrize(("data", "expected"), [(b"aGVs\r\nbG8=\t ", True), (b"aGVs!", False), (b"", True)])
def test_foreign_bytes_in_base64_are_noticed(data, expected):
    assert expected is is_base64(b"!" + data + b"!", 1, 1 + len(data))


@given(st.binary())
def test_base64_comes_back(content):
    assert content == decode_base64(b64encode(content))


@given(st.binary(), st.sampled_from(["base64", "quoted-printable"]))
def test_no_bytes_fail(data, encoding):
    assert isinstance(decode(data, encoding), bytes)
