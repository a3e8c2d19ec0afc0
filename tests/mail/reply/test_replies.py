"""Replies of many mail programs in many languages: what is left is what was written."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from relay.mail.reply.adverts import is_advert
from relay.mail.reply.pgp import without_pgp_frame
from relay.mail.reply.scan import Scan, is_all_new
from relay.mail.reply_text import reply_text

REPLIES = Path(__file__).with_name("replies.txt")
_BLANK_LINES = re.compile(r"(?:\n[ \t]*){3,}")


def replies():
    """Name, text and new text of each."""
    for block in REPLIES.read_text("utf-8").split("\n@@@ ")[1:]:
        name, _, body = block.partition("\n")
        lines = body.rstrip("\n").split("\n")
        yield (
            name,
            "\n".join(line.removeprefix("~") for line in lines),
            "\n".join(line for line in lines if not line.startswith("~")),
        )


def trimmed(text):
    return _BLANK_LINES.sub("\n\n", text.strip())


def test_the_new_text_of_each_reply_is_found():
    wrong = [name for name, text, new in replies() if trimmed(reply_text(text)) != trimmed(new)]

    assert [] == wrong


def test_no_word_of_an_answer_is_lost():
    lost = {name: Counter(new.split()) - Counter(reply_text(text).split()) for name, text, new in replies()}

    assert {} == {name: words for name, words in lost.items() if words}


def test_a_forward_stays_as_it_is_whatever_it_holds():
    for _, text, _ in replies():
        assert reply_text(text, forwarded=True) == text.strip()


def test_the_set_is_as_wide_as_it_should_be():
    names = [name for name, _, _ in replies()]

    assert len(names) == len(set(names)) >= 150
    assert len({name.split()[0] for name in names}) >= 20
    assert len({name.split(maxsplit=1)[1] for name in names}) >= 15


def test_what_is_removed_needs_the_marks_that_were_read():
    """Without its dividers, labels and colons a text stays whole."""
    for _, _, new in replies():
        assert trimmed(reply_text(new.replace(":", "").replace(">", "").replace("-", ""))) == trimmed(
            new.replace(":", "").replace(">", "").replace("-", "")
        )


ADVERTS = Path(__file__).with_name("adverts.txt").read_text("utf-8").strip()
ANSWERS = """I sent it from my iPhone
Sent from my office, but it never arrived, did it?
Sent from Berlin on Monday
Sent from the warehouse yesterday
I use Outlook for iOS.
Get the parcel before noon
Get back to me, please
Please get Outlook for Anna
Outlook is broken
Outlook for next year is good
My iPhone is broken
Which Android version is it?
Gesendet am Montag, mit der Post
Envoyé hier par la poste
Wir haben es gesendet
Enviado por correo ayer
Mail me
Yes"""


@pytest.mark.parametrize(("lines", "expected"), [(ADVERTS, True), (ANSWERS, False)])
def test_adverts_of_mail_programs_are_told_from_answers(lines, expected):
    assert [] == [line for line in lines.split("\n") if is_advert(line) is not expected]


def plain_reply_text(text):
    """The same by the scan alone."""
    unframed = without_pgp_frame(text)
    scan = Scan(unframed)
    scan.run(complete=True)
    return ("\n".join(scan.kept) if scan.removed else unframed).strip() or text.strip()


def test_the_quick_look_at_a_text_changes_no_answer():
    dice, passed = Random(1870), 0
    texts = [text for _, text, _ in replies()]
    lines = [line for text in texts for line in text.split("\n")]
    lines += REPLIES.with_name("adverts.txt").read_text("utf-8").split("\n")
    lines += [
        "",
        "\u200b",
        " \xa0",
        "\u200e> a",
        "www.example.com",
        "<https://example.com/a:b>",
        "a:  b",
        "--",
        "-- ",
        "##- reply above this line -##",
    ]
    words = [
        "Hello Ana,",
        "that is fine.",
        "See you at 10:15",
        "",
        "  ",
        "Thanks",
        "https://example.com/x",
        "* one",
        "Note: this",
    ]
    texts += [
        "\n".join(dice.choices(lines, k=dice.randint(1, 4)) + dice.choices(words, k=dice.randint(0, 6)))
        for _ in range(4000)
    ]
    for text in texts:
        passed += is_all_new(text)
        assert plain_reply_text(text) == reply_text(text)

    assert 100 < passed < len(texts) - 100
