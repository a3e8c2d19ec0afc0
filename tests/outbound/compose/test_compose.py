"""The bytes of a mail: whole, readable by others, and nothing in them that was not meant."""

import email
import email.policy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.errors import BadDraft, MailTooLarge
from relay.mail.headers import split_headers
from relay.mail.parse import attachments, parse
from relay.mail.summary import summarise
from relay.outbound.compose.compose import AnsweredMessage, Author
from store.records.outbound import OutboundAttachment
from tests.outbound.drafting import AUTHOR, PDF, composed, draft

NAMES = {"from", "to", "cc", "subject", "date", "message-id", "references", "x-mailseal-message-id", "auto-submitted",
         "mime-version", "content-type", "content-transfer-encoding"}  # fmt: skip


def standard(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def names(raw):
    return [field.name for field in split_headers(raw).fields]


def assert_on_the_wire(raw):
    assert raw.isascii()
    assert b"\0" not in raw
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.endswith(b"\r\n")


def test_a_plain_mail_is_these_bytes():
    assert (
        b"From: Bot\r\n <bot@agents.example>\r\nTo: ana@example.com\r\nSubject: Hello\r\n"
        b"Date: Mon, 23 Nov 2026 15:17:00 +0000\r\nMessage-ID: <msg_1@agents.example>\r\n"
        b"X-Mailseal-Message-Id: msg_1\r\nAuto-Submitted: auto-generated\r\nReferences: <msg_1@agents.example>\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nHi\r\n"
    ) == composed().raw


def test_the_same_arguments_give_the_same_bytes():
    one = draft(html="<p>Hi</p>", attachments=(PDF,))

    assert composed(one) == composed(one)
    assert "msg_1@agents.example" == composed(one).email_message_id


def test_bcc_stands_nowhere_in_the_bytes():
    raw = composed(draft(to=(), bcc=("secret@example.com",))).raw

    assert b"secret" not in raw
    assert "bcc" not in names(raw)
    assert b"To: undisclosed-recipients:;\r\n" in raw
    assert () == summarise(split_headers(raw)).to


def test_text_html_and_files_nest_as_readers_expect():
    message = standard(composed(draft(text="Hi", html="<p>Hi</p>", attachments=(PDF,))).raw)

    kinds = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"]
    assert kinds == [part.get_content_type() for part in message.walk()]
    assert ("Hi", "<p>Hi</p>") == (message.get_body(["plain"]).get_content(), message.get_body(["html"]).get_content())


def test_a_shared_from_leads_answers_to_the_agent():
    author = Author(address="bot@agents.example", shared_from="out@shared.example")
    raw = composed(author=author).raw
    summary = summarise(split_headers(raw))

    assert ("bot", "out@shared.example") == (summary.from_.name, summary.from_.address)
    assert ["bot@agents.example"] == [each.address for each in summary.reply_to]
    assert "<msg_1@shared.example>" == summary.email_message_id


def test_our_own_id_is_the_last_reference_and_the_root_the_first():
    before = tuple(f"r{number}@example.com" for number in range(60))
    answered = AnsweredMessage(
        in_reply_to="r59@example.com", references=(*before, "not an id", "<x>", "a\r\nBcc: e@example.com")
    )
    summary = summarise(split_headers(composed(answered=answered).raw))

    assert "<r59@example.com>" == summary.in_reply_to
    assert 21 == len(summary.references)
    assert ("<r0@example.com>", "<r59@example.com>", "<msg_1@agents.example>") == (
        summary.references[0], summary.references[-2], summary.references[-1],
    )  # fmt: skip


@pytest.mark.parametrize(
    "subject", ["Grüße aus Köln", "日本語" * 60, "=?utf-8?b?ZXZpbA==?=", "x" * 998, "a  b   c", "", "😀 " * 90]
)
def test_a_subject_is_read_as_it_was_written(subject):
    raw = composed(draft(subject=subject)).raw

    assert_on_the_wire(raw)
    assert subject.strip() == summarise(split_headers(raw)).subject == str(standard(raw)["Subject"] or "").strip()


@pytest.mark.parametrize(
    "name", ["Ana", 'O"Brien \\ Sons', "Smith, John (work) <x@y>", "Zoë Ünlü", "名前" * 30, "=?x?q?y?=", "a" * 255]
)
def test_a_name_is_read_as_it_was_written(name):
    raw = composed(author=replace(AUTHOR, name=name)).raw

    assert_on_the_wire(raw)
    from_ = summarise(split_headers(raw)).from_
    assert (name, "bot@agents.example") == (from_.name, from_.address)
    # The library puts blanks between encoded words in a name, against RFC 2047 §6.2.
    assert name.replace(" ", "") == standard(raw)["From"].addresses[0].display_name.replace(" ", "")


@pytest.mark.parametrize(
    "filename", ["a b.txt", "résumé final.pdf", "表" * 60 + ".xlsx", 'quo"te.txt', "n" * 190 + ".doc", "100%25.txt"]
)
def test_a_file_keeps_its_name_and_bytes(filename):
    raw = composed(draft(attachments=(replace(PDF, filename=filename),))).raw

    assert_on_the_wire(raw)
    assert filename.replace('"', "_") == parse(raw).attachments[0].filename
    (part,) = standard(raw).iter_attachments()
    assert (filename, PDF.content) == (part.get_filename(), part.get_content())


def test_a_mail_inside_the_mail_goes_as_one_when_it_is_in_seven_bits():
    inner = b"Subject: in\r\n\r\n--=_b0_0m\r\nbody\r\n"
    raw = composed(
        draft(attachments=(OutboundAttachment(filename="o.eml", content_type="message/rfc822", content=inner),))
    ).raw

    assert ["message/rfc822"] == [each.content_type for each in parse(raw).attachments]
    assert [inner.removesuffix(b"\r\n")] == [part.content for part in attachments(raw)]


def test_a_mail_inside_the_mail_goes_as_a_file_when_it_is_not():
    inner = b"Subject: \xff\r\n\r\nbody\n"
    raw = composed(
        draft(attachments=(OutboundAttachment(filename="o.eml", content_type="message/rfc822", content=inner),))
    ).raw

    assert [("application/octet-stream", inner)] == [(part.content_type, part.content) for part in attachments(raw)]


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "pdf",
        "multipart/mixed",
        "message/partial",
        "text/plain\r\nX: y",
        "text/plain; charset",
        "te xt/plain",
        "text/plain; a=b; c",
    ],
)
def test_a_type_that_no_file_has_is_refused(kind):
    with pytest.raises(BadDraft) as caught:
        composed(draft(attachments=(PDF, replace(PDF, content_type=kind))))

    assert ("attachments", 1) == (caught.value.field, caught.value.index)


