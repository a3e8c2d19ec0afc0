"""Compressed S/MIME, and bodies that Outlook keeps as RTF or HTML in winmail.dat."""

import struct
import tracemalloc
import zlib
from base64 import encodebytes

import pytest

from relay.mail.parse import parse
from relay.mail.unpack.rtf import MAX_RTF, inflate_rtf, rtf_text
from relay.mail.unpack.smime import MAX_INFLATED, opaque_content
from tests.mail.unpack.test_contents import DATA, INNER, PDF, SIGNED, ber, der, multipart

COMPRESSED = bytes.fromhex("060b2a864886f70d0109100109")
ZLIB = bytes.fromhex("060b2a864886f70d0109100308")


def compressed(entity: bytes, make=ber) -> bytes:
    content = make(0x30, DATA, make(0xA0, _octets(zlib.compress(entity))))
    return make(0x30, COMPRESSED, make(0xA0, make(0x30, b"\2\1\0", make(0x30, ZLIB), content)))


def _octets(data: bytes) -> bytes:
    return b"\x04\x84" + len(data).to_bytes(4) + data


def signed(entity: bytes) -> bytes:
    content = ber(0x30, DATA, ber(0xA0, _octets(entity)))
    return ber(0x30, SIGNED, ber(0xA0, ber(0x30, b"\2\1\1", ber(0x31), content)))


def opaque_mail(data: bytes, kind: bytes = b"compressed-data") -> bytes:
    head = b"Content-Type: application/pkcs7-mime; smime-type=%s; name=smime.p7z\r\n" % kind
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(data).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("make", [der, ber])
def test_what_is_compressed_is_read_in_der_and_in_ber(make):
    assert INNER == opaque_content(compressed(INNER, make)).content


def test_words_and_files_of_a_compressed_mail_are_the_mail_s():
    read = parse(b"Subject: x\r\n" + opaque_mail(compressed(multipart(b"\r\nwords\r\n", PDF))))

    assert "words" in read.text
    assert ["smime.p7z", "a.pdf"] == [each.filename for each in read.attachments]


@pytest.mark.parametrize("order", ["compressed in signed", "signed in compressed"])
def test_compression_and_signature_are_opened_inside_each_other(order):
    if order == "compressed in signed":
        raw = opaque_mail(signed(opaque_mail(compressed(INNER))), b"signed-data")
    else:
        raw = opaque_mail(compressed(opaque_mail(signed(INNER), b"signed-data")))

    assert "Inner words." == parse(raw).text.strip()


@pytest.mark.parametrize("data", [b"", compressed(INNER)[:40], compressed(INNER).replace(ZLIB[-4:], b"\x10\3\x09\x01")])
def test_what_cannot_be_inflated_is_a_file(data):
    read = parse(opaque_mail(data))

    assert ("", ["smime.p7z"]) == (read.text, [each.filename for each in read.attachments])


def test_a_bomb_is_inflated_to_the_bound_of_the_mail_and_told():
    bomb = opaque_mail(compressed(b"\r\n" + bytes(4 * MAX_INFLATED)))
    tracemalloc.start()
    read = parse(multipart(bomb, bomb, bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "a compressed part is damaged, or too large to be read to its end" in read.defects
    assert peak < 6 * MAX_INFLATED


# RTF


def literal(rtf: bytes) -> bytes:
    """*rtf* in the compressed form, without a reference."""
    body = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf), 8))
    return struct.pack("<II", len(body) + 12, len(rtf)) + b"LZFu" + bytes(4) + body


@pytest.mark.parametrize(
    ("data", "rtf"),
    [
        # The two examples of [MS-OXRTFCP] §4.
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        ),
        ("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"),
    ],
)
def test_the_examples_of_the_format_are_inflated(data, rtf):
    assert rtf == inflate_rtf(bytes.fromhex(data))


@pytest.mark.parametrize("data", [b"", b"x" * 15, b"x" * 100, literal(b"{\\rtf1 a}")[:16], b"\xff" * 5000])
def test_what_is_no_compressed_rtf_is_empty(data):
    assert b"" == inflate_rtf(data)


