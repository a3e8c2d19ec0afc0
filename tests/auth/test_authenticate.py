import asyncio
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.authenticate import HASH_INLINE, authenticate
from relay.auth.dkim_key import KeyCache
from relay.auth.verdict import Verdict
from relay.dns.budget import BudgetedResolver
from relay.dns.resolver import RELAY, DnsAnswer
from relay.errors import DnsUnavailable
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import BODY, HEAD, MAIL, envelope, signed, zone
from tests.auth.suites import SUITES, crlf, needs_suites
from tests.fakes import FakeResolver

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)


async def judged(mail, records=None, *, down=(), resolver=None, size=0, sent_by=None, **options) -> Verdict:
    body = mail[header_end(mail) :]
    return await authenticate(
        sent_by or envelope(),
        split_headers(mail),
        lambda: iter([body[:100], body[100:]]),
        resolver=resolver or FakeResolver(zone() if records is None else records, down=down),
        keys=KeyCache(),
        now=NOW,
        body_size=size,
        **options,
    )


class Never:
    """A nameserver that keeps everybody waiting."""

    async def lookup(self, name, rdtype, *, asker=RELAY):
        await asyncio.Event().wait()


async def test_a_mail_with_everything_right_is_verified():
    found = await judged(signed())

    assert (True, "example.com", "example.com") == (found.verified, found.verified_domain, found.header_from)
    assert ("pass", "example.com", True) == (found.spf.result, found.spf.domain, found.spf.aligned)
    assert [("pass", "s1", True, 2048)] == [(one.result, one.selector, one.aligned, one.bits) for one in found.dkim]
    assert ("pass", "reject", "example.com") == (found.dmarc.result, found.dmarc.policy, found.dmarc.domain)
    assert "spf=pass; dkim=pass; dmarc=pass; arc=none" == found.domain_check


async def test_a_forged_mail_is_not_verified():
    found = await judged(MAIL, sent_by=envelope("x@evil.example", ip="198.51.100.1"))

    assert (False, None, "example.com") == (found.verified, found.verified_domain, found.header_from)
    assert ("fail", "reject") == (found.dmarc.result, found.dmarc.policy)
    assert not found.undecided


async def test_a_passing_stranger_lends_a_forger_nothing():
    records = zone() | {("evil.example", "TXT"): ["v=spf1 +all"]}

    found = await judged(MAIL, records, sent_by=envelope("x@evil.example", ip="198.51.100.1"))

    assert ("pass", False, False) == (found.spf.result, found.spf.aligned, found.verified)


@pytest.mark.parametrize(
    ("broken", "dkim", "spf"),
    [(False, "pass", "fail"), (True, "fail", "pass"), (True, "fail", "fail")],
)
async def test_one_aligned_pass_is_enough(broken, dkim, spf):
    mail = signed().replace(b"hungry", b"angry!") if broken else signed()

    found = await judged(mail, sent_by=envelope(ip="192.0.2.1" if spf == "pass" else "198.51.100.1"))

    assert (dkim, spf) == (found.dkim[0].result, found.spf.result)
    assert ("pass" in (dkim, spf)) == found.verified


async def test_a_bounce_is_verified_by_its_helo():
    records = zone(mx__example__com="v=spf1 ip4:192.0.2.1 -all")

    found = await judged(MAIL, records, sent_by=envelope(None, helo="mx.example.com"))

    assert (True, "mx.example.com") == (found.verified, found.spf.domain)


@pytest.mark.parametrize("lines", [b"", b"From: a@example.com\r\n" * 2, b"From: a@example.com, b@example.com\r\n"])
async def test_without_exactly_one_author_nothing_is_verified(lines):
    found = await judged(lines + HEAD.partition(b"\r\n")[2] + b"\r\n" + BODY)

    assert (False, None, "permerror") == (found.verified, found.header_from, found.dmarc.result)


@pytest.mark.parametrize(
    ("down", "verified", "dmarc"),
    [
        ((), True, "pass"),
        (("example.com",), True, "pass"),
        (("s1._domainkey.example.com",), True, "pass"),
        (("_dmarc.example.com",), True, "pass"),
        (("example.com", "s1._domainkey.example.com"), False, "temperror"),
        (("example.com", "s1._domainkey.example.com", "_dmarc.example.com"), False, "temperror"),
    ],
)
async def test_an_outage_is_told_apart_from_a_failure(down, verified, dmarc):
    found = await judged(signed(), down=down)

    assert (verified, dmarc, not verified) == (found.verified, found.dmarc.result, found.undecided)