def test_the_parameters_of_a_type_go_along():
    raw = composed(
        draft(attachments=(replace(PDF, content_type='Text/CSV; charset=utf-8; header="present"; name=x'),))
    ).raw

    assert b'Content-Type: text/csv;\r\n charset="utf-8";\r\n header="present"\r\n' in raw


EVIL = [
    "a\r\nBcc: eve@example.com",
    "a\nBcc: eve@example.com",
    "a\rb",
    "a\0b",
    "a\x85b",
    "a\u2028b",
    "a\x0bb",
    "a\ud800",
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("subject", lambda evil: composed(draft(subject=evil))),
        ("name", lambda evil: composed(author=replace(AUTHOR, name=evil))),
        ("to", lambda evil: composed(draft(to=(evil + "@example.com",)))),
        ("cc", lambda evil: composed(draft(cc=("ana@" + evil,)))),
        ("from", lambda evil: composed(author=replace(AUTHOR, address=evil + "@x.example"))),
        ("from", lambda evil: composed(author=replace(AUTHOR, shared_from=evil + "@x.example"))),
        ("attachments", lambda evil: composed(draft(attachments=(replace(PDF, filename=evil),)))),
        (
            "attachments",
            lambda evil: composed(draft(attachments=(replace(PDF, content_type="text/plain; x=" + evil),))),
        ),
        ("headers", lambda evil: composed(headers=[("X-Ok", evil)])),
        ("headers", lambda evil: composed(headers=[("X-" + evil, "ok")])),
    ],
)
def test_no_field_can_begin_another(field, make, evil):
    with pytest.raises(BadDraft) as caught:
        make(evil)

    assert field == caught.value.field


@pytest.mark.parametrize("text", ["a\0b", "a\ud800"])
@pytest.mark.parametrize("field", ["text", "html"])
def test_a_text_that_is_none_is_refused(field, text):
    with pytest.raises(BadDraft) as caught:
        composed(draft(**{field: text}))

    assert field == caught.value.field


@pytest.mark.parametrize(
    "name",
    ["From", "Sender", "To", "Cc", "Bcc", "Received", "DKIM-Signature", "Mailseal-Verified", "Authentication-Results", "Return-Path",
     "Message-ID", "References", "Subject", "Content-Type", "MIME-Version", "Auto-Submitted", "X-Mailseal-Message-Id", "x-ses-configuration-set",
     "ARC-Seal", "Resent-From", "", "X-", "X Y", "X-é", "X-A:", "Reply-To", "Date", "X-" + "a" * 75],
)  # fmt: skip
def test_an_agent_does_not_write_the_fields_of_others(name):
    with pytest.raises(BadDraft) as caught:
        composed(headers=[("X-Ok", "1"), (name, "1")])

    assert ("headers", 1) == (caught.value.field, caught.value.index)


