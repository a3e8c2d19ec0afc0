"""Chains the oracle seals, and what breaks them."""

import dkim
import pytest
from cryptography.hazmat.primitives import serialization

from relay.auth.arc import find_chain, key_names, validate
from relay.auth.arc_set import MAX_SETS, Chain, newest_sealer, read_chain
from relay.auth.body_hash import hash_body
from relay.auth.dkim import fetch_keys
from relay.auth.dkim_key import KeyCache
from relay.auth.tags import BadTags
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import MAIL, rsa_key, rsa_record
from tests.fakes import FakeResolver

KEY_NAME = "s1._domainkey.example.com"


def sealed(mail: bytes = MAIL, times: int = 1, start: int = 0) -> bytes:
    """*mail* with *times* ARC sets on top."""
    secret = rsa_key(1024).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    for place in range(start, start + times):
        host = b"mx%d.example" % place
        mail = b"Authentication-Results: " + host + b"; arc=" + (b"pass" if place else b"none") + b"\r\n" + mail
        lines = dkim.arc_sign(mail, b"s1", b"example.com", secret, host, timestamp="1795467286")
        assert lines
        mail = b"".join(lines) + mail
    return mail


async def arc_of(mail: bytes, *records: str, down=()):
    headers = split_headers(mail)
    chain = find_chain(headers)
    if not isinstance(chain, Chain):
        return chain
    resolver = FakeResolver({(KEY_NAME, "TXT"): records or [rsa_record(bits=1024)]}, down=down)
    keys = await fetch_keys(key_names(chain), resolver=resolver, keys=KeyCache())
    bodies = hash_body([mail[header_end(mail) :]], {chain.newest.body})
    return validate(chain, headers=headers, keys=keys, bodies=bodies)


@pytest.mark.parametrize("times", [1, 2, 3, 5])
async def test_a_chain_the_oracle_seals_holds(times):
    found = await arc_of(sealed(times=times))

    assert ("pass", "example.com") == (found.result, found.sealer), found.detail
    assert str(times) in found.detail


async def test_a_mail_without_a_chain_has_none():
    found = await arc_of(MAIL)

    assert ("none", None) == (found.result, found.sealer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"hungry", b"angry!"),
        (b"Is dinner", b"Is winner"),
        (b"arc=none", b"arc=pass"),
        (b"cv=pass", b"cv=none"),
        (b"cv=pass", b"cv=fail"),
        (b"cv=pass", b"cv=maybe"),
        (b"cv=pass", b"cv="),
        (b"cv=pass", b"cv=pass; h=from"),
        (b"i=2", b"i=3"),
        (b"i=2", b"i=1"),
        (b"i=2", b"i=0"),
        (b"i=2", b"i=02"),
        (b"i=2", b"i=999"),
        (b"i=2", b"j=2"),
        (b"a=rsa-sha256", b"a=rsa-sha1"),
        (b"a=rsa-sha256", b"a=ed25519-sha256"),
        (b"d=example.com", b"d=com"),
        (b"s=s1", b"s=absent"),
        (b"t=1795467286", b"t=later"),
        (b"ARC-Seal", b"X-Seal"),
        (b"ARC-Message-Signature", b"X-Signature"),
        (b"ARC-Authentication-Results", b"X-Results"),
    ],
)
async def test_a_chain_that_is_touched_fails(old, new):
    mail = sealed(times=2)
    assert old in mail

    found = await arc_of(mail.replace(old, new, 1))

    assert "fail" == found.result


async def test_a_set_taken_away_breaks_the_chain():
    mail = sealed(times=3)
    fields = split_headers(mail).fields
    second = [field.raw for field in fields if field.name.startswith("arc-") and b"i=2;" in field.raw]
    for raw in second:
        mail = mail.replace(raw, b"", 1)

    assert 3 == len(second)
    assert "fail" == (await arc_of(mail)).result


async def test_only_the_newest_message_signature_must_hold():
    changed = sealed().replace(b"hungry", b"angry!")

    assert "fail" == (await arc_of(changed)).result
    assert "pass" == (await arc_of(sealed(changed, start=1))).result


async def test_dns_that_does_not_answer_is_a_temporary_error():
    found = await arc_of(sealed(), down=[KEY_NAME])

    assert ("temperror", "example.com") == (found.result, found.sealer)


@pytest.mark.parametrize("record", ["v=DKIM1; p=", "nonsense", "v=DKIM1; k=ed25519; p=AAAA"])
async def test_a_key_that_is_none_fails(record):
    assert "fail" == (await arc_of(sealed(), record)).result


async def test_blanks_in_a_chain_are_nothing():
    mail = sealed(times=2).replace(b"ARC-Seal:", b"arc-SEAL :").replace(b"i=1;", b"i = 1 ;")

    found = await arc_of(mail)

    # The fields' own bytes changed, so they no longer hold; but they are read, where others crash.
    assert "fail" == found.result
    assert "complete" not in found.detail


def chain_of(places, *, results=b"ARC-Authentication-Results: i=%d; x\r\n"):
    lines = b""
    for place in places:
        state = b"none" if place == 1 else b"pass"
        lines += b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=a.example; s=s; b=AAAA\r\n" % (place, state)
        lines += b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=a.example; s=s; h=from; bh=AAAA; b=AAAA\r\n" % place
        lines += results % place
    return split_headers(lines + MAIL)


def test_a_chain_is_put_in_order_whatever_order_it_has():
    chain = read_chain(chain_of([2, 1, 3]))

    assert chain is not None
    assert ["none", "pass", "pass"] == [arc_set.seal.state for arc_set in chain.sets]


@pytest.mark.parametrize("places", [[2], [1, 1], [1, 3], [0, 1], range(1, MAX_SETS + 2)])
def test_a_chain_that_is_not_complete_is_refused(places):
    with pytest.raises(BadTags):
        read_chain(chain_of(places))


def test_a_chain_of_fifty_is_read():
    chain = read_chain(chain_of(range(1, MAX_SETS + 1)))

    assert chain is not None
    assert MAX_SETS == len(chain.sets)


@pytest.mark.parametrize(
    "results", [b"ARC-Authentication-Results: x; i=%d\r\n", b"ARC-Authentication-Results: i=%d x\r\n"]
)
def test_the_instance_stands_first_in_the_results(results):
    with pytest.raises(BadTags):
        read_chain(chain_of([1], results=results))


def test_other_fields_that_begin_alike_are_no_chain():
    assert read_chain(split_headers(b"ARC-Other: x\r\n\r\n")) is None
    assert "none" == find_chain(split_headers(b"ARC-Other: x\r\n\r\n")).result


@pytest.mark.parametrize(
    ("head", "sealer"),
    [
        (b"\r\n", None),
        (b"ARC-Seal: d=a.example\r\n\r\n", "a.example"),
        (b"ARC-Seal: d=<script>\r\n\r\n", None),
        (b"ARC-Seal: x\r\n\r\n", None),
    ],
)
def test_the_sealer_of_a_broken_chain_is_named_when_it_is_a_domain(head, sealer):
    assert sealer == newest_sealer(split_headers(head))