async def test_over_budget_what_is_unfinished_is_a_temporary_error():
    async with asyncio.timeout(30):  # without a budget it would wait for ever
        found = await judged(signed(), resolver=Never(), budget_seconds=0.05)

    assert ("temperror", "temperror", "temperror") == (found.spf.result, found.dkim[0].result, found.dmarc.result)
    assert found.undecided


async def test_what_was_found_before_the_budget_ended_is_kept():
    class SlowSpf(FakeResolver):
        async def lookup(self, name, rdtype, *, asker=RELAY):
            if name == "example.com":
                await asyncio.Event().wait()
            return await super().lookup(name, rdtype, asker=asker)

    found = await judged(signed(), resolver=SlowSpf(zone()), budget_seconds=0.05)

    assert (True, "temperror", "pass") == (found.verified, found.spf.result, found.dkim[0].result)


async def test_the_number_of_questions_is_bounded():
    asked = []

    class Endless:
        async def lookup(self, name, rdtype, *, asker=RELAY):
            asked.append(name)
            return DnsAnswer(records=("x",), ttl=60)

    resolver = BudgetedResolver(Endless(), seconds=20, questions=3)
    for _ in range(3):
        await resolver.lookup("a", "TXT")

    with pytest.raises(DnsUnavailable):
        await resolver.lookup("a", "TXT")
    assert 3 == len(asked)


async def test_a_budget_of_no_time_asks_nothing():
    resolver = FakeResolver({})

    with pytest.raises(DnsUnavailable):
        await BudgetedResolver(resolver, seconds=0, questions=3).lookup("a", "TXT")
    assert [] == resolver.asked


async def test_one_who_is_cancelled_is_cancelled():
    task = asyncio.create_task(judged(signed(), resolver=Never()))
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("size", "here"), [(0, True), (HASH_INLINE, True), (HASH_INLINE + 1, False)])
async def test_a_large_body_is_hashed_off_the_loop(size, here):
    mail, threads = signed(), []

    def body():
        threads.append(threading.current_thread())
        yield BODY

    found = await authenticate(
        envelope(), split_headers(mail), body, resolver=FakeResolver(zone()), keys=KeyCache(), now=NOW, body_size=size
    )

    assert "pass" == found.dkim[0].result
    assert [here] == [thread is threading.current_thread() for thread in threads]


async def test_the_body_of_an_unsigned_mail_is_not_read():
    await authenticate(
        envelope(),
        split_headers(MAIL),
        lambda: pytest.fail("read"),
        resolver=FakeResolver(zone()),
        keys=KeyCache(),
        now=NOW,
        body_size=10**9,
    )


async def test_a_good_chain_never_lifts_a_failed_policy():
    file = SUITES / "arc" / "002.txt"
    if not file.exists():
        pytest.skip("the published vectors are absent")
    text, _, mail = file.read_bytes().partition(b"\n\n")
    records = {(name, "TXT"): [value] for name, value in (line.split(" ", 1) for line in text.decode().splitlines())}
    records["_dmarc.manchego.org", "TXT"] = ["v=DMARC1; p=reject"]
    forged = crlf(mail).replace(b"DKIM-Signature: v=1", b"DKIM-Signature: v=9")

    good, bad = await judged(crlf(mail), records), await judged(forged, records)

    assert ("pass", True, "manchego.org") == (good.arc.result, good.verified, good.arc.sealer)
    assert (False, "fail") == (bad.verified, bad.dmarc.result)


@needs_suites
async def test_a_chain_whose_keys_cannot_be_had_is_a_temporary_error():
    _, _, mail = (SUITES / "arc" / "002.txt").read_bytes().partition(b"\n\n")

    found = await judged(crlf(mail), {}, down=["rsa._domainkey.manchego.org", "ed._domainkey.scamorza.org"])

    assert ("temperror", "manchego.org") == (found.arc.result, found.arc.sealer)