def test_rtf_is_inflated_to_its_bound():
    grows = struct.pack("<II", 0, 2**31) + b"LZFu" + bytes(4) + b"\0" + b"abcdefgh" + b"\xff" * 400_000

    assert len(inflate_rtf(grows)) <= MAX_RTF
    assert MAX_RTF == len(inflate_rtf(struct.pack("<II", 0, 2**31) + b"MELA" + bytes(4) + bytes(2 * MAX_RTF)))


RTF = [
    (r"{\rtf1 Hello\par world}", "Hello\nworld"),
    (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\*\generator X;}\f0 Hi}", "Hi"),
    (r"{\rtf1\ansicpg1252 Gr\'fc\'dfe}", "Grüße"),
    (r"{\rtf1\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
    (r"{\rtf1\ansicpg932 \'82\'b1\'82\'f1}", "こん"),
    (r"{\rtf1\uc1 Gr\u252?\u223?e}", "Grüße"),
    (r"{\rtf1\uc2 a\u8364\'80\'80b}", "a€b"),
    (r"{\rtf1\uc0 \u-10179\u-8704}", "\U0001f600"),
    (r"{\rtf1 a\{b\}c\\d\~e\_f\-g}", "a{b}c\\d\u00a0e-fg"),
    (r"{\rtf1 one\cell two\cell\row}", "one\ttwo\t"),
    (r"{\rtf1 \ldblquote x\rdblquote  \emdash  y\bullet}", "\u201cx\u201d \u2014 y\u2022"),
    (r"{\rtf1{\field{\*\fldinst HYPERLINK x}{\fldrslt here}}}", "here"),
    (r"{\rtf1 a{\pict\bin4 {}{}ffd8}b}", "ab"),
    (
        r"{\rtf1\fromhtml1 {\*\htmltag84 <b>}\htmlrtf {\b \htmlrtf0 bold\htmlrtf }\htmlrtf0 {\*\htmltag92 </b>} on}",
        "bold on",
    ),
    ("{\\rtf1 a\r\nb\\\nc}", "ab\nc"),
    (r"{\rtf1 a}} behind", "a"),
    (r"{\rtf1 a{\*\unknown b", "a"),
    ("{\\rtf1 a\\", "a"),
    (r"no rtf", ""),
]


@pytest.mark.parametrize(("rtf", "text"), RTF)
def test_the_words_of_rtf_are_read(rtf, text):
    assert text == rtf_text(rtf.encode("latin-1"))


@pytest.mark.parametrize("piece", ["{", "{\\*", "}", "\\", "\\u1 ", "\\'", "\\bin9", "a{\\b b}", "\\htmlrtf"])
def test_hostile_rtf_is_read_in_linear_time_and_depth(piece):
    assert isinstance(rtf_text(b"{\\rtf1 " + piece.encode() * (MAX_RTF // len(piece))), str)


def tnef(*properties: tuple[int, bytes]) -> bytes:
    """A stream with a message's binary properties."""
    values = struct.pack("<I", len(properties))
    for name, value in properties:
        values += struct.pack("<HHII", 0x102, name, 1, len(value)) + value + bytes(-len(value) % 4)
    return struct.pack("<IH", 0x223E9F78, 1) + b"\1" + struct.pack("<II", 0x00069003, len(values)) + values + b"\0\0"


def winmail(data: bytes, words: bytes = b"") -> bytes:
    part = b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return multipart(
        b"Content-Type: text/plain\r\n\r\n" + words + b"\r\n", part + encodebytes(data).replace(b"\n", b"\r\n")
    )


RTF_BODY = (0x1009, literal(b"{\\rtf1\\ansicpg1252 Gr\\'fc\\'dfe\\par from Outlook}"))


@pytest.mark.parametrize(
    ("properties", "words", "text"),
    [
        ([RTF_BODY], b"", "Grüße\nfrom Outlook"),
        ([RTF_BODY], b"said in plain", "said in plain"),
        ([RTF_BODY, (0x1000, b"plain body\0")], b"", "plain body"),
        ([RTF_BODY, (0x1013, b"<p>a <b>page</b></p>")], b"", "a page"),
        ([(0x1009, b"damaged")], b"", ""),
    ],
)
def test_a_body_in_winmail_dat_is_the_text_where_the_mail_says_nothing(properties, words, text):
    assert text == parse(winmail(tnef(*properties), words)).text.strip()
