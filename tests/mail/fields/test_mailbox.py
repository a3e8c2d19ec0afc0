import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.fields.mailbox import MAX_MAILBOXES, Mailbox, parse_mailboxes
from tests.cost import SECOND, cost


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"ana@example.com", [("", "ana@example.com")]),
        (b" <ana@example.com> ", [("", "ana@example.com")]),
        (b"Ana <ana@example.com>", [("Ana", "ana@example.com")]),
        (b'"Lima, Ana" <ana@example.com>', [("Lima, Ana", "ana@example.com")]),
        (rb'"Ana \"A\" Lima" <ana@example.com>', [('Ana "A" Lima', "ana@example.com")]),
        (b"a@x.example, B <b@x.example>", [("", "a@x.example"), ("B", "b@x.example")]),
        (b"a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),  # as Outlook writes
        (b"a@x.example (Ana)", [("Ana", "a@x.example")]),
        (b"(Ana (the one)) a@x.example", [("Ana (the one)", "a@x.example")]),
        (b"team: a@x.example, b@x.example;", [("", "a@x.example"), ("", "b@x.example")]),
        (b"undisclosed-recipients:;", []),
        (b"=?utf-8?q?J=C3=B6rg=3Cx=40y=3E?= <j@x.example>", [("Jörg<x@y>", "j@x.example")]),
        (b"<@relay.example:a@x.example>", [("", "a@x.example")]),
        (b'"odd local"@x.example', [("", '"odd local"@x.example')]),
        (b'N <"a,b"@x.example>', [("N", '"a,b"@x.example')]),
        (b"N <a @ x.example>", [("N", "a@x.example")]),
        (b"MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        (b"ana@example.com <other@evil.example>", [("ana@example.com", "other@evil.example")]),
        (b"N <a@x.example", [("N", "a@x.example")]),
        (b'"unclosed <a@x.example>', [('"unclosed', "a@x.example")]),
        (b"(only a comment)", []),
        (b"<>", []),
        (b", ,,", []),
        (b"", []),
        (b"N <a@x.example>, <,>", [("N", "a@x.example")]),
        (b"Ana a@x.example", [("Ana", "a@x.example")]),
        (b'"Ana" a@x.example', [("Ana", "a@x.example")]),
        (b"Ana [a@x.example]", [("Ana", "a@x.example")]),
        (b"a@x.example b@x.example", [("a@x.example", "b@x.example")]),
        (b"Lima, Ana <a@x.example>", [("Lima, Ana", "a@x.example")]),
        (b"Lima, Ana <a@x.example>, Bo <b@x.example>", [("Lima, Ana", "a@x.example"), ("Bo", "b@x.example")]),
        (b"ana, b@x.example", [("ana", ""), ("", "b@x.example")]),
        (b"Example: A Center <a@x.example>", [("Example: A Center", "a@x.example")]),
        (b"team: A <a@x.example>; B <b@x.example>", [("A", "a@x.example"), ("B", "b@x.example")]),
        (b"undisclosed-recipients:", []),
        (b"=?utf-8?Q?Gro=C3=9F,_Ana?= <a@x.example>", [("Groß, Ana", "a@x.example")]),
        (b"=?utf-8?Q?ana@shop_=C3=9F?= <a@x.example>", [("ana@shop ß", "a@x.example")]),
        (b"=?utf-8?Q?Ana_<a@x.example>?=", [("Ana", "a@x.example")]),
        (b'"=?utf-8?Q?Gro=C3=9F?=" <a@x.example>', [("Groß", "a@x.example")]),
        (rb"Pete(A nice \) chap) <pete(his account)@silly.test(his host)>", [("Pete", "pete@silly.test")]),
        ("Сергей Обухов".encode(), [("Сергей Обухов", "")]),
        (b"Ana <<a@x.example>>", [("Ana", "a@x.example")]),
        (b"Ana <mailto:a@x.example>", [("Ana", "a@x.example")]),
        (b"Ana <a@exam ple.com>", [("Ana", "")]),
        (b"Ana <a@x.example b@x.example>", [("Ana", "")]),
        (b"Mail Delivery System <MAILER-DAEMON>", [("Mail Delivery System", "")]),
        (b"Ana :) <a@x.example>", [("Ana :)", "a@x.example")]),
        (rb"DOMAIN\ana <a@x.example>", [(r"DOMAIN\ana", "a@x.example")]),
        (b"Ana <a@x.example>,", [("Ana", "a@x.example")]),
        (b"a@x.example,,b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        ("Jörg <jörg@bücher.example>".encode(), [("Jörg", "jörg@bücher.example")]),
        (b'<"odd".local@x.example>', [("", '"odd".local@x.example')]),
        (b'Ana <x@mail.ex"ample>', [("Ana", "")]),
        (b'Ana <x@mail.ex"am"ple>', [("Ana", "")]),
        (b'Ana <x"y@mail.example>', [("Ana", "")]),
        (b"Ana <x@ma(il.example>", [("Ana", "")]),
        (b'<x@mail.ex"ample>', [('x@mail.ex"ample', "")]),
        (b'Ana <x"y".z@mail.example>', [("Ana", "")]),
        (b'Ana <x@mail."y".example>', [("Ana", "")]),
        (b"Ana <=?utf-8?q?x=22y?=@mail.example>", [("Ana", "")]),
        (b"<=?utf-8?q?x=22y?=@mail.example>", [('x"y@mail.example', "")]),
        (b"Ana <=?utf-8?q?x=40mail.ex=22ample?=>", [("Ana", "")]),
    ],
)
def test_mailboxes_are_read_leniently(raw, expected):
    assert tuple(Mailbox(name, address) for name, address in expected) == parse_mailboxes(raw)


@pytest.mark.parametrize(
    "unit", [b",", b"a,", b"<", b'"', b"(", b")", b":", b";", b"a@b ", b"@.", b'""@b', b"=?", b'"\\"']
)
def test_no_list_costs_more_than_its_length(unit):
    assert cost(lambda: parse_mailboxes(unit * (100_000 // len(unit)))) < SECOND / 2
    assert cost(lambda: parse_mailboxes(b"<" + unit * (100_000 // len(unit)))) < SECOND / 2


def test_a_thousand_mailboxes_are_enough():
    assert len(parse_mailboxes(b"a@b.example, " * 50_000)) == MAX_MAILBOXES


@given(
    st.lists(
        st.sampled_from(
            [b'"', b"<", b">", b",", b"(", b")", b":", b";", b"\\", b"a@b", b" ", b"=?utf-8?q?=00?=", b"\xff"]
        )
    )
)
def test_no_soup_of_signs_fails_or_leaks_a_control(pieces):
    for mailbox in parse_mailboxes(b"".join(pieces)):
        assert mailbox.name.isprintable()
        assert mailbox.address.isprintable()


def test_a_quoted_pair_loses_its_backslash():
    cases = {rb"a\"b": 'a"b', rb"a\\b": r"a\b", rb"\\\"b": r"\"b", rb"\a\\\b": r"a\b", rb"\\\\": r"\\", rb"\a\b": "ab"}

    found = {quoted: parse_mailboxes(b'"' + quoted + b'" x <a@b.example>')[0].name for quoted in cases}

    assert {quoted: f"{name} x" for quoted, name in cases.items()} == found
