from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.charset.labels import codec_for
from relay.mail.decode import clean_line, clean_text, decode_bytes, decode_value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?caf=C3=A9_au_lait?=", "café au lait"),
        (b"=?UTF-8?B?Y2Fmw6k=?=", "café"),
        (b"=?utf-8?b?Y2Fmw6k?=", "café"),  # padding forgotten
        (b"=?iso-8859-1*de?q?Gr=FC=DFe?=", "Grüße"),  # RFC 2231 §5
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),  # RFC 2047 §6.2
        (b"=?utf-8?q?a?=\r\n\t=?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        (b"=?utf-8?q?a?= and =?utf-8?q?b?=", "a and b"),
        (b"=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
        (b"a=?utf-8?q?b?=c", "abc"),
        (b"=?klingon?q?a=FFb?=", "aÿb"),
        (b"=?klingon?q?caf=C3=A9?=", "café"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?utf-8?q?with spaces inside?=", "with spaces inside"),
        (b"=?utf-8?x?what?=", "=?utf-8?x?what?="),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        (b"\x93quoted\x94", "“quoted”"),
        (b"a\tb\r\n c", "a b  c"),
        (b"a\x00b\x1bc\x7f\xc2\x81", "abc"),
        (b"wait\xc2\x85", "wait…"),  # a sign of windows-1252 as a C1 control, as HTML reads &#133;
        (b"=?utf-8?q?line=0D=0Abreak=00?=", "line break"),
        (b"=?utf-7?q?+2D0-?=", "?"),  # a lone surrogate
    ],
)
def test_a_header_value_is_read_as_its_writer_meant_it(raw, expected):
    assert expected == decode_value(raw)


def test_a_value_is_no_longer_than_asked_for():
    assert len(decode_value(b"x" * 50, limit=10)) == 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTF-8", "utf_8"),
        ('"us-ascii"', "utf_8"),
        ("ISO-8859-1", "cp1252"),
        ("gb2312", "gb18030"),
        ("ks_c_5601-1987", "cp949"),
        ("iso-8859-15", "iso8859_15"),
        ("klingon", None),
        ("punycode", None),  # quadratic
        ("idna", None),
        ("unicode_escape", None),
        ("base64", None),  # no character set
        ("rot13", None),
        ("../../etc", None),
        ("", None),
    ],
)
def test_a_charset_is_known_by_its_mail_name(name, expected):
    assert expected == codec_for(name)


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        (b"caf\xe9", "iso-8859-1", ("café", "iso-8859-1")),
        (b"caf\xc3\xa9", None, ("café", "utf-8")),
        (b"caf\xe9", None, ("café", "windows-1252")),
        (b"caf\xe9", "us-ascii", ("café", "windows-1252")),
        (b"caf\xe9", "utf-8", ("café", "windows-1252")),
        (b"caf\xc3\xa9 \xe9 \xc3\xa9", "utf-8", ("café \ufffd é", "utf-8")),
        (b"caf\xe9", "klingon", ("café", "windows-1252")),
        (b"plain", "utf-8", ("plain", "utf-8")),
        (b"plain", None, ("plain", "us-ascii")),
        (b"T\0e\0", "utf-16le", ("Te", "utf-16le")),
        (b"\x80\x81", "windows-1252", ("€\ufffd", "windows-1252")),
    ],
)
def test_bytes_are_read_by_the_declared_charset_or_the_likeliest(data, charset, expected):
    assert expected == decode_bytes(data, charset)


def test_a_codec_python_lists_but_lacks_is_as_good_as_unknown():
    assert decode_bytes(b"a", "tis260") == ("a", "us-ascii")


def test_a_text_has_only_lf_and_no_controls_but_tabs():
    assert clean_text("a\r\nb\r\rc\x00\t\x1bd\x9fé") == "a\nb\n\nc\tdé"
    assert clean_text("a\rb\t\x00c") == "a\nb\tc"
    assert clean_text("a\r\r\nb\r\r\n\r\r\nc") == "a\nb\n\nc"  # as "=0D" CRLF in quoted-printable


