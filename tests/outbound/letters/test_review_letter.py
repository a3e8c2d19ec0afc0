"""The letter that asks for a decision: everything in it, and nothing that passes for ours."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape

import pytest

from relay.outbound.letters.letter import MAX_QUOTED
from relay.outbound.letters.review_letter import ReviewRequest, review_letter
from store.outbound.known_recipients import KnownRecipients
from store.records.mail import Agent
from store.records.outbound import AttachmentInfo, OutboundMessage

AT = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
LINK = "https://relay.example/review/abc.def"
TRICK = f"Approve it or reject it here; to change it first, sign in:\n\n{LINK[:22]}/evil"

AGENT = Agent(
    address="bot@agents.example",
    user_id="usr_1",
    domain="agents.example",
    name="Bot",
    mode="poll",
    webhook_url=None,
    webhook_off_at=None,
    events=(),
    on_unverified="deliver",
    hitl_enabled=True,
    hitl_ttl_seconds=3600,
    hitl_expiration_action="approve",
    is_postmaster=False,
    domain_verified=True,
    created_at=AT,
    updated_at=None,
)
MESSAGE = OutboundMessage(
    id="msg_1",
    agent=AGENT.address,
    seq=1,
    status="pending_approval",
    kind="send",
    conversation_id=None,
    to=("bo@reader.example",),
    cc=("cy@new.example",),
    bcc=("di@reader.example",),
    names=(("cy@new.example", "Bo <bo@reader.example>"),),
    subject="Grüße",
    email_message_id=None,
    provider_message_id=None,
    mail_from=AGENT.address,
    raw_sha256=None,
    raw_size=0,
    digest=None,
    hold_reason="owner",
    hold_expires_at=AT,
    revision=1,
    reviewed_by=None,
    reviewed_at=None,
    reason=None,
    error=None,
    created_at=AT,
    expires_at=AT,
    scrubbed_at=None,
    text="hello\n\nyou",
    html=None,
    headers=(),
    answered=None,
    attachments=(AttachmentInfo(number=0, filename="a.pdf", content_type="application/pdf", size=1536),),
)
KNOWN = KnownRecipients(
    new=frozenset({"cy@new.example", "di@reader.example"}), new_domains=frozenset({"new.example"}), answered=None
)


def letter(*, known=KNOWN, agent=AGENT, **changes):
    asked = ReviewRequest(message=replace(MESSAGE, **changes), agent=agent, known=known)
    return review_letter(asked, recipient="ana@owner.example", link=LINK)


def ours(text):
    """The lines that do not stand behind a bar."""
    return [line for line in text.split("\n") if not line.startswith("|")]


def test_the_letter_shows_the_whole_draft_recipients_first():
    text = letter().text

    order = ["To: bo@reader.example", "Cc: cy@new.example", "Bcc: di@reader.example", "Bot <bot@agents.example>",
             "Grüße", "You review every message", "2026-11-23 15:17 UTC", LINK, "a.pdf (application/pdf, 2 KiB)", "| hello\n| \n| you"]  # fmt: skip
    assert sorted(order, key=text.index) == order


def test_the_one_link_stands_on_a_line_of_its_own_in_text_and_html():
    draft = letter(html="<a href='https://evil.example'>")

    assert [LINK] == [line for line in draft.text.split("\n") if "http" in line]
    assert [LINK] == re.findall(r'href="([^"]*)"', draft.html)
    assert ("ana@owner.example",) == draft.to


def test_new_domains_and_new_addresses_are_marked():
    text = letter().text

    assert "| To: bo@reader.example" in text
    assert "| [NEW DOMAIN] Cc: cy@new.example (Bo <bo@reader.example>)" in text
    assert "| [new address] Bcc: di@reader.example" in text


def test_recipients_elsewhere_than_what_is_answered_are_marked():
    answered = replace(KNOWN, new=frozenset(), new_domains=frozenset(), answered="bo@Reader.example")

    text = letter(known=answered, kind="reply").text

    assert "| [NOT THE DOMAIN OF THE ANSWERED MESSAGE] Cc: cy@new.example" in text
    assert "| To: bo@reader.example" in text


@pytest.mark.parametrize(
    ("action", "reason", "end"),
    [
        ("approve", "owner", "it is sent as shown here"),
        ("approve", None, "it is sent as shown here"),
        ("reject", "owner", "it is not sent"),
        ("approve", "sends", "it is not sent"),
        ("approve", "replies", "it is not sent"),
        ("approve", "recipients", "it is not sent"),
    ],
)
def test_the_letter_says_what_happens_when_nobody_decides(action, reason, end):
    text = letter(agent=replace(AGENT, hitl_expiration_action=action), hold_reason=reason).text

    assert f"without a decision by then, {end}." in " ".join(text.split())


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_line_of_the_draft_passes_for_one_of_ours(ending):
    plain = letter(text=None, attachments=())
    tricky = letter(text=TRICK.replace("\n", ending), attachments=())

    assert [*ours(plain.text)[:-2], "Its text:", "", ""][-3:] == ours(tricky.text)[-3:]
    assert 1 == sum(line.startswith("http") for line in tricky.text.splitlines())


def test_a_long_line_is_not_left_to_the_reader_to_wrap():
    text = letter(text="x" * 71 + " " + TRICK.replace("\n", " ") + " " + "y" * 500).text

    assert max(map(len, text.split("\n"))) <= 74
    assert [LINK] == [line for line in ours(text) if "http" in line]


def test_names_and_subjects_cannot_turn_the_direction_or_end_a_line():
    sly = letter(subject="pay \u202eexe.pdf", agent=replace(AGENT, name="Bo\u2028t\x1b[2J"))

    assert not re.search("[\u202e\u2028\x1b]", sly.text + sly.html + sly.subject)


def test_markup_of_the_draft_is_shown_and_not_obeyed():
    draft = letter(
        text='</blockquote><img src="https://evil.example/x"><script>',
        subject="<b>&",
        html="<p>hidden</p>",
        agent=replace(AGENT, name="<i>"),
    )

    assert [] == re.findall(r"<(?!/?(?:div|p|blockquote|a)\b)[^>]*>", draft.html)
    assert '<img src="https://evil.example/x">' in unescape(draft.html)
    assert "hidden" not in draft.text + draft.html
    assert "It has HTML" in draft.text


def test_a_very_long_text_is_cut_and_says_so():
    text = letter(text="a " * MAX_QUOTED).text

    assert "| [… the page shows the rest]" in text
    assert len(text) < 1.2 * MAX_QUOTED


def test_a_subject_longer_than_a_header_is_cut():
    assert len(letter(subject="ü" * 998).subject) == 998


def test_an_empty_draft_says_so():
    text = letter(text=None, attachments=(), subject="", agent=replace(AGENT, name="")).text

    assert "It has no text and no files." in text
    assert "| bot@agents.example\n| (no subject)" in text
