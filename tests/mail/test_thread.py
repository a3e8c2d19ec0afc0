import pytest

from relay.mail.summary import summarise
from relay.mail.thread import MAX_PARENTS, bare_id, parent_ids
from tests.mail.letters import headers


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<Abc@example.com>", ("Abc@example.com",)),
        ("Abc@example.com", ("Abc@example.com",)),
        ("<0100abc-1@eu-west-1.amazonses.com>", ("0100abc-1@eu-west-1.amazonses.com", "0100abc-1")),
        ("<0100abc-1@email.amazonses.com>", ("0100abc-1@email.amazonses.com", "0100abc-1")),
        ("<0100@us-gov-west-1.amazonses.com>", ("0100@us-gov-west-1.amazonses.com", "0100")),
        ("<0100@ap-southeast-2.amazonses.com>", ("0100@ap-southeast-2.amazonses.com", "0100")),
        ("0100abc-1", ("0100abc-1",)),
        ("<x@evil.amazonses.com.example>", ("x@evil.amazonses.com.example",)),
        ("<x@a.eu-west-1.amazonses.com>", ("x@a.eu-west-1.amazonses.com",)),
        ("<@email.amazonses.com>", ("@email.amazonses.com",)),
        ("<>", ()),
        ("", ()),
    ],
)
def test_an_id_has_the_forms_it_may_be_kept_under(written, expected):
    assert expected == bare_id(written)


def test_parents_are_asked_for_nearest_first():
    summary = summarise(headers(b"In-Reply-To: <3@x> <4@x>", b"References: <1@x> <2@email.amazonses.com> <3@x>"))

    assert parent_ids(summary) == ("3@x", "2@email.amazonses.com", "2", "1@x")


def test_a_first_mail_has_no_parent():
    assert parent_ids(summarise(headers(b"Message-ID: <1@x>"))) == ()


def test_fifty_parents_are_enough():
    summary = summarise(headers(b"References: " + b" ".join(b"<%d@x>" % number for number in range(90))))

    assert (len(parent_ids(summary)), parent_ids(summary)[0]) == (MAX_PARENTS, "89@x")
