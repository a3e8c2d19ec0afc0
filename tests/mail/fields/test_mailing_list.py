import pytest

from relay.mail.summary import summarise
from tests.cost import SECOND, cost
from tests.mail.letters import headers

WEB, POST = (
    b"List-Unsubscribe: <mailto:u@x.example>, <https://x.example/u>",
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((b"Subject: hello",), None),
        ((b"Precedence: list",), None),
        ((b"List-Id: News of X <news.x.example>",), ("news.x.example", None, False)),
        ((b"List-Id: news.x.example",), ("news.x.example", None, False)),
        ((b"List-Id: =?utf-8?q?Gr=C3=BC=C3=9Fe?= <a.x.example>",), ("a.x.example", None, False)),
        ((WEB, POST), (None, "https://x.example/u", True)),
        ((WEB,), (None, "https://x.example/u", False)),
        (
            (b"List-Unsubscribe: <mailto:u@x.example?subject=off>", POST),
            (None, "mailto:u@x.example?subject=off", False),
        ),
        ((b"List-Unsubscribe: <https://x.example/a\r\n b>",), (None, "https://x.example/ab", False)),
        ((b"List-Unsubscribe: https://x.example/u",), (None, "https://x.example/u", False)),
        ((b"List-Unsubscribe: <javascript:alert(1)>",), (None, None, False)),
        ((b"List-Unsubscribe:",), (None, None, False)),
    ],
)
def test_the_list_of_a_message_is_told(lines, expected):
    found = summarise(headers(b"From: a@x.example", *lines)).mailing_list

    assert expected == (found and (found.id, found.unsubscribe, found.one_click))


@pytest.mark.parametrize("unit", [b"<", b">", b"<a", b"<a>", b",", b" "])
def test_no_list_field_costs_more_than_its_length(unit):
    fields = headers(b"List-Id: " + unit * 100_000, b"List-Unsubscribe: " + unit * 100_000)

    assert cost(lambda: summarise(fields)) < SECOND / 4
