from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.authenticate import check_spf
from relay.auth.spf import MAX_LOOKUPS, Sender, check_host
from relay.auth.spf_macro import SpfSyntaxError, parse_macros
from relay.auth.spf_record import SpfRecord, parse_record, select
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from tests.auth.mails import envelope
from tests.fakes import FakeResolver


async def result(zone, *, local="ana", domain="example.com", ip="192.0.2.1", helo="mx.example.com", down=()):
    resolver = FakeResolver(zone, down=down)
    sender = Sender(local=local, domain=domain, ip=ip_address(ip), helo=helo)
    return (await check_host(sender, resolver=resolver)).result, resolver


def txt(record, **more):
    return {("example.com", "TXT"): [record]} | {
        (name.replace("__", "."), "TXT"): [text] for name, text in more.items()
    }


@pytest.mark.parametrize(
    ("record", "ip", "wanted"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.1", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.1", "fail"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "2001:db8::1", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "192.0.2.1", "softfail"),
        ("V=SPF1 IP4:192.0.2.1 -ALL", "192.0.2.1", "pass"),
        ("v=spf1 ?all", "192.0.2.1", "neutral"),
        ("v=spf1", "192.0.2.1", "neutral"),
        ("v=spf10 +all", "192.0.2.1", "none"),
        ("v=spf1 ip4:192.0.2.1%eth0 +all", "192.0.2.1", "permerror"),
        ("v=spf1 a:%{d}", "192.0.2.1", "neutral"),
        ("v=spf1 exists:%{l9999999999}.x", "192.0.2.1", "permerror"),
        ("v=spf1 exists:%{l0}.x.example", "192.0.2.1", "permerror"),
        ("v=spf1 ip4:" + "1" * 100_000, "192.0.2.1", "permerror"),
        ("v=spf1 a:" + "a" * 100_000 + "! -all", "192.0.2.1", "permerror"),
        ("v=spf1 " + "a" * 100_000 + " -all", "192.0.2.1", "permerror"),
        ("v=spf1 a/" + "/1" * 50_000, "192.0.2.1", "permerror"),
    ],
)
async def test_a_record_has_its_result(record, ip, wanted):
    assert wanted == (await result(txt(record), ip=ip))[0]


async def test_a_quoted_local_part_cannot_change_which_domain_is_asked():
    zone = txt("v=spf1 -all", evil__example="v=spf1 +all")

    found, resolver = await result(zone, local='x"@evil.example')

    assert "fail" == found
    assert [("example.com", "TXT")] == resolver.asked


async def test_a_local_part_in_a_macro_stays_left_of_what_follows_it():
    zone = {("example.com", "TXT"): ["v=spf1 exists:%{l}._spf.%{d} -all"], ("evil.example", "A"): ["127.0.0.2"]}

    assert "fail" == (await result(zone, local="evil.example"))[0]


@pytest.mark.parametrize(
    "domain", ["", "localhost", "[192.0.2.1]", "a..example", ".example.com", "a" * 64 + ".example"]
)
async def test_a_domain_that_is_none_is_not_asked_for(domain):
    found, resolver = await result(txt("v=spf1 +all"), domain=domain)

    assert ("none", []) == (found, resolver.asked)


@pytest.mark.parametrize(
    ("record", "down"),
    [
        ("v=spf1 +all", "example.com"),
        ("v=spf1 a:slow.example +all", "slow.example"),
        ("v=spf1 mx:slow.example +all", "slow.example"),
        ("v=spf1 include:slow.example +all", "slow.example"),
        ("v=spf1 exists:slow.example +all", "slow.example"),
        ("v=spf1 redirect=slow.example", "slow.example"),
    ],
)
async def test_dns_that_does_not_answer_is_a_temporary_error(record, down):
    assert "temperror" == (await result(txt(record), down=[down]))[0]


async def test_trouble_with_the_peers_own_name_is_no_match_and_no_error():
    assert "softfail" == (await result(txt("v=spf1 ptr ~all"), down=["1.2.0.192.in-addr.arpa"]))[0]


async def test_records_that_include_each_other_end_at_the_limit():
    zone = txt("v=spf1 include:a.example include:a.example", a__example="v=spf1 include:example.com")

    found, resolver = await result(zone)

    assert "permerror" == found
    assert len(resolver.asked) <= MAX_LOOKUPS + 1


async def test_the_most_a_record_can_make_us_ask_is_bounded():
    hosts = [f"10 h{place}.example" for place in range(10)]
    zone = txt("v=spf1 " + "mx:m.example " * 10 + "-all") | {("m.example", "MX"): hosts}
    zone |= {(f"h{place}.example", "A"): ["198.51.100.1"] for place in range(10)}

    found, resolver = await result(zone)

    assert "fail" == found
    assert 1 + 10 * 11 == len(resolver.asked)


async def test_an_address_that_is_none_matches_nothing():
    zone = txt("v=spf1 a -all") | {("example.com", "A"): ["garbage", "", "192.0.2"]}

    assert "fail" == (await result(zone))[0]


async def test_helo_speaks_for_a_null_sender():
    found = await check_spf(envelope(None, helo="Mx.Example.com"), resolver=FakeResolver({
        ("mx.example.com", "TXT"): ["v=spf1 exists:%{l}.%{o}.ok.example -all"],
        ("postmaster.mx.example.com.ok.example", "A"): ["127.0.0.2"],
    }))  # fmt: skip

    assert ("pass", "mx.example.com", False) == (found.result, found.domain, found.aligned)


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "localhost", ""])
async def test_a_helo_that_is_no_domain_has_no_spf(helo):
    found = await check_spf(envelope(None, helo=helo), resolver=FakeResolver({}))

    assert "none" == found.result


async def test_a_local_part_of_any_kind_is_only_text():
    peer = Peer(ip=ip_address("192.0.2.1"), helo="x", tls=None, protocol="SMTP")
    sender = Address("ü %{d} \x00\"@'", "example.com")
    zone = txt("v=spf1 exists:%{l}.%{L}.%{s2r+-}.example -all")

    found = await check_spf(Envelope(peer=peer, mail_from=sender, rcpt_to=()), resolver=FakeResolver(zone))

    assert "fail" == found.result


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*"+-~?:/=%{}.0123 ", "all", "a", "mx", "ip4", "ip6", "exp", "%{d}", "1.2.3.4", "a.b"]))
)
def test_any_text_is_a_record_or_a_syntax_error(pieces):
    try:
        record = parse_record("v=spf1 " + "".join(pieces))
    except SpfSyntaxError:
        return
    assert isinstance(record, SpfRecord)


def test_only_an_explanation_may_have_spaces_and_its_own_letters():
    assert ("a b ",) == parse_macros("a b ", explanation=True)
    assert 2 == len(parse_macros("%{c}%{t}", explanation=True))
    with pytest.raises(SpfSyntaxError):
        parse_macros("a b")
    with pytest.raises(SpfSyntaxError):
        parse_macros("%{c}")


def test_the_record_is_chosen_by_its_version():
    assert "v=spf1 -all" == select(["other", "v=spf1 -all", "v=spf2.0 x", ""])
    assert select(["v=spf1-all"]) is None
    with pytest.raises(SpfSyntaxError):
        select(["v=spf1 -all", "V=SPF1"])
