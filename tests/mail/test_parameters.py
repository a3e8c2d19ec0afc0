import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.parameters import parse_parameters, safe_filename


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
        ("x; name*0*=nothing", {"name": "nothing"}),
        ("", {}),
    ],
)
def test_parameters_are_read(value, expected):
    assert expected == parse_parameters(value)


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
