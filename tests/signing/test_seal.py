"""The seal's headers, its canonical string and its signature."""

import hashlib
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.signing.seal import NAMES, Statement, canonical, header_values, percent_encode, seal, verify_seal
from relay.signing.secrets import Secret

RAW = b"Return-Path: <ana@example.com>\r\n\r\nHello\r\n"
SECRET = Secret(bytes(range(32)))
OLD_SECRET = Secret(b"o" * 32)
STATEMENT = Statement(
    message_id="msg_01",
    recipient="support@agents.example",
    sender="ana@example.com",
    envelope_from="bounce@example.com",
    entity_type="human",
    delegation="",
    verified=True,
    verified_domain="example.com",
    domain_check="spf=pass; dkim=pass; dmarc=pass; arc=none",
    timestamp=datetime(2026, 11, 23, 15, 17, tzinfo=UTC),
    body_hash=hashlib.sha256(RAW).hexdigest(),
    key_id="key_01",
)
HEADERS = seal(STATEMENT, SECRET)
LINES = f"""\
1:1
6:msg_01
22:support@agents.example
15:ana@example.com
18:bounce@example.com
5:human
0:
4:true
11:example.com
41:spf=pass; dkim=pass; dmarc=pass; arc=none
20:2026-11-23T15:17:00Z
64:{STATEMENT.body_hash}
6:key_01"""


def test_the_canonical_string_is_each_length_and_value_on_a_line():
    assert LINES.encode() == canonical(header_values(STATEMENT).values())


def test_the_signature_is_a_plain_hmac_anyone_can_make():
    expected = "v1=" + hmac.new(SECRET.value, LINES.encode(), hashlib.sha256).hexdigest()

    assert expected == HEADERS["Mailseal-Signature"]


def test_the_fourteen_headers_stand_in_the_contracts_order():
    assert [*NAMES, "Mailseal-Signature"] == list(HEADERS)


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        (("Mailseal-Verified", "false"), {"verified": False}),
        (("Mailseal-Verified-Domain", ""), {"verified_domain": None}),
        (("Mailseal-Envelope-From", ""), {"envelope_from": ""}),
        (("Mailseal-Entity-Type", "agent"), {"entity_type": "agent"}),
        (("Mailseal-Delegation", "agent=a@b.example;user=usr_1"), {"delegation": "agent=a@b.example;user=usr_1"}),
        (
            ("Mailseal-Timestamp", "2026-11-23T14:17:00Z"),
            {"timestamp": datetime(2026, 11, 23, 15, 17, 0, 999999, tzinfo=timezone(timedelta(hours=1)))},
        ),
        (("Mailseal-Sender", "j%C3%BCrgen@example.com"), {"sender": "jürgen@example.com"}),
        (("Mailseal-Envelope-From", "a%25b@example.com"), {"envelope_from": "a%b@example.com"}),
    ],
)
def test_each_value_is_written_as_the_contract_says(expected, change):
    name, value = expected

    assert value == header_values(replace(STATEMENT, **change))[name]


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("", ""),
        ("plain@example.com", "plain@example.com"),
        ("a b", "a b"),
        ('"a  b"@x', '"a  b"@x'),
        ("%20a b%20", " a b "),
        ("%20%20", "  "),
        ("%20", " "),
        ("%25", "%"),
        ("100%2525", "100%25"),
        ("%C3%BC", "ü"),
        ("%F0%9F%93%AC", "📬"),
        ("a%0D%0AX-Evil: 1", "a\r\nX-Evil: 1"),
        ("%09", "\t"),
        ("%00%7F", "\x00\x7f"),
        ("%C2%A0", "\u00a0"),
        ("%FF", "\udcff"),
        ("%ED%A0%80", "\ud800"),
    ],
)
def test_values_are_printable_ascii_and_the_rest_is_percent_encoded(expected, value):
    assert expected == percent_encode(value)


