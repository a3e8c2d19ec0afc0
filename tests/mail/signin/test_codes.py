"""Sign-in codes: found in sign-in mails, and not invented in newsletters, invoices and receipts."""

from pathlib import Path

import pytest

from relay.mail.signin.codes import MAX_SCANNED, find_codes
from tests.cost import SECOND, cost

HERE = Path(__file__).parent


def mails(*names):
    """Heading and text of each mail of the files."""
    for name in names:
        for block in (HERE / name).read_text("utf-8").split("\n@@@ ")[1:]:
            heading, _, text = block.partition("\n")
            yield heading, text.rstrip("\n")


def test_the_codes_of_sign_in_mails_are_found():
    every = [(*heading.split(" | ", 1), text) for heading, text in mails("signin.txt", "signin_second.txt")]
    missed = [code for code, subject, text in every if codes(subject, text) != [code]]

    assert len(every) >= 260
    assert len(missed) <= len(every) * 0.03, missed


def test_no_code_is_invented_in_newsletters_invoices_and_receipts():
    every = list(mails("others.txt", "others_second.txt"))

    assert len(every) >= 260
    assert [] == [(subject, found) for subject, text in every if (found := codes(subject, text))]


def test_no_code_is_invented_in_replies():
    text = (HERE.parent / "reply" / "replies.txt").read_text("utf-8")

    assert [] == [reply for reply in text.split("\n@@@ ") if codes("", reply)]


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
