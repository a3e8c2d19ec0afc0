import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailparser_reply import EmailReplyParser

from relay.mail.reply_text import reply_text
from tests.cost import SECOND, cost

ANSWER = "Yes, Tuesday is fine.\n\nBest regards\nAna"
QUOTE = "\n> Can we meet?\n>\n> Bob\n"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 1 Jan 2026 at 10:00, Bob <bob@example.com> wrote:",
        "On Mon, 1 Jan 2026 at 10:00, Bob Marley\n<bob@example.com> wrote:",
        "On 1 Jan 2026, at 10:00,\nBob Marley of the Company\n<bob@example.com> wrote:",
        "Am Mo., 1. Jan. 2026 um 10:00 Uhr schrieb Bob <bob@example.com>:",
        "Le lun. 1 janv. 2026 à 10:00, Bob <bob@example.com> a écrit :",
        "El lun, 1 ene 2026 a las 10:00, Bob (<bob@example.com>) escribió:",
        "Il giorno lun 1 gen 2026 alle ore 10:00 Bob <bob@example.com> ha scritto:",
        "Em seg., 1 de jan. de 2026 às 10:00, Bob <bob@example.com> escreveu:",
        "Op ma 1 jan 2026 om 10:00 schreef Bob <bob@example.com>:",
        "Den mån 1 jan. 2026 kl 10:00 skrev Bob <bob@example.com>:",
        "pon., 1 sty 2026 o 10:00 Bob <bob@example.com> napisał(a):",
        "2026年1月1日 10:00 Bob <bob@example.com> 写道\uff1a",
        "Bob <bob@example.com> wrote:",
    ],
)
def test_what_a_mail_program_quotes_below_an_answer_goes(attribution):
    assert reply_text(f"{ANSWER}\n\n{attribution}\n{QUOTE}") == ANSWER


@pytest.mark.parametrize(
    "history",
    [
        "-----Original Message-----\nFrom: Bob\nwhatever",
        "-------- Ursprüngliche Nachricht --------\nVon: Bob\nwas auch",
        "From: Bob <bob@example.com>\nSent: Monday, 1 January 2026 10:00\nTo: Ana\nSubject: x\n\nCan we meet?",
        "*From:* Bob <bob@example.com>\n*Date:* Monday\n*To:* Ana\n\nCan we meet?",
        "________________________________\nFrom: Bob\nSent: Monday\nTo: Ana\n\nCan we meet?",
        "Von: Bob\nGesendet: Montag\nAn: Ana\nBetreff: x\n\nGeht es?",
        "De : Bob\nEnvoyé : lundi\nÀ : Ana\nObjet : x\n\nAlors ?",
        "On Mon, 1 Jan 2026 at 10:00, Bob <bob@example.com> wrote:\n\nCan we meet?\nnot marked as quoted",
        "> Can we meet?\n> Bob",
    ],
)
def test_history_that_is_not_marked_line_by_line_goes_too(history):
    assert reply_text(f"{ANSWER}\n\n{history}") == ANSWER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("On Mon, 1 Jan 2026, Bob wrote:\n> Can we meet?\n\nYes.\n", "Yes."),
        ("> Can we meet?\nYes.\n> Where?\nHere.", "Yes.\nHere."),
        ("Hello\n\n-- \nAna", "Hello"),
        ("please see what Bob wrote:\n\nmeet me", "please see what Bob wrote:\n\nmeet me"),
        ("On Monday you wrote:\n\nsend it. I did.", "On Monday you wrote:\n\nsend it. I did."),
        ("From: here\nto there", "From: here\nto there"),
        ("Please act on this\n\n---------- Forwarded message ---------\nFrom: Bob\n\nHi", None),
        ("plain\nwords", None),
        ("> only\n> a quote", None),
        ("On Mon, 1 Jan 2026 at 10:00, Bob <b@example.com> wrote:\n> x", None),
        ("", None),
        ("\n\n \n", ""),
    ],
)
def test_an_answer_is_never_lost(text, expected):
    assert (text if expected is None else expected) == reply_text(text)


@pytest.mark.parametrize("history", ["On Mon, 1 Jan 2026 at 10:00, Bob <bob@example.com> wrote:\n" + QUOTE])
def test_the_usual_reply_reads_as_the_well_known_library_reads_it(history):
    text = f"{ANSWER}\n\n{history}"

    assert EmailReplyParser(languages=["en"]).parse_reply(text) == reply_text(text)


def test_history_far_down_is_left_in():
    text = "x\n" * 40_000 + "> late"

    assert reply_text(text) == text


@pytest.mark.parametrize(
    "unit",
    [">", "> ", " ", "\n", "\n\t", "On ", "On\n", "On a wrote ", "On a wrote:\n", "From:\nTo:\n", "From: a\n", "x", "a:\n",
     "-", "----\n", "_" * 40 + "\n", "-" * 78 + "Original\n", "On 2026" + " wrote" * 80 + ":\n", ">\n", "写道\uff1a\n", "\x00",
     "From: a@b.example\n", "From: a@b.example\nTo: c\n\n", "a: b@c.example 10:00\n", "---- a@b.example 10:00 ---\n", "-- \n", "--\na\n\n",
     "> From: a@b.example\n", "x:\n> a\n", "On 1 Jan 2026 at 10:00 a@b.example\n", "##- reply above this line\n\n", "Sent from my a\n\n",
     "Sent from " + "a " * 90 + "\n\n", "a " * 40 + "iPhone gesendet\n\n", "https://a ", "get https://a \n\n", "\xad" * 40 + "\n", "\u200b:",
     "-----BEGIN PGP SIGNED MESSAGE-----\n", "- -----BEGIN PGP SIGNATURE-----\n", "Forwarded message:\n> a\n", "\u2014-", ">>> a 10:00 >>> ", ":  "],
)  # fmt: skip
def test_no_text_takes_long(unit):
    text = (unit * 262_144)[:262_144]

    assert cost(lambda: reply_text(text), rounds=2) < SECOND / 2


@given(
    st.lists(
        st.sampled_from(["> q", "On 1 Jan 2026, B wrote:", "", "words", "From: a", "To: b", "Sent: c", "____________"])
    )
)
def test_something_is_always_left(lines):
    text = "\n".join(lines)

    assert bool(text.strip()) is bool(reply_text(text))


@given(
    st.lists(
        st.sampled_from(
            [
                "",
                "Two words",
                "On 3 May 2026 I came.",
                "From: Berlin",
                "To: Paris",
                "Date: 3 May 10:00",
                "It is 5 > 3",
                "1. yes",
                "- no",
            ]
        )
    )
)
def test_lines_without_an_address_a_verb_and_a_quote_stay(lines):
    text = "\n".join(lines)

    assert text.strip() == reply_text(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "Yes.",
                "At ten.",
                "On Tuesday I can come",
                "1. yes",
                "From: Berlin",
                "See below:",
                "From my side, all is well",
            ]
        ),
        min_size=1,
    )
)
def test_no_line_above_an_attribution_is_lost(lines):
    text = "\n".join(lines)

    assert text == reply_text(f"{text}\nOn Mon, 1 Jan 2026 at 10:00, Bob <bob@example.com> wrote:\n> When?\n")
