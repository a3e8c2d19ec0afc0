"""The mails of Stalwart's mail-parser, with what that parser makes of each."""

import json

import pytest

from relay.mail.headers import split_headers
from relay.mail.parse import attachment, parse
from relay.mail.summary import summarise
from tests.cost import SECOND, cost
from tests.mail.letters import SUITE

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="../shared/suites/mime is not beside this repository")

CASES = sorted(path.relative_to(SUITE).with_suffix("").as_posix() for path in SUITE.glob("*/*.eml"))

RAW_8_BIT = "raw 8-bit bytes are read as windows-1252, where the suite has U+FFFD"
NO_ADDRESS = "a word in angle brackets without an at sign is no address"
OPEN_PART = "a last part without an end belongs to the body, where the suite makes empty or broken ones attachments"
NO_PARTS = "a multipart without parts is text, where the suite has nothing or an attachment"
PREAMBLE = "what stands before the first boundary is no part (RFC 2046 §5.1.1)"
ONE_CHOICE = "of an alternative one branch is the body and the others are listed, where the suite takes them all"
INSIDE = "a file of a mail in the mail is listed too"
UUENCODED = "a uuencoded file is listed and not in the text"
BOTH = "text and HTML that are no alternatives are both words of the text (RFC 8621 §4.1.4)"
OTHER_TEXT = "an unknown text type is text (RFC 2046 §4.1.4), where the suite has a file"
BASE64 = "base64 is read past foreign bytes, where the suite gives the part up"
DIFFERENT = {
    **{(f"legacy/{number}", "to"): RAW_8_BIT for number in ("010", "017", "020", "022", "027", "052")},
    **{(f"legacy/{number}", "subject"): RAW_8_BIT for number in ("010", "020", "022", "027", "052")},
    ("legacy/052", "text"): RAW_8_BIT,
    ("legacy/033", "text"): "declared UTF-8 and is windows-1252: its letters are read, where the suite has U+FFFD",
    ("thirdparty/007", "from"): NO_ADDRESS,
    **{(f"malformed/{number}", "attachments"): OPEN_PART for number in ("003", "006", "008", "009", "011", "012", "016")},
    **{(f"malformed/{number}", "text"): OPEN_PART for number in ("009", "011", "016")},
    **{(f"malformed/{number}", "attachments"): NO_PARTS for number in ("001", "002", "004", "007")},
    **{(f"malformed/{number}", "text"): NO_PARTS for number in ("001", "005", "007")},
    ("malformed/019", "text"): BOTH,
    ("malformed/019", "html"): "two mails interleaved: a repeated boundary ends the part",
    ("malformed/019", "attachments"): "two mails interleaved: each boundary opens a part, and all are listed",
    ("malformed/020", "text"): PREAMBLE,
    ("malformed/021", "text"): PREAMBLE,
    ("legacy/049", "attachments"): UUENCODED,
    ("legacy/049", "text"): UUENCODED,
    ("malformed/008", "text"): BOTH,
    ("malformed/010", "attachments"): INSIDE,
    ("rfc/000", "text"): OTHER_TEXT,
    ("rfc/000", "attachments"): OTHER_TEXT,
    ("rfc/002", "attachments"): INSIDE,
    ("thirdparty/007", "attachments"): INSIDE,
    ("thirdparty/008", "text"): OTHER_TEXT,
    ("thirdparty/008", "attachments"): OTHER_TEXT,
    ("thirdparty/012", "attachments"): OTHER_TEXT,
    ("thirdparty/000", "text"): ONE_CHOICE,
    ("thirdparty/000", "attachments"): ONE_CHOICE,
    ("thirdparty/001", "text"): ONE_CHOICE,
    ("thirdparty/001", "attachments"): ONE_CHOICE,
    ("thirdparty/002", "text"): BASE64,
    ("thirdparty/002", "attachments"): BASE64,
    ("thirdparty/005", "text"): "a boundary in the middle of a line is none",
    ("thirdparty/015", "attachments"): "each of the three mails inside is listed, where the suite sees one",
}  # fmt: skip


def load(case):
    raw = (SUITE / f"{case}.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return raw, json.loads((SUITE / f"{case}.crlf.json").read_text("utf-8"))


def expectations(form):
    root = {str(header["name"]): header["value"] for header in reversed(form["parts"][0]["headers"])}
    yield "attachments", len(form["attachments"])
    if isinstance(subject := root.get("subject"), dict):
        yield "subject", subject["Text"]
    if isinstance(root.get("from"), dict):
        yield "from", mailboxes(root["from"])[:1]
    if isinstance(root.get("to"), dict):
        yield "to", mailboxes(root["to"])
    for field, key, kind in (("text", "text_body", "Text"), ("html", "html_body", "Html")):
        pieces = [form["parts"][number]["body"] for number in form[key]]
        if texts := [piece[kind] for piece in pieces if kind in piece]:
            yield field, words("".join(texts))


def mailboxes(value):
    found = value["Address"]
    listed = found["List"] if "List" in found else [each for group in found["Group"] for each in group["addresses"]]
    return [(each.get("name") or "", each.get("address") or "") for each in listed]


def words(text):
    """Without white space: line ends and the joints between pieces are ours."""
    return "".join(text.split())


def answers(raw):
    letter, summary = parse(raw), summarise(split_headers(raw))
    return {
        "attachments": len(letter.attachments),
        "subject": summary.subject,
        "from": [(box.name, box.address) for box in (summary.from_,) if box],
        "to": [(box.name, box.address) for box in summary.to],
        "text": words(letter.text),
        "html": words(letter.html or ""),
    }


@pytest.mark.parametrize("case", CASES)
def test_a_mail_of_the_suite_is_read_as_the_suite_reads_it(case):
    raw, form = load(case)
    read = answers(raw)

    assert cost(lambda: answers(raw)) < SECOND
    wrong = {field for field, expected in expectations(form) if read[field] != expected}
    assert {field for name, field in DIFFERENT if name == case} == wrong


@pytest.mark.parametrize("case", CASES)
def test_each_attachment_of_the_suite_can_be_had(case):
    raw, _ = load(case)

    assert all(len(attachment(raw, part.index).content) == part.size for part in parse(raw).attachments)


@pytest.mark.parametrize("case", CASES)
def test_bare_line_ends_do_no_harm(case):
    assert parse((SUITE / f"{case}.eml").read_bytes()) is not None


def test_what_agrees_does_not_fall():
    checks = [(case, field) for case in CASES for field, _ in expectations(load(case)[1])]

    assert (len(CASES), len(checks) - len(DIFFERENT)) == (107, 396)
