import pytest

from relay.auth.alignment import closeness, is_within, shared_labels
from relay.auth.tags import BadTags, binary, domain, number, parse_tags, required


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1;", {"a": "1"}),
        (" a = 1 ; b=2 ; \t", {"a": "1", "b": "2"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a_1=x y", {"a_1": "x y"}),
        ("a=1; A=2", {"a": "1", "A": "2"}),
        ("a=\u00fc", {"a": "\u00fc"}),
    ],
)
def test_a_tag_list_is_read(text, tags):
    assert tags == parse_tags(text)


@pytest.mark.parametrize(
    "text", ["a", "=1", "a=1;;b=2", ";a=1", "a=1; a=2", "1a=x", "a b=x", "a-b=x", "a=\x00", "a=\x7f"]
)
def test_what_is_no_tag_list_is_refused(text):
    with pytest.raises(BadTags):
        parse_tags(text)


def test_empty_places_and_what_is_no_tag_may_be_skipped_but_no_repeated_tag():
    assert {"a": "1", "b": "2"} == parse_tags("; a=1;; b=2; ;", skip_empty=True)
    assert {"v": "1", "p": "A"} == parse_tags("v=1; x-foo=bar; some words; p=A; more", skip_unreadable=True)
    for text in ("p=A; p=B", "p=A;; p=B"):
        with pytest.raises(BadTags):
            parse_tags(text, skip_empty=True, skip_unreadable=True)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("AAAA", bytes(3)), ("AA\t A\r\nA", bytes(3)), ("AA==", bytes(1)), ("AA", bytes(1)), ("AAA", bytes(2))],
)
def test_base64_may_be_folded(value, wanted):
    assert wanted == binary({"b": value}, "b", most=10)


@pytest.mark.parametrize("value", [None, "", "A", "AAAAA", "A-_A", "ü", "٣٣٣٣", "A" * 12, " " * 50 + "A"])
def test_base64_is_held_to_its_form_and_length(value):
    with pytest.raises(BadTags):
        binary({} if value is None else {"b": value}, "b", most=10)


@pytest.mark.parametrize(("value", "wanted"), [("0", 0), ("12", 12), ("9" * 20, int("9" * 20))])
def test_a_number_is_read(value, wanted):
    assert wanted == number({"t": value}, "t")


@pytest.mark.parametrize("value", ["", "-1", "1.0", "x", "٣", "²", "9" * 21, "1 2"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(BadTags):
        number({"t": value}, "t")


def test_a_number_may_be_absent_but_a_required_tag_may_not():
    assert number({}, "t") is None
    with pytest.raises(BadTags):
        required({}, "t")


@pytest.mark.parametrize(
    ("value", "wanted"), [("Example.COM", "example.com"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_a_domain_is_read(value, wanted):
    assert wanted == domain({"d": value}, "d")


@pytest.mark.parametrize("value", ["", "com", "a..b", "a.b.", "a b.c", "[1.2.3.4]", "a" * 300, "-a.b", "a.b\u202e"])
def test_what_is_no_domain_is_refused(value):
    with pytest.raises(BadTags):
        domain({"d": value}, "d")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("example.com", "example.com", 2),
        ("a.example.com", "b.example.com", 2),
        ("my-bank.com", "bank.com", 1),
        ("example.com", "example.org", 0),
        ("com", "com", 1),
        ("", "", 0),
        ("", "com", 0),
    ],
)
def test_labels_are_shared_from_the_right(one, other, shared):
    assert shared == shared_labels(one, other)


def test_the_same_domain_is_nearest():
    names = ["evil.example", "mail.example.com", "example.com", "example.org"]

    assert ["example.com", "mail.example.com"] == sorted(names, key=lambda name: -closeness(name, "example.com"))[:2]


@pytest.mark.parametrize(
    ("name", "within"),
    [("example.com", True), ("a.example.com", True), ("notexample.com", False), ("com", False), ("", False)],
)
def test_a_name_is_within_a_domain_by_whole_labels(name, within):
    assert within == is_within(name, "example.com")


def test_a_list_of_more_tags_than_any_honest_one_has_is_refused():
    assert 100 == len(parse_tags(";".join(f"a{number}=" for number in range(100))))
    with pytest.raises(BadTags):
        parse_tags(";".join(f"a{number}=" for number in range(101)))
