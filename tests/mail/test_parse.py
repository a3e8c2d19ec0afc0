from hashlib import sha256

import pytest

from relay.mail.parse import MAX_ATTACHMENTS, attachment, parse
from tests.mail.letters import letter, mail, multipart


def test_a_plain_mail_is_its_text():
    read = parse(letter("plain"))

    assert read.text == "Good morning,\n\nwhere is my parcel?\n\nAna\n"
    assert (read.html, read.charset_used, read.truncated, read.attachments, read.defects) == (
        None,
        "utf-8",
        False,
        (),
        (),
    )
    assert read.headers[1] == ("From", "Ana Lima <ana@example.com>")
    assert [name for name, _ in read.headers][-2:] == ["MIME-Version", "Content-Type"]


def test_headers_are_listed_decoded_and_unfolded():
    read = parse(letter("reply_with_history"))

    assert ("Subject", "Re: Grüße") in read.headers
    assert ("References", "<1@example.com> <2@agents.example>") in read.headers


def test_every_leaf_that_is_not_the_body_is_listed():
    read = parse(letter("attachments"))

    assert (read.text, read.html) == ("Plain words.", '<p>Words <img src="cid:dot@1"></p>')
    assert [
        (part.filename, part.content_type, part.size, part.content_id, part.inline) for part in read.attachments
    ] == [
        ("dot.png", "image/png", 8, "dot@1", True),
        ("résumé.pdf", "application/pdf", 6, None, False),
        ("The mail inside.eml", "message/rfc822", 63, None, False),
        ("invite.ics", "text/calendar", 30, None, False),
    ]
    assert [part.index for part in read.attachments] == [0, 1, 2, 3]


def test_an_attachments_bytes_are_those_that_were_listed():
    raw = letter("attachments")
    for listed in parse(raw).attachments:
        part = attachment(raw, listed.index)

        assert part is not None
        assert (listed.size, listed.sha256) == (len(part.content), sha256(part.content).hexdigest())
        assert (listed.content_type, listed.filename) == (part.content_type, part.filename)


def test_a_mail_inside_is_given_whole():
    part = attachment(letter("attachments"), 2)

    assert part is not None
    assert part.content == b"From: eve@example.org\r\nSubject: The mail inside\r\n\r\nInner words."


@pytest.mark.parametrize("index", [-1, 4, 10**9])
def test_an_attachment_that_is_not_listed_is_none(index):
    assert attachment(letter("attachments"), index) is None


def test_an_html_mail_has_its_words_as_text():
    read = parse(letter("html_only"))

    assert read.text == "Café & more\n\nNow only 9 €"
    assert read.html is not None
    assert "<h1>Café &amp; more</h1>" in read.html
    assert read.charset_used == "windows-1252"


def test_a_bounce_keeps_its_report_and_the_mail_it_is_about():
    read = parse(letter("bounce"))

    assert read.text == "The mail could not be delivered."
    assert [part.content_type for part in read.attachments] == ["message/delivery-status", "message/rfc822"]


def test_what_can_be_read_of_a_damaged_mail_is_given():
    raw = letter("damaged")
    read = parse(raw)

    assert read.text == "Café here"
    assert [(part.filename, part.content_type) for part in read.attachments] == [("a.pdf", "application/pdf")]
    assert attachment(raw, 0).content.startswith(b"%PDF-1")
    assert read.defects == (
        "a line of the header section is not a header field",
        "a multipart has no end",
        "a base64 part holds invalid bytes, which were skipped",
    )


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\r\n\r\n", b"From: a@example.com\r\n", b"From: a@example.com\r\n\r\n"])
def test_an_empty_mail_has_an_empty_text(raw):
    read = parse(raw)

    assert (read.text.strip(), read.html, read.attachments, read.defects) == ("", None, (), ())


PLAIN, HTML = b"Content-Type: text/plain\r\n\r\nplain", b"Content-Type: text/html\r\n\r\n<b>html</b>"
FILE = b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nfile"
FOOTER = b"\r\nfooter"
NOTED = b"Content-Type: text/plain; name=b.txt\r\n\r\nnoted"
BEHIND = "a multipart goes on behind its closing delimiter"
PICTURE = b"Content-Type: image/png\r\nContent-ID: <p>\r\n\r\nx"


