import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.parameters import first_word, parse_parameters, safe_filename


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain; charset=utf-8", {"charset": "utf-8"}),
        ('text/plain; CHARSET="utf-8" ; format=flowed', {"charset": "utf-8", "format": "flowed"}),
        ('x; a="b;c\\"d"; e=f', {"a": 'b;c"d', "e": "f"}),
        ("x; name*=utf-8''%C3%A9.txt", {"name": "é.txt"}),
        ("x; name*=iso-8859-1'en'%E9.txt", {"name": "é.txt"}),
        ("x; name*0=one; name*1=two", {"name": "onetwo"}),
        ("x; name*1=two; name*0=one", {"name": "onetwo"}),
        ("x; name*0*=utf-8''%C3; name*1*=%A9; name*2=z", {"name": "éz"}),
        ("x; name*0=one; name*2=lost", {"name": "one"}),
        ("x; name=plain; name*=utf-8''%C3%A9", {"name": "é"}),
        ('x; name="=?utf-8?q?=C3=A9?="', {"name": "é"}),
        ("x; a=1; a=2", {"a": "1"}),
        ("x; =1; b", {}),
        ('x; a="unclosed', {"a": "unclosed"}),
        ("x; name=\udce9.txt", {"name": "é.txt"}),  # a raw Latin-1 byte
        ("x; name*0*=utf-8''one%2; name*1*=0two", {"name": "one two"}),
        ("x; name*0*=nothing", {"name": "nothing"}),
        ("", {}),
    ],
)
def test_parameters_are_read(value, expected):
    assert expected == parse_parameters(value)


def of(raw, **more):
    return parse_parameters(
        (raw if isinstance(raw, bytes) else raw.encode()).decode("utf-8", "surrogateescape"), **more
    )


WRITTEN = [
    # a value as programs write it, and the parameters it means
    ('attachment filename="log.txt"', {"filename": "log.txt"}),  # no semicolon
    ('filename="a.pdf"', {"filename": "a.pdf"}),  # no disposition
    ('attachment, filename="a.pdf"', {"filename": "a.pdf"}),
    ("attachment;filename=a.pdf;", {"filename": "a.pdf"}),
    ('attachment ; filename = "a.pdf"', {"filename": "a.pdf"}),
    ('application/pdf name="a.pdf"', {"name": "a.pdf"}),
    ("text/plain; charset=utf-8 format=flowed delsp=yes", {"charset": "utf-8", "format": "flowed", "delsp": "yes"}),
    ("text/plain charset=iso-2022-jp", {"charset": "iso-2022-jp"}),
    ('multipart/mixed boundary="a;b"', {"boundary": "a;b"}),
    ("multipart/mixed; boundary=----=_Part_1.2", {"boundary": "----=_Part_1.2"}),
    ("a/b; name=GALAXY as at 17.04.13.pdf; size=4", {"name": "GALAXY as at 17.04.13.pdf", "size": "4"}),
    ("a/b; name=a b=c.pdf", {"name": "a b=c.pdf"}),
    ("a/b; name='a;b.pdf'; size=4", {"name": "a;b.pdf", "size": "4"}),
    ("a/b; name=it's.pdf", {"name": "it's.pdf"}),
    ('a/b; name="the "best" one.pdf"; size=4', {"name": 'the "best" one.pdf', "size": "4"}),
    ('a/b; name="a" rest; size="4"', {"name": "a", "size": "4"}),
    ('a/b; name="a.pdf" (by hand); size=4', {"name": "a.pdf", "size": "4"}),
    ('a/b; name="C:\\Users\\ana\\a.pdf"', {"name": "C:\\Users\\ana\\a.pdf"}),  # backslashes that escape nothing
    ('a/b; name="file \\(1\\).pdf"', {"name": "file (1).pdf"}),
    ('a/b; name="a\\"b\\\\c.pdf"', {"name": 'a"b\\c.pdf'}),
    ("a; filename*1*=utf-8''%E2; filename*2*=%82%AC.pdf", {"filename": "€.pdf"}),  # counted from one
    ('a; filename*0*="\'\'attached%2E"; filename*1*="%62"; filename*2=at', {"filename": "attached.bat"}),
    ("a; filename*0*=UTF-8''r%C3%A9; filename*1=sum.pdf", {"filename": "résum.pdf"}),
    ('a; filename*0="utf-8\'\'%E2%82"; filename*1="%AC.pdf"', {"filename": "€.pdf"}),  # without any star
    ("a; filename*=\"UTF-8''%E2%82%AC.pdf\"", {"filename": "€.pdf"}),
    ("a; filename*=%E2%82%AC.pdf; filename=b.pdf", {"filename": "€.pdf"}),
    ("a; filename*=UTF-8'' ; filename=b.pdf", {"filename": "b.pdf"}),  # nothing in the extended form
    ("a; filename*=iso-2022-jp''%1B%24B-%21%1B%28B.pdf", {"filename": "①.pdf"}),
    ("a; filename*=Shift_JIS'ja'%87%40.pdf", {"filename": "①.pdf"}),
    ("a; filename*=UTF-8''=?utf-8?Q?=E2=82=AC?=.pdf", {"filename": "€.pdf"}),
    ("a; filename=%E2%82%AC.pdf", {"filename": "%E2%82%AC.pdf"}),  # no star, no meaning
    ("a; filename==?utf-8?B?4oKsLnBkZg==?=", {"filename": "€.pdf"}),
    ('a; filename="=?utf-8?B?4oI=?= =?utf-8?B?rC5wZGY=?="', {"filename": "€.pdf"}),
    (
        'a; filename*0="=?UTF-8?Q?=F0=9F=98=81=F0?= =?UTF-8?Q?=9F=98=8"; filename*1="1=F0?= =?UTF-8?Q?=9F=98=81.docx?="',
        {"filename": "😁😁😁.docx"},
    ),
    (b'a; filename="' + "テスト.pdf".encode("iso2022_jp") + b'"; size=4', {"filename": "テスト.pdf", "size": "4"}),
    (
        b'a; filename="' + "ア.pdf".encode("iso2022_jp") + b'"; size=4',
        {"filename": "ア.pdf", "size": "4"},
    ),  # holds a quote
    (b"text/plain; charset=gbk; name=" + "发票通知.pdf".encode("gbk"), {"charset": "gbk", "name": "发票通知.pdf"}),
]