@given(st.text(alphabet=st.characters()))
def test_a_line_is_storable_and_single(text):
    line = clean_line(text)

    assert not any(ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F for sign in line)
    assert line == line.encode("utf-8").decode("utf-8")


@given(
    st.binary(max_size=300), st.sampled_from(["utf-7", "utf-16", "hz", "iso-2022-kr", "big5", "gb18030", "cp932", "x"])
)
def test_no_bytes_in_no_charset_fail(data, charset):
    assert clean_text(decode_bytes(data, charset)[0]).encode("utf-8") is not None


WORDS = [
    # encoded words as mail programs write them, and what they mean
    (b"=?utf-8?B?R3L?= =?utf-8?B?DvMOfZQ==?=", "Grüße"),  # cut within a group of base64
    (b"=?utf-8?B?SGVsbG8?= =?utf-8?B?V29ybGQ=?=", "HelloWorld"),  # only the padding is missing
    (b"=?utf-8?B?44Kv44K/44Kk44Ok77yJIOefpQ==?= =?utf-8?B?IDIwMjM=?=", "クタイヤ） 知 2023"),
    (b"=?UTF-8?Q?pasi=C5=BEad=C4?=\r\n =?UTF-8?Q?=97jim=C5=B3!?=", "pasižadėjimų!"),
    (b"=?utf-8?B?QmVow?= =?utf-8?B?7ZyZGVu?=", "Behörden"),
    (b"=?UTF-8?Q?Really??=", "Really?"),  # a question mark that is not encoded
    (b"=?UTF-8?Q?What?_=C3=9Cbel??= =?UTF-8?Q?_x?=", "What? Übel? x"),
    (b"=?UTF-8?Q?Really?=C3=9Cbel?=", "Really?Übel"),
    (b"=?utf-8?Q?a?=AB", "aAB"),
    (b"=? ISO-2022-JP? B? GyRCJTklSBsoQg==?=", "スト"),  # blanks within
    (b"=?ISO-2022-JP?B?GyRCLSEbKEI=?= =?ISO-2022-JP?B?GyRCfGIbKEI=?=", "①髙"),
    (b"Some text =?utf-8?Q??= here", "Some text  here"),  # an empty word
    (b"=??Q?caf=C3=A9?=", "café"),  # no charset
    (b"=?unknown-8bit?Q?caf=E9?=", "café"),
    (b"=?us-ascii?Q?caf=C3=A9?=", "café"),
    (b"=?iso-8859-1?Q?it=92s?=", "it’s"),
    (b"=?gb2312?B?1tDOxA==?= =?GBK?B?1tDOxA==?=", "中文中文"),
    (b"=?utf8?Q?=C3?= =?UTF-8?Q?=A9?=", "é"),  # two names of one charset
    (b"[SPAM]=?utf-8?B?VGVzdA==?=", "[SPAM]Test"),
    (b'"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="', '"Grüße"'),
    (b"\x1b$B%F%9%H\x1b(B 1", "テスト 1"),  # raw ISO-2022-JP
    (b"=?utf-8?B?4oKs", "=?utf-8?B?4oKs"),
    (b"=?utf-8?Q?=C3=BC?=\xc3\xbc", "üü"),
]


def test_encoded_words_are_read_as_programs_write_them():
    assert [text for _, text in WORDS] == [decode_value(raw) for raw, _ in WORDS]


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1), st.integers(1, 50), st.booleans()
)
def test_encoded_words_cut_anywhere_come_back(text, size, base64):
    data = text.encode("utf-8")
    coded = b64encode(data) if base64 else b"".join(b"=%02X" % byte for byte in data)
    step = size * 4 if base64 else size * 3
    raw = b" ".join(b"=?utf-8?%c?%b?=" % (b"QB"[base64], coded[at : at + step]) for at in range(0, len(coded), step))

    assert decode_value(raw) == text.removeprefix("\ufeff").strip()