@given(st.text(max_size=40))
def test_an_encoded_value_survives_a_header_and_says_what_it_said(value):
    encoded = percent_encode(value)

    assert re.fullmatch(r"[\x20-\x7e]*", encoded)
    assert encoded == encoded.strip()
    assert value.encode() == unquote_to_bytes(encoded)


@given(st.lists(st.text(alphabet="0123456789:\n ab%", max_size=6), min_size=2, max_size=4))
def test_no_two_lists_of_values_have_the_same_canonical_string(values):
    encoded = [percent_encode(value) for value in values]
    shifted = [encoded[0] + "\n" + encoded[1], *encoded[2:]]

    assert canonical(encoded) != canonical(shifted)


def test_a_fresh_seal_holds():
    check = verify_seal(HEADERS, [SECRET], RAW)

    assert check.holds
    assert check.reasons == ()
    assert check.body_hash is True


def test_a_seal_holds_whatever_the_case_of_its_names_and_its_company():
    headers = {name.upper(): value for name, value in HEADERS.items()} | {"content-type": "application/json"}

    assert verify_seal(headers, [SECRET], RAW).holds


def test_without_the_bytes_only_the_signature_is_judged():
    check = verify_seal(HEADERS, [SECRET], None)

    assert check.holds
    assert check.body_hash is None


def test_after_a_rotation_the_old_secret_still_verifies():
    assert verify_seal(seal(STATEMENT, OLD_SECRET), [SECRET, OLD_SECRET], RAW).holds


@pytest.mark.parametrize("secrets", [[], [OLD_SECRET]])
def test_a_seal_under_another_secret_does_not_hold(secrets):
    check = verify_seal(HEADERS, secrets, RAW)

    assert not check.holds
    assert check.reasons == ("the seal's signature does not match its values and the secret",)


@pytest.mark.parametrize("name", HEADERS)
def test_changing_any_value_breaks_the_seal(name):
    assert not verify_seal(HEADERS | {name: HEADERS[name] + "x"}, [SECRET], RAW).signature


@pytest.mark.parametrize("name", HEADERS)
def test_a_missing_header_is_named(name):
    check = verify_seal({key: value for key, value in HEADERS.items() if key != name}, [SECRET], RAW)

    assert not check.holds
    assert (f"the header {name} is missing",) == check.reasons


def test_other_bytes_than_those_sealed_are_told_apart_from_a_bad_signature():
    check = verify_seal(HEADERS, [SECRET], RAW + b"x")

    assert check.signature
    assert not check.holds
    assert check.reasons == ("the message's bytes do not match the sealed hash",)


def test_moving_a_value_into_its_neighbour_breaks_the_seal():
    moved = HEADERS | {"Mailseal-Sender": "", "Mailseal-Envelope-From": HEADERS["Mailseal-Sender"]}

    assert not verify_seal(moved, [SECRET], RAW).signature


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1=",
        "v1",
        "v2=" + HEADERS["Mailseal-Signature"][3:],
        HEADERS["Mailseal-Signature"].upper(),
        "v1=é",
        "\ud800",
    ],
)
def test_a_signature_in_another_form_does_not_hold(signature):
    assert not verify_seal(HEADERS | {"Mailseal-Signature": signature}, [SECRET], RAW).signature


def test_a_version_we_do_not_know_does_not_hold_even_when_signed():
    values = header_values(STATEMENT) | {"Mailseal-Version": "2"}
    signature = "v1=" + hmac.new(SECRET.value, canonical(values.values()), hashlib.sha256).hexdigest()

    assert not verify_seal(values | {"Mailseal-Signature": signature}, [SECRET], RAW).signature


@given(st.dictionaries(st.sampled_from(list(HEADERS)), st.text(max_size=20), min_size=1))
def test_no_header_raises_anything(changes):
    check = verify_seal(HEADERS | changes, [SECRET], RAW)

    assert check.holds == (changes.items() <= HEADERS.items())