def test_parameters_are_read_as_programs_write_them():
    assert [expected for _, expected in WRITTEN] == [of(raw) for raw, _ in WRITTEN]


def test_a_raw_name_is_read_in_the_charset_of_the_body():
    raw = b'a; filename="' + "予定表".encode("cp932") + b'"; size=4'  # ends in the byte of a backslash

    assert of(raw, charset="shift_jis") == {"filename": "予定表", "size": "4"}


def test_the_first_word_is_the_disposition():
    written = ["attachment", '"attachment"; filename=x', "attachment filename=x", "Inline;", 'filename="x"', " ;", ""]

    assert [first_word(value) for value in written] == ["attachment"] * 3 + ["inline", "", "", ""]


def test_a_hundred_parameters_are_enough():
    assert len(parse_parameters("x" + "".join(f"; a{number}=b" for number in range(1000)))) == 100


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "a.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\a.pdf", "a.pdf"),
        ("a\x00b\r\n.pdf", "ab .pdf"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("a:b*c?.pdf", "a_b_c_.pdf"),
        ("..", None),
        ("/", None),
        ("   ", None),
        ("", None),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("x" * 300, "x" * 200),
        ("résumé.pdf", "résumé.pdf"),
    ],
)
def test_a_filename_is_safe_to_write(name, expected):
    assert expected == safe_filename(name)


@given(st.text())
def test_no_filename_is_a_path(name):
    safe = safe_filename(name) or "x"

    assert not set(safe) & set("/\\\x00\r\n")
    assert safe not in (".", "..")


def test_an_extended_value_may_hold_any_octet():
    found = parse_parameters(b"attachment; filename*=utf-8''a%20\xff\xc3b.txt".decode("utf-8", "surrogateescape"))

    assert found["filename"].startswith("a ")
    assert found["filename"].endswith("b.txt")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40))
def test_an_extended_name_comes_back(name):
    octets = "".join(f"%{byte:02X}" for byte in name.encode("utf-8"))
    whole = f"attachment; filename*=utf-8''{octets}"
    half = len(octets) // 6 * 3
    cut = f"attachment; filename*0*=utf-8''{octets[:half]}; filename*1*={octets[half:]}"

    if "=?" not in name and name.strip() == name and not name.startswith("\ufeff"):
        assert of(whole) == of(cut) == {"filename": name}


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60))
def test_no_value_fails(value):
    assert isinstance(parse_parameters(value), dict)
    assert isinstance(first_word(value), str)
