"""Charsets of mail: labels, supersets, bytes that are not what they are declared to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.charset.labels import codec_for
from relay.mail.decode import clean_text, decode_bytes, decode_value

LABELS = """
    utf_8      utf8 UTF-8 "utf-8" 'utf-8' utf-8; unicode-1-1-utf-8 x-unicode20utf8 utf8mb4 cp65001 charset=utf-8 <utf-8> =utf-8 utf-8-strict en_US.UTF-8 x-utf-8
    utf_8      us-ascii ANSI_X3.4-1968 ISO646-US iso-ir-6 646 IBM367 cp20127
    cp1252     iso-8859-1 ISO8859-1 iso8859_1 ISO_8859-1:1987 latin1 l1 Latin-1 cp819 IBM819 windows-1252 win1252 x-cp1252 cp-1252
    cp1252     8859-1 iso-ir-100 csISOLatin1 x-ansi windows-28591 ISO-8859-1-Windows-3.1-Latin-1 1252
    cp1251     win-1251 windows1251 x-cp1251 cp1251 win1251 windows-1251 WIN1251 ms-1251 ansi-1251
    cp1250     windows-1250 x-cp1250 win-1250
    cp1254     iso-8859-9 latin5 iso-ir-148 windows-1254
    iso8859_15 iso-8859-15 latin-9 ISO8859-15 l9 iso_8859-15:1998
    iso8859_2  iso-8859-2 latin2 ISO_8859-2:1987 csisolatin2 iso-ir-101
    iso8859_5  cyrillic iso-8859-5 iso-ir-144
    iso8859_7  greek elot_928 ECMA-118 iso-8859-7 ISO_8859-7:2003
    iso8859_8  iso-8859-8-i hebrew logical visual csISO88598I
    iso8859_16 iso-8859-16 latin10 iso-ir-226
    cp874      tis-620 iso-8859-11 windows-874 dos-874
    cp866      ibm866 866 cp866 csIBM866
    cp850      cp850 ibm-850 850 cp-850
    koi8_r     koi koi8 KOI8-R cskoi8r cp20866
    koi8_u     koi8-ru KOI8-U cp21866
    mac_roman  macintosh x-mac-roman mac csMacintosh cp10000
    mac_cyrillic x-mac-cyrillic x-mac-ukrainian
    gb18030    gb2312 GB_2312-80 gbk x-gbk chinese iso-ir-58 euc-cn cp936 windows-936 GB18030 csgb2312 cn-gb ms936 x-gb2312
    hz         hz-gb-2312 hz
    big5hkscs  big5 Big5-HKSCS x-x-big5 cn-big5 csbig5 cp950 windows-950 big5-eten x-big5
    cp949      euc-kr EUCKR KSC5601 ks_c_5601-1987 ks_c_5601-1989 korean windows-949 cp949 iso-ir-149 x-windows-949 ms949
    cp932      shift_jis SJIS x-sjis Shift-JIS ms_kanji windows-31j csWindows31J ms932 cp932 cp943
    euc_jp     euc-jp x-euc-jp EUCJP ujis eucJP-ms cp51932
    iso2022_jp iso-2022-jp ISO2022JP csISO2022JP cp50220 iso-2022-jp-ms cp50221 _iso-2022-jp$ESC iso-2022-jp-1
    iso2022_kr iso-2022-kr
    utf_16     utf-16 utf-16le unicode ucs-2 ISO-10646-UCS-2 cp1200
    utf_16_be  utf-16be unicodeFFFE
    utf_7      utf-7 unicode-1-1-utf-7 cp65000