@pytest.mark.parametrize(
    ("raw", "text", "html", "listed"),
    [
        (multipart(PLAIN, FOOTER), "plain\nfooter", None, []),
        (multipart(PLAIN, FILE), "plain", None, ["a.txt"]),
        (multipart(FILE, PLAIN), "plain", None, ["a.txt"]),
        (multipart(PLAIN, NOTED), "plain", None, ["b.txt"]),
        (multipart(NOTED, PICTURE), "noted", None, [None]),
        (multipart(PLAIN, HTML), "plain\nhtml", "<b>html</b>", []),
        (multipart(HTML, PICTURE, HTML), "html\nhtml", "<b>html</b>\n<b>html</b>", [None]),
        (multipart(PLAIN, HTML, kind=b"alternative"), "plain", "<b>html</b>", []),
        (multipart(HTML, PLAIN, kind=b"alternative"), "plain", "<b>html</b>", []),
        (multipart(PLAIN, b"\r\nother", kind=b"alternative"), "plain", None, [None]),
        (multipart(b"Content-Type: text/html\r\n\r\nworse", HTML, kind=b"alternative"), "html", "<b>html</b>", [None]),
        (multipart(HTML, PICTURE, PLAIN, kind=b"related"), "html\nplain", "<b>html</b>", [None]),
        (multipart(PLAIN, HTML, PICTURE, kind=b"related"), "plain", "<b>html</b>", [None]),
        (multipart(PICTURE, HTML, kind=b'related; start="<h>"'), "html", "<b>html</b>", [None]),
        (
            multipart(PICTURE, b"Content-ID: <h>\r\n" + HTML, kind=b'related; start="<h>"'),
            "html",
            "<b>html</b>",
            [None],
        ),
        (multipart(b"Content-Type: text/enriched\r\n\r\n<bold>x</bold>"), "x", None, []),
        (multipart(b"Content-Type: nonsense\r\n\r\nx"), "x", None, []),
        (multipart(b"Subject: inner\r\n\r\nx", kind=b"digest"), "", None, [None]),
        (multipart(b"\r\nSubject: inner\r\n\r\nx", kind=b"digest"), "x", None, ["inner.eml"]),
        (mail(b"Content-Type: application/pdf; name=a/../b.pdf", body=b"x"), "", None, ["b.pdf"]),
        (mail(b"Content-Type: multipart/mixed", body=b"words\r\n"), "words\n", None, []),
        (mail(b"Content-Type: multipart/mixed; boundary=other", body=b"words\r\n"), "words\n", None, []),
        (multipart(b"words at once\r\nand more"), "words at once\nand more", None, []),
        (multipart(b"", b"\r\n", b"\r\nx"), "x", None, []),
    ],
)
def test_the_body_is_found_by_the_rules_of_mime(raw, text, html, listed):
    read = parse(raw)

    assert (text, html, listed) == (read.text, read.html, [part.filename for part in read.attachments])


def test_the_footer_beside_an_alternatives_page_does_not_replace_the_text():
    inner = multipart(HTML, FOOTER).partition(b"\r\n")[2].replace(b"boundary=x", b"boundary=y").replace(b"--x", b"--y")
    read = parse(multipart(PLAIN, inner, kind=b"alternative"))

    assert (read.text, read.html) == ("plain", "<b>html</b>")
    assert [part.content_type for part in read.attachments] == ["text/plain"]


@pytest.mark.parametrize(
    ("body", "text", "defects"),
    [
        (b"--x\r\n\r\na\r\n--xy\r\n\r\nb\r\n--x--\r\n", "a\n--xy\n\nb", ()),  # a longer boundary is another one
        (b"--x  \r\n\r\na\r\n--x-- \t\r\nepilogue\r\n--x\r\n\r\nb\r\n--x--", "a\nb", (BEHIND,)),
        (b"preamble\r\n--x\r\n\r\na", "a", ("a multipart has no end",)),
        (b"--x--\r\n--x\r\n\r\na\r\n--x--", "a", (BEHIND,)),
        (b"--x\r\n\r\na\r\n--x--", "a", ()),
    ],
)
def test_boundaries_are_whole_lines(body, text, defects):
    read = parse(mail(b"Content-Type: multipart/mixed; boundary=x", body=body))

    assert (text, defects) == (read.text, read.defects)


def test_text_is_cut_on_a_characters_boundary():
    read = parse(mail(b"Content-Type: text/plain; charset=utf-8", body="é".encode() * 200_000))

    assert (len(read.text), read.truncated) == (131_072, True)
    assert set(read.text) == {"é"}


@pytest.mark.parametrize("kind", [b"text/plain", b"text/html"])
def test_a_huge_body_is_cut_and_says_so(kind):
    read = parse(mail(b"Content-Type: " + kind, body=b"word " * 500_000))

    assert read.truncated
    assert len(read.text.encode()) <= 262_144


def test_many_pieces_are_cut_and_say_so():
    read = parse(multipart(*[b"\r\n" + b"x" * 100_000] * 5))

    assert (len(read.text), read.truncated) == (262_144, True)


def test_a_thousand_attachments_are_listed_and_the_rest_counted():
    raw = multipart(*[FILE] * (MAX_ATTACHMENTS + 5))
    read = parse(raw)

    assert (len(read.attachments), read.attachments_truncated) == (MAX_ATTACHMENTS, True)
    assert read.defects == ("only the first 1000 of 1005 attachments are listed",)
    assert attachment(raw, MAX_ATTACHMENTS) is None


def test_a_thousand_headers_are_listed_and_the_rest_counted():
    read = parse(mail(*[b"X: y"] * 1500))

    assert len(read.headers) == 1000
    assert read.defects == ("only the first 1000 header fields are listed",)
