from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.results import authentication_results, claims_to_be
from relay.auth.verdict import ArcResult, DkimResult, DmarcResult, SpfResult, Verdict
from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.mail.headers import Field, split_headers
from tests.auth.mails import envelope

VERDICT = Verdict(
    verified=True,
    verified_domain="example.com",
    header_from="example.com",
    spf=SpfResult(result="pass", domain="bounce.example.com", aligned=True, detail="x"),
    dkim=(
        DkimResult(
            result="pass",
            domain="example.com",
            selector="s1",
            aligned=True,
            algorithm="rsa-sha256",
            bits=2048,
            detail="x",
        ),
    ),
    dmarc=DmarcResult(result="pass", policy="reject", domain="example.com", detail="x"),
    arc=ArcResult(result="none", sealer=None, detail="x"),
)


def written(verdict=VERDICT, sent_by=None, name="mx.example"):
    return authentication_results(verdict, authserv_id=name, envelope=sent_by or envelope("b@bounce.example.com"))


def test_the_field_says_what_the_verdict_says():
    assert (
        b"Authentication-Results: mx.example;\r\n"
        b" spf=pass smtp.mailfrom=b@bounce.example.com;\r\n"
        b" dkim=pass header.d=example.com header.s=s1 header.a=rsa-sha256;\r\n"
        b" dmarc=pass policy.dmarc=reject header.from=example.com;\r\n"
        b" arc=none\r\n"
    ) == written()


def test_what_is_absent_is_left_out():
    verdict = replace(
        VERDICT,
        header_from=None,
        dkim=(),
        spf=replace(VERDICT.spf, result="none", domain=None),
        dmarc=replace(VERDICT.dmarc, result="permerror", policy=None),
        arc=ArcResult(result="pass", sealer="lists.example", detail=""),
    )

    assert (
        b"Authentication-Results: mx.example;\r\n spf=none;\r\n dkim=none;\r\n dmarc=permerror;\r\n"
        b" arc=pass policy.arc-sealer=lists.example\r\n"
    ) == written(verdict, envelope(None))


def test_a_null_sender_is_told_by_its_helo():
    assert b" spf=pass smtp.helo=bounce.example.com;\r\n" in written(sent_by=envelope(None))


@pytest.mark.parametrize(
    "local",
    ['x"y', "a b", "a;dmarc=pass", "x@a.com; dmarc=pass header.from=bank.com", "ü", "a\r\nX: y", "a\x00", "a(", "a\\"],
)
def test_a_local_part_that_is_no_plain_word_is_left_out(local):
    base = envelope()
    sent_by = Envelope(peer=base.peer, mail_from=Address(local, "evil.example"), rcpt_to=())

    field = written(sent_by=sent_by)

    assert b" spf=pass smtp.mailfrom=bounce.example.com;\r\n" in field
    assert field == written(sent_by=sent_by)


@settings(max_examples=150)
@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_nothing_gets_out_of_its_place(helo, selector, domain):
    verdict = replace(
        VERDICT,
        spf=replace(VERDICT.spf, domain=helo),
        dkim=(replace(VERDICT.dkim[0], selector=selector, domain=domain),),
    )

    field = written(verdict, envelope(None))

    assert 5 == field.count(b"\r\n")
    assert 1 == len(split_headers(field + b"\r\n").fields)
    assert all(0x20 <= byte <= 0x7E for byte in field.replace(b"\r\n", b""))
    outside = unquoted(field)
    assert 4 == outside.count(b";")
    assert 1 == outside.count(b"\r\n dmarc=")
    assert b"(" not in outside


def unquoted(field: bytes) -> bytes:
    """*field* without its quoted strings."""
    out, inside, skip = bytearray(), False, False
    for byte in field:
        if skip:
            skip = False
        elif inside and byte == ord("\\"):
            skip = True
        elif byte == ord('"'):
            inside = not inside
        elif not inside:
            out.append(byte)
    assert not inside
    return bytes(out)


def field(value: str | bytes) -> Field:
    raw = value if isinstance(value, bytes) else value.encode()
    return Field("authentication-results", b"Authentication-Results: " + raw + b"\r\n")


@pytest.mark.parametrize(
    "value",
    [
        "mx.example; dmarc=pass",
        "mx.example",
        "mx.example 1; none",
        "mx.example 1",
        "mx.example (x) 1 (y); none",
        "MX.Example; dmarc=pass",
        "mx.example.; dmarc=pass",
        '"mx.example"; dmarc=pass',
        '"m\\x.example"; dmarc=pass',
        "(a (b\\) c)) mx.example (d); dmarc=pass",
        "\r\n\tmx.example\r\n\t; dmarc=pass",
        "mx.example dmarc=pass",
        "mx.example=pass",
        "",
        ";",
        "(",
        "(mx.example",
        '"mx.example',
        "mx.example (x",
        "a@b.example; dmarc=pass",
        b"\x00; dmarc=pass",
        "mx.example 1 2; x",
        "other.example\x01; x",
    ],
)
def test_a_field_that_claims_to_be_ours_or_cannot_be_read_is_recognised(value):
    assert claims_to_be(field(value), "mx.example")


@pytest.mark.parametrize(
    "value",
    [
        "other.example; dmarc=pass",
        "other.example 1; none",
        "notmx.example; dmarc=pass",
        "mx.example.org; dmarc=pass",
        '"other.example"; dmarc=pass',
        "(mx.example) other.example; dmarc=pass",
        "other.example; mx.example; dmarc=pass",
        "other.example (mx.example); dmarc=pass",
        "dmarc=pass",
        "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=x.example; dkim=pass; dmarc=pass header.from=x.example",
        "dkim=none (message not signed)\r\n header.d=none;",
    ],
)
def test_a_field_of_somebody_else_is_left(value):
    assert not claims_to_be(field(value), "mx.example")


def test_both_forms_of_an_international_name_are_ours():
    assert claims_to_be(field("mx.bücher.example; x"), "mx.xn--bcher-kva.example")
    assert claims_to_be(field("mx.xn--bcher-kva.example; x"), "MX.Bücher.example")


@pytest.mark.parametrize("unit", ["(", ")", '"', "\\", "()", "(\\", " ", "1", ";"])
def test_a_field_made_to_hurt_is_read_at_once(unit):
    assert isinstance(claims_to_be(field(unit * 100_000), "mx.example"), bool)


def test_ours_is_recognised_as_ours():
    ours = split_headers(written() + b"\r\n").fields[0]

    assert claims_to_be(ours, "mx.example")
    assert not claims_to_be(ours, "other.example")


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_field_has_an_answer(value):
    assert claims_to_be(field(value), "mx.example") in (True, False)


def test_comments_in_front_of_a_name_without_end_make_it_ours():
    assert not claims_to_be(field("(a)" * 20 + "other.example; spf=pass"), "mx.here.example")
    assert claims_to_be(field("(a)" * 200 + "other.example; spf=pass"), "mx.here.example")
