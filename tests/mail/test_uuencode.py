"""Uuencoded files in the text of a mail."""

from base64 import b64encode
from binascii import b2a_uu

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.coding.uuencode import MAX_FILES, decode_uuencoded, take_uuencoded

HELLO = "begin 644 a.txt\n%:&5L;&\\`\n`\nend\n"


def block(content, name="a.bin"):
    lines = [b2a_uu(content[at : at + 45]).decode() for at in range(0, len(content), 45)]
    return f"begin 644 {name}\n{''.join(lines)} \nend\n"


def test_files_in_a_text_are_taken_out():
    assert take_uuencoded(f"See file.\n\n{HELLO}\nBye\n") == ("See file.\n\n\nBye\n", (("a.txt", b"hello"),))
    assert take_uuencoded(HELLO + "and\n" + HELLO) == ("and\n", (("a.txt", b"hello"),) * 2)
    assert take_uuencoded(HELLO.replace("\n", "\r\n")) == ("", (("a.txt", b"hello"),))
    assert take_uuencoded(HELLO.replace("a.txt", "my report.doc"))[1][0][0] == "my report.doc"
    assert take_uuencoded("begin 755 empty\n`\nend\n") == ("", (("empty", b""),))


def test_a_block_without_its_end_reaches_to_the_first_line_of_text():
    cut = HELLO.removesuffix("`\nend\n")

    assert take_uuencoded(cut) == ("", (("a.txt", b"hello"),))
    assert take_uuencoded(cut + "What follows is text.\n") == ("What follows is text.\n", (("a.txt", b"hello"),))


def test_words_about_beginning_are_no_file():
    for text in (
        "begin 644 the work\nHello, that is prose.\n",
        "begin\n",
        "begin 644 x",
        "let us begin 644 x\n%:&5L;&\\`\n",
        "",
    ):
        assert take_uuencoded(text) == (text, ())


def test_the_base64_form_is_read():
    assert take_uuencoded("begin-base64 644 a.txt\naGVsbG8=\n====\nx") == ("x", (("a.txt", b"hello"),))


def test_at_most_a_hundred_files_are_taken():
    assert len(take_uuencoded(HELLO * 300)[1]) == MAX_FILES


@given(st.binary(max_size=400))
def test_content_comes_back(content):
    assert take_uuencoded(f"a\n{block(content)}b\n") == ("a\nb\n", (("a.bin", content),))
    assert decode_uuencoded(block(content).replace("\n", "\r\n").encode()) == content
    coded = "".join(b64encode(content[at : at + 45]).decode() + "\n" for at in range(0, len(content), 45))
    assert take_uuencoded(f"begin-base64 644 a\n{coded}====\n")[1] == (("a", content),)


@given(st.text("begin 64abc`\n#%M", max_size=200))
def test_no_text_fails_or_grows(text):
    rest, files = take_uuencoded("begin 644 a\n" + text)

    assert len(rest.encode()) + sum(len(content) for _, content in files) <= len(text.encode()) + 12
    assert decode_uuencoded(text.encode()) is None or "begin" in text
