"""Sign-in codes: found in sign-in mails, and not invented in newsletters, invoices and receipts."""

import pytest

from relay.mail.signin.codes import MAX_SCANNED, find_codes
from tests.cost import SECOND, cost


def codes(subject, text):
    return [each.code for each in find_codes(subject, text)]


def test_a_code_comes_with_the_words_around_it():
    (code,) = find_codes("Acme", "Hello,\n\nYour sign-in code is:\n\n  **483 920**\n\nIt expires in 10 minutes.")

    assert (code.code, code.context) == ("483920", "Your sign-in code is: **483 920**")


def test_at_most_five_codes_are_told_and_each_once():
    text = "\n".join(f"Your one-time code is {number}." for number in (*range(4831, 4840), 4831))

    assert codes("Your code: 4831", text) == ["4831", "4832", "4833", "4834", "4835"]


def test_a_code_far_down_is_not_searched():
    assert codes("", "x\n" * MAX_SCANNED + "Your verification code is 483920") == []


@pytest.mark.parametrize(
    "unit",
    ["code ", "code\n", "your code 4839 ", "483920 ", "4 8 3 ", "verification code\n", "code de la ", "one time ", "code:\n\n", "确认码",
     "*" * 8 + "\n", "otp " + "(1" * 10 + "\n", "code 1234 " + "x" * 60 + "\n", "\x00", "https://", "code " + "A-" * 40, "A1-", "\n" * 9 + "code"],
)  # fmt: skip
def test_no_text_takes_long(unit):
    text = (unit * 262_144)[:262_144]

    assert cost(lambda: find_codes(text, text), rounds=2) < SECOND / 2
