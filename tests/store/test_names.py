import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.names import as_line, is_line, is_text, normalise_address, normalise_domain, normalise_local

LABEL_63 = "a" * 63


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("  example.com ", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # the same in two characters
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("mañana。example", "xn--maana-pta.example"),  # an ideographic full stop
        ("\uff45\uff58ample.com", "example.com"),  # full-width letters
        ("пример.рф", "xn--e1afmkfd.xn--p1ai"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("a-b.example", "a-b.example"),
        ("1.2.3.4", "1.2.3.4"),
        (f"{LABEL_63}.example", f"{LABEL_63}.example"),
        (".".join([LABEL_63] * 3) + "." + "b" * 61, ".".join([LABEL_63] * 3) + "." + "b" * 61),
    ],
)
def test_a_domain_is_kept_as(given, kept):
    assert kept == normalise_domain(given)


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "a..example",
        ".example",
        "-a.example",
        "a-.example",
        "a b.example",
        "a@b.example",
        "a\0.example",
        "a\n.example",
        "a/b.example",
        "*.example",
        "☃.example",
        "a\u200db.example",
        "\u0661.example",
        "\ud800.example",
        f"{LABEL_63}a.example",
        ".".join([LABEL_63] * 4),
        "ü" * 60 + ".example",
    ],
)
def test_what_is_no_domain_is_refused(given):
    with pytest.raises(ValueError, match="not a domain name"):
        normalise_domain(given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana.Bo@Example.COM", "ana.bo@example.com"),
        (" ana@example.com. ", "ana@example.com"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("JÖRG@example.com", "jörg@example.com"),
        ("jo\u0308rg@example.com", "jörg@example.com"),
        ("J\u030c@example.com", "\u01f0@example.com"),  # has no capital as one character
        ("*@example.com", "*@example.com"),
        ("a+b@example.com", "a+b@example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_is_kept_as(given, kept):
    assert kept == normalise_address(given)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ana",
        "@example.com",
        "ana@",
        "ana@@example.com",
        "a na@example.com",
        '"ana"@example.com',
        "ana,bo@example.com",
        "<ana@example.com>",
        "ana\n@example.com",
        "ana\u200b@example.com",
        "ana\0@example.com",
        ".ana@example.com",
        "ana.@example.com",
        "a..b@example.com",
        "a" * 65 + "@example.com",
        "ü" * 33 + "@example.com",  # 66 bytes
        "ana@exa mple.com",
        "ana@[192.0.2.1]",
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ValueError, match="not a"):
        normalise_address(given)


@given(st.text(max_size=20))
def test_a_local_part_is_normalised_by_once(local):
    assert normalise_local(local) == normalise_local(normalise_local(local))


@given(st.text(max_size=20))
def test_two_spellings_of_a_local_part_meet(local):
    assert normalise_local(unicodedata.normalize("NFD", local)) == normalise_local(local)


@given(st.text(max_size=30) | st.from_regex(r"[a-zäöß]{1,8}\.[a-z]{2,5}", fullmatch=True))
def test_a_domain_is_normalised_by_once_or_refused(name):
    try:
        once = normalise_domain(name)
    except ValueError:
        return
    assert once == normalise_domain(once) == normalise_domain(once.upper() + ".")
    assert once.isascii()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Bonjour\xa0: ça va ?",
        "Screenshot at 9.41.00\u202fAM.png",
        "👩\u200d🔧",
        "نمی\u200cشد",
        "a\u200fb",
        "\U0001fae9",
        "\ue000",
    ],
)
def test_a_line_of_any_language_is_one(line):
    assert (True, line) == (is_line(line), as_line(line))


@pytest.mark.parametrize(
    "sign", ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\u202e", "\u2067", "\ud800"]
)
def test_what_ends_a_line_steers_a_terminal_or_turns_its_order_is_no_text(sign):
    assert (False, False, "a b") == (is_line(f"a{sign}b"), is_text(f"a{sign}b", most=9), as_line(f"a{sign}b"))


def test_a_text_has_a_bounded_length():
    assert (True, False) == (is_text("\xa0" * 9, most=9), is_text("\xa0" * 10, most=9))
