from base64 import b64decode, b64encode, encodebytes
from binascii import b2a_qp
from quopri import encodestring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.coding.base64_body import decode_base64, is_base64
from relay.mail.transfer import decode_pieces, transfer_defect


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


FOOTER = b"_______________________________________________\r\nUsers mailing list\r\nUsers@lists.example.org\r\nhttps://lists.example.org/users\r\n"
LINE = b64encode(b"a line of seventy-six characters of base64, as all programs write.") + b"\r\n"
CARRIED = [
    # encoding, whether text, bytes as they come, bytes that they mean
    ("base64", True, b"R3LDvMOfZQ==\r\n", "Grüße".encode()),
    ("base64", True, b"bGluZSBvbmUK\r\nbGluZSAyCg==\r\nbGFzdAo=\r\n", b"line one\nline 2\nlast\n"),  # each line padded
    ("base64", False, b"aGVsbG8=IHdvcmxk", b"hello world"),
    ("base64", True, b"R3LD vMOf\r\n ZQ==\r\n", "Grüße".encode()),
    ("base64", True, b"Pz8_Pz8-\r\n", b"?????>"),  # base64url
    ("base64", True, b"R3LDvMOfZQ==\r\n" + FOOTER, "Grüße".encode()),  # a list's footer
    ("base64", True, LINE + b64encode(b"the end") + b"\r\n" + FOOTER + LINE, b64decode(LINE) + b"the end" + b64decode(LINE)),
    ("base64", True, b"SGVs\r\n-- \r\nfooter\r\n", b"Hel"),
    ("base64", False, LINE * 3 + b"-- \r\nSent with a program\r\n", b64decode(LINE) * 3),
    ("base64", True, b"Hello Ana,\r\nplease cancel order 77.\r\n", b"Hello Ana,\r\nplease cancel order 77.\r\n"),
    ("base64", True, b"please cancel the order\r\nthanks\r\n", b"please cancel the order\r\nthanks\r\n"),
    ("base64", True, b"Hello\r\n", b"Hello\r\n"),
    ("base64", True, "Grüße aus Köln\r\n".encode(), "Grüße aus Köln\r\n".encode()),
    ("base64", False, b"%PDF-1.4\n\x00\xff\xfe binary \x80\x81", b"%PDF-1.4\n\x00\xff\xfe binary \x80\x81"),
    ("base64", True, b64encode("Grüße".encode("utf-16-le")) + b"\r\n", "Grüße".encode("utf-16-le")),
    ("base64", False, b64encode(bytes(range(256))), bytes(range(256))),
    ("base64", True, b"aGVsbG8gd29ybGQ!=\r\n", b"hello world"),
    ("Base-64", True, b"aGVsbG8=", b"hello"),
    ("base64 (in blocks)", True, b"aGVsbG8=", b"hello"),
    ("(a comment) base64", True, b"aGVsbG8=", b"hello"),
    ("quoted-printable", True, b"one = \r\ntwo =\t\r\nthree\r\n", b"one two three\r\n"),
    ("quoted-printable", True, b"one   \r\ntwo \t \r\n", b"one\r\ntwo\r\n"),
    ("quoted-printable", True, b"one " + b" " * 900 + b"\r\n", b"one\r\n"),
    ("quoted-printable", True, b"kept=20\r\nkept=09\r\n", b"kept \r\nkept\t\r\n"),
    ("quoted-printable", True, b"end \t", b"end"),
    ("quoted-printable", True, b"end=", b"end"),
    ("quoted-printable", True, b"100=% sure =ZZ a==b ==41 x==\r\ny", b"100=% sure =ZZ a==b =A x=y"),
    ("quoted-printable", True, b"a=\rb\r\nc", b"a=\rb\r\nc"),
    ("quoted-printable", True, b"Gr=c3=bc=C3=9fe\xc3\xbc", "Grüßeü".encode()),
    ("quoted_printable", True, b"=41", b"A"),
    ("QP", True, b"=41", b"A"),
    ("x-uuencode", True, b"begin 644 a.txt\r\n%:&5L;&\\`\r\n`\r\nend\r\n", b"hello"),
    ("uuencode", False, b"no block", b"no block"),
    ("utf-8", True, b"a=20b", b"a=20b"),
]  # fmt: skip


def test_encodings_are_read_as_programs_write_them():
    for encoding, text, data, expected in CARRIED:
        raw = b"=aa\r\n" + data
        assert b"".join(decode_pieces(raw, 5, len(raw), encoding, text=text)) == expected, (encoding, data)


def test_what_is_wrong_with_an_encoding_is_told():
    def told(data, encoding, *, text=True):
        return transfer_defect(data, 0, len(data), encoding, text=text)

    assert told(b"aGVsbG8=\r\n", "base64") is None
    assert told(b"Gr=C3=BC", "quoted-printable") is None
    assert told(b"plain", "8BIT") is None
    assert told(b"aGVsbG8=\r\n" + FOOTER, "base64") == "a base64 part holds invalid bytes, which were skipped"
    assert "no base64" in told(b"Hello Ana,\r\nplease cancel.\r\n", "base64")
    assert "unknown transfer encoding" in told(b"plain", "utf-8")


def test_padded_blocks_meet_across_pieces():
    line = b64encode(b"x" * 55) + b"\r\n"

    assert b"".join(decode_pieces(line * 30_000, 0, len(line) * 30_000, "base64")) == b"x" * 55 * 30_000


@given(st.binary(), st.integers(1, 80), st.booleans())
def test_base64_in_lines_of_any_length_comes_back(content, size, each_padded):
    if each_padded:
        data = b"\r\n".join(b64encode(content[at : at + size]) for at in range(0, len(content), size))
    else:
        whole = b64encode(content)
        data = b"\r\n".join(whole[at : at + size] for at in range(0, len(whole), size))

    assert b"".join(decode_pieces(data, 0, len(data), "base64")) == content


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
def test_quoted_printable_text_comes_back(text):
    data = text.encode("utf-8")
    raw = encodestring(data).replace(b"\n", b"\r\n")

    assert b"".join(decode_pieces(raw, 0, len(raw), "quoted-printable")) == data