"""


def test_labels_of_the_whatwg_table_and_of_mail_programs_are_known():
    for line in LABELS.strip().splitlines():
        codec, *labels = line.split()
        assert dict.fromkeys(labels, codec) == {label: codec_for(label) for label in labels}


def test_what_is_no_charset_is_unknown():
    labels = [
        "",
        " ",
        "x-unknown",
        "unknown-8bit",
        "default",
        "8bit",
        "x" * 5000,
        "iso-8859-99",
        "cp99999",
        "hex",
        "idna",
    ]

    assert dict.fromkeys(labels) == {label: codec_for(label) for label in labels}


READ = [
    # label, bytes, text; each is how mail programs write
    ("ISO-2022-JP", b"\x1b$B-!\x1b(B \x1b$B%F\x1b(B", "① テ"),  # NEC row 13
    ("ISO-2022-JP", b"\x1b$B-j-b|b\x1b(B", "㈱№髙"),  # NEC-selected IBM extensions
    ("ISO-2022-JP", b"\x1b(I%F\x1b(B", "･ﾆ"),  # kana of half width by escape
    ("ISO-2022-JP", b"\x0e%F\x0f!", "･ﾆ!"),  # by shift out, code page 50222
    ("ISO-2022-JP", b"\xc3\xbd\xc4 \x1b$B-!\x1b(B", "ﾃｽﾄ ①"),  # by eight bits, code page 50221
    ("ISO-2022-JP", b"\x1b(J\\100\x1b(B \\", "¥100 \\"),  # JIS-Roman
    ("ISO-2022-JP", b"\x1b$B!A\x1b(B", "～"),  # the fullwidth tilde of Windows, not the wave dash
    ("ISO-2022-JP", b"\x1b$B-!%F\r\n%9\x1b(B", "①テ\r\nス"),  # no return to ASCII at the line end
    ("ISO-2022-JP", b"\x1b$A0!\x1b(B", "啊"),  # Chinese in ISO-2022-JP-2
    ("ISO-2022-JP", b"\x1b$(D0!\x1b(B\x1b$B-!\x1b(B", "丂①"),  # JIS X 0212
    ("ISO-2022-JP", "送信できません".encode(), "送信できません"),  # UTF-8
    ("ISO-2022-JP", "送信できません".encode("euc_jp"), "送信できません"),
    ("ISO-2022-JP", "送信できません".encode("cp932"), "送信できません"),
    ("EUC-JP", b"\xad\xd1 \xad\xa1", "㎝ ①"),
    ("EUC-JP", b"\x8e\xc3\x8e\xbd\x8e\xc4 \x8f\xb0\xa1\xad\xa1", "ﾃｽﾄ 丂①"),
    ("EUC-JP", "送信できません".encode("cp932"), "送信できません"),
    ("SJIS", b"\x87@ \xfb\xfc", "① 髙"),
    ("us-ascii", b"\x1b$B%F%9%H\x1b(B", "テスト"),  # the escapes announce the charset
    ("utf-8", b"\x1b$B%F%9%H\x1b(B", "テスト"),
    (None, b"\x1b$B%F%9%H\x1b(B", "テスト"),
    ("big5", b"\xf9\xd6 \xfa@ \xa1E\xa2G", "碁 𠕇 ‧￡"),  # ETEN, HKSCS, and the symbols of Taiwan
    ("gb2312", b"\xd6\xd0 \x80 \x8bH \x98\x80", "中 € 婬 榾"),  # GBK with its euro sign
    ("GB2312", "你好，世界".encode(), "你好，世界"),  # UTF-8, which is valid GBK too
    ("euc-kr", b"\x94\xee", "뷁"),
    ("iso-8859-1", b"it\x92s \x80 5", "it’s € 5"),
    ("iso-8859-15", b"\xa4 \x93x\x94", "€ “x”"),
    ("iso-8859-2", b"\x8a\xe8", "Šč"),  # signs of windows-1250
    ("iso-8859-5", b"\xbf\x96", "П–"),
    ("iso-8859-7", b"\x93\xe1\x94", "“α”"),
    ("utf-8", b"it\xc2\x92s", "it’s"),  # windows-1252 taken for Latin-1 and converted
    ("windows-1252", b"\x81", "\ufffd"),  # no letter, and told
    ("utf-8", b"caf\xe9 au lait", "café au lait"),
    ("utf-8", "Übergrößenträger ".encode() + b"\xff", "Übergrößenträger \ufffd"),  # one damaged byte in UTF-8
    ("koi8-r", "Привет, как дела?".encode(), "Привет, как дела?"),
    ("windows-1251", "Привет, как дела?".encode(), "Привет, как дела?"),
    ("iso-8859-1", "Grüße – bis bald".encode(), "Grüße – bis bald"),
    ("windows-1252", "it’s".encode(), "it’s"),
    ("windows-1252", b"CAF\xc9\xbb", "CAFÉ»"),  # valid UTF-8 by accident
    ("gb2312", b"\xc1\xaa\xcd\xa8", "联通"),
    ("iso-8859-2", b"\xe1\xb1\xb6 \xe1\xb1\xb6", "áąś áąś"),
    ("windows-874", b"\xc2\xa1 \xc2\xa1 \xc2\xa1", "ยก ยก ยก"),
    ("windows-874", "สวัสดี 😀".encode(), "สวัสดี 😀"),
    ("iso-8859-1", "Привет, как дела?".encode(), "Привет, как дела?"),
    ("utf-8", b"\xef\xbb\xbfcaf\xc3\xa9", "café"),  # byte order marks
    ("iso-8859-1", b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
    (None, b"\xff\xfeT\0\xe9\0", "Té"),
    ("utf-8", b"\xff\xfeT\0e\0", "Te"),
    ("utf-16", b"\0T\0e", "Te"),
    ("utf-16le", b"\xfe\xff\0T\0e", "Te"),
    ("utf-16", b"T\0e\0", "Te"),
    ("utf-16", "Grüße\r\n".encode(), "Grüße\r\n"),  # no UTF-16 at all
    ("utf-7", b"Gr+APwA3w-e", "Grüße"),
    ("utf-7", "Grüße".encode(), "Grüße"),
    ("hz-gb-2312", b"~{VPND~}", "中文"),
    ("iso-8859-11", b"\xa1\xd2 \x93x\x94", "กา “x”"),
    ("x-mac-ce", b"\x88", "ą"),
    ("unknown-8bit", "Grüße".encode(), "Grüße"),
]  # fmt: skip


def test_bytes_are_read_as_their_writer_meant_them():
    assert [text for _, _, text in READ] == [decode_bytes(data, label)[0] for label, data, _ in READ]


def test_a_page_without_a_charset_is_read_by_its_own():
    page = '<html><head><meta http-equiv=Content-Type content="text/html; charset=windows-1251"><p>Привет'.encode(
        "cp1251"
    )

    assert decode_bytes(page, None, html=True)[0].endswith("<p>Привет")
    assert decode_bytes(page, "us-ascii", html=True)[1] == "windows-1251"
    assert decode_bytes(page, "koi8-r", html=True)[1] == "koi8-r"  # what is declared counts more
    assert not decode_bytes(page, None)[0].endswith("<p>Привет")
    assert decode_bytes("<meta charset=utf-16><p>Grüße".encode(), None, html=True)[0].endswith("Grüße")
    assert decode_bytes("<meta charset='iso-8859-1'><p>Grüße".encode(), "utf-8", html=True)[0].endswith("Grüße")


def test_a_hint_is_used_for_raw_bytes_that_are_not_utf_8():
    assert decode_value("发票通知".encode("gbk"), charset="gbk") == "发票通知"
    assert decode_value("Grüße".encode(), charset="gbk") == "Grüße"
    assert decode_value("Привет".encode("koi8-r"), charset="koi8-r") == "Привет"
    assert decode_value(b"caf\xe9", charset="klingon") == "café"


ROUND_TRIPS = [
    ("utf-8", st.characters(exclude_categories=["Cs", "Cc"])),
    ("iso-2022-jp", st.characters(min_codepoint=0x3041, max_codepoint=0x3093)),
    ("euc-jp", st.characters(min_codepoint=0x30A1, max_codepoint=0x30F6)),
    ("shift_jis", st.characters(min_codepoint=0x3041, max_codepoint=0x3093)),
    ("gb2312", st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5, codec="gb18030")),
    ("big5", st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5, codec="big5")),
    ("euc-kr", st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)),
    ("koi8-r", st.characters(min_codepoint=0x410, max_codepoint=0x44F)),
    ("windows-1251", st.characters(min_codepoint=0x410, max_codepoint=0x44F)),
    ("iso-8859-7", st.characters(min_codepoint=0x3B1, max_codepoint=0x3C9)),
    ("windows-1255", st.characters(min_codepoint=0x5D0, max_codepoint=0x5EA)),
    ("windows-1256", st.characters(min_codepoint=0x621, max_codepoint=0x63A)),
    ("windows-874", st.characters(min_codepoint=0xE01, max_codepoint=0xE30)),
    ("iso-8859-2", st.sampled_from("ąćęłńóśźżáčďéěíňřšťúůýž")),
    ("macintosh", st.sampled_from("éèüöäñçß")),
    ("utf-16le", st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")),
    ("utf-7", st.characters(exclude_categories=["Cs", "Cc"])),
]


@pytest.mark.parametrize(("label", "letters"), ROUND_TRIPS, ids=[label for label, _ in ROUND_TRIPS])
def test_words_come_back_in_each_charset(label, letters):
    codec = {"big5": "big5", "windows-874": "cp874", "utf-16le": "utf-16le"}.get(label, codec_for(label))

    @given(st.lists(st.text(letters, min_size=1), min_size=1, max_size=8))
    def comes_back(words):
        text = " ".join(words) + "\r\n"
        text = text.removeprefix("\ufeff")
        if text.isascii() or len(text) > 8:
            assert decode_bytes(text.encode(codec), label)[0] == text

    comes_back()


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [*["utf-7", "utf-16", "hz", "iso-2022-kr", "iso-2022-jp", "euc-jp", "big5", "gbk", "x", "cp037"], None]
    ),
)
def test_no_bytes_in_any_charset_fail(data, label):
    for html in (False, True):
        assert clean_text(decode_bytes(data, label, html=html, hint=label)[0]).encode("utf-8") is not None
