"""Text with format=flowed: paragraphs come on one line, and nothing of the author becomes a quote."""

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.flowed import unflow

FLOWED = [
    (
        "This is a long \nparagraph that was \nwrapped.\n\nSecond.\n",
        "This is a long paragraph that was wrapped.\n\nSecond.\n",
    ),
    ("fixed\nlines\n", "fixed\nlines\n"),
    ("> quoted \n> words\nYes, that \nworks.\n", "> quoted words\nYes, that works.\n"),
    (">> deep \n> less \n> deep\n", ">> deep \n> less deep\n"),
    (" > no quote \nof mine\n", " > no quote of mine\n"),  # stuffed
    ("  indented\n From here\n", " indented\nFrom here\n"),
    (">stuffed \n> line\n", "> stuffed line\n"),
    ("see \n-- \nAna \nBerlin\n", "see \n-- \nAna Berlin\n"),  # the signature never flows
    ("> a \n> -- \n> Ana\n", "> a \n> -- \n> Ana\n"),
    ("open end ", "open end "),
    (">\n> \n>x\n", ">\n>\n> x\n"),
    ("a \n\nb\n", "a \nb\n"),
    ("", ""),
]


def test_flowed_lines_become_paragraphs():
    assert [expected for _, expected in FLOWED] == [unflow(text, delsp=False) for text, _ in FLOWED]


def test_delsp_joins_what_a_program_cut():
    assert (
        unflow("https://example.com/verify?code= \nabcdef\n", delsp=True) == "https://example.com/verify?code=abcdef\n"
    )
    assert unflow("two  \nwords\n", delsp=True) == "two words\n"
    assert unflow("中文 \n字符\n-- \nAna", delsp=True) == "中文字符\n-- \nAna"


@given(st.lists(st.text("ab >-", max_size=12)), st.booleans())
def test_a_wrapped_text_comes_back(paragraphs, delsp):
    lines = [paragraph.rstrip(" ") for paragraph in paragraphs]
    stuffed = [" " + line if line.startswith((" ", ">", "From ")) else line for line in lines]
    wrapped = [line.replace("b ", "b  \n" if delsp else "b \n") for line in stuffed]
    restored = "\n".join(
        line[1:] if line.startswith(" >") else line for line in unflow("\n".join(wrapped), delsp=delsp).split("\n")
    )

    if (
        not any(line.startswith(" >") for line in lines)
        and not any(rest.startswith((" ", ">", "-- ")) for text in wrapped for rest in text.split("\n")[1:])
        and "--" not in lines
    ):
        assert restored == "\n".join(lines)
