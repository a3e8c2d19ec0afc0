"""The published DKIM cases. Where a result differs from theirs, the table says why."""

import json
from datetime import UTC, datetime

import pytest

from relay.auth.body_hash import hash_body
from relay.auth.dkim import fetch_keys, judge, read_signatures
from relay.auth.dkim_key import KeyCache
from relay.auth.dkim_signature import Signature
from relay.mail.headers import header_end, split_headers
from tests.auth.suites import SUITES, crlf, needs_suites
from tests.fakes import FakeResolver

CHASQUID = SUITES / "dkim" / "chasquid"
MAIL_AUTH = SUITES / "dkim" / "mail-auth"
NOW = datetime(2022, 11, 8, tzinfo=UTC)
THEIRS = {"SUCCESS": ("pass",), "TEMPFAIL": ("temperror",), "PERMFAIL": ("fail", "permerror")}
# We are stricter: (case, place of the signature) → our result and the reason.
DIFFERENT = {
    ("09-limited_body", 0): "policy",  # l= leaves octets unsigned, which anybody could have added
    ("11-strict_domain_check_fail", 0): "policy",  # t=s forbids i=: the key's rule, so "policy" by RFC 8601's words
}


async def results(mail, resolver, from_domain):
    headers = split_headers(mail)
    signatures = read_signatures(headers, from_domain)
    readable = [one for one in signatures if isinstance(one, Signature)]
    keys = await fetch_keys({one.key_name for one in readable}, resolver=resolver, keys=KeyCache())
    bodies = hash_body([mail[header_end(mail) :]], {one.body for one in readable})
    return [judge(one, headers=headers, keys=keys, bodies=bodies, now=NOW) for one in signatures]


def chasquid_resolver(name):
    """Their form of a zone: ``name: \\`` and the record on lines that end in a backslash."""
    file = CHASQUID / f"{name}.dns"
    text = file.read_text().replace("\\\n", "") if file.exists() else ""
    zone, down = {}, []
    for line in filter(None, text.splitlines()):
        key, _, value = line.partition(":")
        if value.strip() == "TEMPERROR":
            down.append(key)
        elif value.strip() != "PERMERROR":
            zone.setdefault((key, "TXT"), []).append(value.strip())
    return FakeResolver(zone, down=down)


def chasquid_cases():
    return sorted(path.stem for path in CHASQUID.glob("*.msg"))


@needs_suites
@pytest.mark.parametrize("name", chasquid_cases())
async def test_a_published_case_has_its_results(name):
    file = CHASQUID / f"{name}.result"
    theirs = json.loads(file.read_text())["Results"] if file.exists() else []

    found = await results(crlf((CHASQUID / f"{name}.msg").read_bytes()), chasquid_resolver(name), None)

    assert len(theirs) == len(found)
    for place, (their, ours) in enumerate(zip(theirs, found, strict=True)):
        wanted = (DIFFERENT[name, place],) if (name, place) in DIFFERENT else THEIRS[their["State"]]
        assert ours.result in wanted, ours.detail


# Real mails: the results of their signatures, topmost first.
REAL = {
    "001": ["pass", "pass"],  # RFC 8463 §A.3
    "002": ["pass"],  # a key in the bare form of PKCS #1
    "003": ["pass", "pass"],
    "004": ["pass"],
    "005": ["pass"],
    "006": ["pass"],
}


@needs_suites
@pytest.mark.parametrize(("name", "wanted"), REAL.items())
async def test_a_real_mail_has_its_results(name, wanted):
    zone, _, mail = (MAIL_AUTH / f"{name}.txt").read_bytes().partition(b"\n\n")
    records = dict(line.split(" ", 1) for line in zone.decode().splitlines())

    found = await results(crlf(mail), FakeResolver({(key, "TXT"): [text] for key, text in records.items()}), None)

    assert wanted == [one.result for one in found], [one.detail for one in found]
