from relay.mail.reply.preview import preview


def test_a_preview_is_the_first_200_characters_on_one_line():
    assert preview("Hello,\n\n  the  pump\tis broken.") == "Hello, the pump is broken."
    assert preview("x" * 300) == "x" * 200
    assert preview("word " * 100) == ("word " * 40).rstrip()
    assert preview("") == preview(" \n\u3000\n") == ""


def test_a_preview_of_blanks_and_of_one_long_word_is_cheap():
    assert preview(" \n" * 131_072 + "end") == "end"
    assert preview("a " * 131_072) == ("a " * 100).rstrip()