@pytest.mark.parametrize(
    "fields",
    [
        b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.example; s=s; b=AAAA\r\n",
        b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=evil.example; s=s; b=AAAA\r\n" * 2,
        b"ARC-Authentication-Results: i=1; x\r\n",
        b"ARC-Message-Signature: i=" + b"1" * 5000 + b"\r\n",
        b"ARC-Seal: \xff\x00\r\n",
        b"ARC-Seal:\r\n",
    ],
)
async def test_a_broken_chain_is_a_fail_and_asks_nothing(fields):
    resolver = FakeResolver(zone())

    found = await judged(fields + MAIL, resolver=resolver)

    assert "fail" == found.arc.result
    assert not any("evil" in name for name, _ in resolver.asked)


@pytest.mark.parametrize(("count", "result"), [(51, "fail"), (50, "policy"), (11, "policy"), (10, "fail")])
async def test_a_chain_of_more_than_ten_sets_is_not_evaluated(count, result):
    sets = b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=%s; d=evil.example; s=s%d; b=AAAA\r\n"
        b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=evil.example; s=s; h=from; bh=%s; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=%d; x\r\n"
        % (place, b"pass" if place > 1 else b"none", place, place, b"A" * 43 + b"=", place)
        for place in range(1, count + 1)
    )
    resolver = FakeResolver(zone())
    found = await judged(sets + signed(), resolver=resolver)

    assert (result, True) == (found.arc.result, found.verified)
    assert any("evil" in name for name, _ in resolver.asked) == (count == 10)


async def test_the_questions_that_decide_about_from_are_asked_before_those_of_arc():
    asked = {}

    class Noting(FakeResolver):
        async def lookup(self, name, rdtype, *, asker=RELAY):
            asked[name] = asker
            return await super().lookup(name, rdtype)

    seal = (
        b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=arc.example; s=s; b=AAAA\r\n"
        b"ARC-Message-Signature: i=1; a=rsa-sha256; d=arc.example; s=t; h=from; bh=%s; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=1; x\r\n" % (b"A" * 43 + b"=")
    )
    await judged(seal + signed(signed(), domain="list.example", selector="s2"), resolver=Noting(zone()))

    ranks = {name: asker.rank.name for name, asker in asked.items()}
    assert {
        "example.com": "AUTHOR",
        "_dmarc.example.com": "AUTHOR",
        "s1._domainkey.example.com": "AUTHOR",
        "s2._domainkey.list.example": "OTHER",
        "s._domainkey.arc.example": "ARC",
        "t._domainkey.arc.example": "ARC",
    }.items() <= ranks.items()
    assert 1 == len({(asker.peer, asker.mail) for asker in asked.values()})


PIECES = [
    *(b"DKIM-Signature:", b"ARC-Seal:", b"ARC-Message-Signature:", b"ARC-Authentication-Results:", b"From:", b"\r\n"),
    *(b" v=1;", b" a=rsa-sha256;", b" d=example.com;", b" s=s1;", b" h=from;", b" bh=AAAA;", b" b=AAAA;", b" i=1;"),
    *(b" i=@example.com;", b" l=3;", b" cv=none;", b" c=relaxed;", b" t=1; x=2;", b"a@example.com", b"<", b'"', b"("),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"=", b";", b" ", b"\t", b"\r", b"\n", b"%{d}", "ü".encode()),
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.binary(max_size=40))
async def test_any_header_has_a_verdict_and_none_made_of_pieces_is_verified(pieces, body):
    found = await judged(b"".join(pieces) + b"\r\n\r\n" + body, sent_by=envelope("x@evil.example"))

    assert not found.verified
    assert all(one.detail.isprintable() for one in (found.spf, found.dmarc, found.arc, *found.dkim))


@settings(max_examples=150)
@given(st.data())
async def test_a_signed_mail_changed_anywhere_never_raises(data):
    mail = bytearray(signed())
    for _ in range(data.draw(st.integers(1, 4))):
        mail[data.draw(st.integers(0, len(mail) - 1))] = data.draw(st.integers(0, 255))

    assert isinstance(await judged(bytes(mail)), Verdict)


@settings(max_examples=150)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
async def test_nothing_published_can_raise(key, spf, dmarc):
    records = zone(dmarc="v=DMARC1;" + dmarc, spf="v=spf1 " + spf) | {("s1._domainkey.example.com", "TXT"): [key]}

    assert "pass" != (await judged(signed(), records)).dkim[0].result