def test_an_agent_writes_fields_of_its_own():
    own = [
        ("X-Ticket", "4711"),
        ("List-Unsubscribe", "<https://example.com/" + "u" * 900 + ">"),
        ("Importance", "hoch ü ja"),
    ]
    raw = composed(headers=own).raw

    assert_on_the_wire(raw)
    assert own == [(name, value) for name, value in parse(raw).headers if name in dict(own)]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-A", "1"), ("x-a", "2")],
        [("X-A", "v" * 994)],
        [("X-A", " ")],
        [(f"X-{number}", "1") for number in range(51)],
    ],
)
def test_headers_have_their_limits(headers):
    with pytest.raises(BadDraft, match=r"twice|longer|printable|at most 50"):
        composed(headers=headers)


def test_a_mail_over_the_limit_is_refused_and_one_at_it_is_not():
    size = len(composed().raw)
    composed(limit=size)

    with pytest.raises(MailTooLarge):
        composed(limit=size - 1)
    with pytest.raises(MailTooLarge):
        composed(draft(attachments=(replace(PDF, content=bytes(10_485_761)),)))


LINES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Cf", "Co"], include_characters=" ="),
    max_size=200,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], include_characters="\n\t.="), max_size=300)
LOCALS = st.from_regex(r"\A[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}\Z")
PEOPLE = st.lists(LOCALS.map(lambda local: f"{local}@example.com"), max_size=6, unique=True)
FILES = st.builds(
    OutboundAttachment,
    filename=st.from_regex(r"\A[a-zäß日 ]{1,80}x\.txt\Z").map(str.strip).filter(lambda name: "  " not in name),
    content_type=st.sampled_from(["application/pdf", "text/plain", "image/png"]),
    content=st.binary(max_size=200),
)


@settings(max_examples=100)
@given(called=st.lists(LINES, min_size=1, max_size=6))
def test_whatever_people_are_called_is_read_back_the_same(called):
    people = {f"p{number}@example.com": name.strip() for number, name in enumerate(called)}
    raw = composed(draft(to=tuple(people), cc=("cc@example.com",), names=tuple(people.items()))).raw

    assert_on_the_wire(raw)
    summary = summarise(split_headers(raw))
    assert people == {each.address: each.name for each in summary.to}
    assert [("", "cc@example.com")] == [(each.name, each.address) for each in summary.cc]


def test_names_stand_before_their_own_addresses():
    raw = composed(
        draft(
            to=("ana@example.com", "bo@example.com"),
            cc=("cy@example.com",),
            bcc=("di@example.com",),
            names=(("ana@example.com", "Müller, Ana"), ("cy@example.com", "Cy, Inc."), ("di@example.com", "Secret")),
        )
    ).raw

    assert b"To: =?utf-8?b?TcO8bGxlciwgQW5h?=\r\n <ana@example.com>,\r\n bo@example.com\r\n" in raw
    assert b'Cc: "Cy, Inc."\r\n <cy@example.com>\r\n' in raw
    assert b"Secret" not in raw
    addresses = standard(raw)["To"].addresses
    assert [("Müller, Ana", "ana@example.com"), ("", "bo@example.com")] == [
        (each.display_name, each.addr_spec) for each in addresses
    ]


@settings(max_examples=150)
@given(to=PEOPLE, cc=PEOPLE, subject=LINES, text=TEXTS, html=TEXTS, name=LINES, files=st.lists(FILES, max_size=3))
def test_whatever_is_composed_is_read_back_the_same(to, cc, subject, text, html, name, files):  # noqa: PLR0917
    one = draft(to=tuple(to), cc=tuple(cc), subject=subject, text=text, html=html, attachments=tuple(files))
    raw = composed(one, replace(AUTHOR, name=name)).raw

    assert_on_the_wire(raw)
    assert set(names(raw)) <= NAMES
    summary, letter, message = summarise(split_headers(raw)), parse(raw), standard(raw)
    assert (to, cc) == ([each.address for each in summary.to], [each.address for each in summary.cc])
    assert name.strip() == summary.from_.name
    assert subject.strip() == summary.subject == str(message["Subject"] or "").strip()
    if text:
        assert text.rstrip("\n") == letter.text.rstrip("\n")
        assert text.rstrip("\n") == message.get_body(["plain"]).get_content().replace("\r\n", "\n").rstrip("\n")
    if html:
        assert html.rstrip("\n") == letter.html.rstrip("\n")
    assert [(file.filename, file.content) for file in files] == [
        (each.filename, each.content) for each in attachments(raw)
    ]
    assert [file.content for file in files] == [part.get_payload(decode=True) for part in message.iter_attachments()]


def test_a_long_text_of_any_line_length_comes_back():
    text = "x" * 5000 + " \n.\n..\nFrom here\n" + "wort " * 900 + "\t\n" + "\n" * 5 + "end"
    raw = composed(draft(text=text)).raw

    assert_on_the_wire(raw)
    assert text == parse(raw).text.rstrip("\n")


def test_a_seed_that_could_end_a_line_is_no_seed():
    with pytest.raises(ValueError, match="letters and digits"):
        composed(boundary="a\r\nb")
