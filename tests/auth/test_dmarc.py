import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.auth.dmarc import conclude, discover
from relay.auth.dmarc_record import is_dmarc, parse_dmarc, select
from relay.auth.dmarc_walk import TreeWalk, walk_names
from relay.auth.verdict import ArcResult, DkimResult, SpfResult
from tests.fakes import FakeResolver

NO_ARC = ArcResult(result="none", sealer=None, detail="")


def spf(result="none", domain=None):
    return SpfResult(result=result, domain=domain, aligned=False, detail="")


def dkim(result, domain):
    return DkimResult(
        result=result, domain=domain, selector="s", aligned=False, algorithm="rsa-sha256", bits=2048, detail=""
    )


def resolver_of(records, down=(), hosts=()):
    zone = {(f"_dmarc.{name}", "TXT"): [text] for name, text in records.items()}
    zone |= {(host, "A"): ["192.0.2.1"] for host in hosts}
    return FakeResolver(zone, down=[f"_dmarc.{name}" if not name.startswith("=") else name[1:] for name in down])


async def verdict(author, evidence, records, *, down=(), hosts=()):
    resolver = resolver_of(records, down, hosts)
    walk = TreeWalk(resolver)
    spfs = [one for one in evidence if isinstance(one, SpfResult)] or [spf()]
    return await conclude(
        author,
        spf=spfs[0],
        dkim=[one for one in evidence if isinstance(one, DkimResult)],
        arc=NO_ARC,
        discovery=await discover(author, walk=walk),
        walk=walk,
        resolver=resolver,
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("v=DMARC1; p=reject", ("reject", None, None)),
        ("v=DMARC1;p=none;sp=quarantine;np=reject", ("none", "quarantine", "reject")),
        ("v=DMARC1 ; P = Reject ; junk ; x=", ("reject", None, None)),
        ("v=DMARC1; p=reject; p=none", ("reject", None, None)),
        ("v=DMARC1", (None, None, None)),
        ("v=DMARC1; p=bogus", (None, None, None)),
        ("v=DMARC1; p=reject; sp=bogus", (None, None, None)),
        ("v=DMARC1; p=reject; np=bogus; rua=mailto:a@b.example", ("none", None, None)),
        ("v=DMARC1; rua=mailto:a@b.example", ("none", None, None)),
        ("v=DMARC1; rua=x, mailto:a@b.example!10m", ("none", None, None)),
        ("v=DMARC1; rua=ftp://b.example", (None, None, None)),
    ],
)
def test_a_record_is_read(text, wanted):
    record = parse_dmarc(text)

    assert wanted == (record.policy, record.subdomains, record.nonexistent)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("v=DMARC1; p=none", True),
        ("V = DMARC1 ;p=none", True),
        ("v=DMARC1", True),
        ("v=dmarc1; p=none", False),
        ("v=DMARC12; p=none", False),
        ("v=DMARC1 p=none", False),
        (" v=DMARC1; p=none", False),
        ("p=none; v=DMARC1", False),
        ("v=DMARC1;" + "x" * 9000, False),
        ("", False),
    ],
)
def test_a_record_begins_with_its_version(text, valid):
    assert valid == is_dmarc(text)
    assert valid == (select([text, "v=spf1 -all"]) is not None)


def test_of_several_records_none_counts():
    assert select(["v=DMARC1; p=none", "v=DMARC1; p=reject"]) is None


@settings(max_examples=200)
@given(st.text("v=DMARC1;psrua:mailto@none reject,", max_size=60))
def test_any_text_can_be_read(text):
    parse_dmarc(text)
    select([text])


def test_the_walk_asks_eight_names_at_most():
    assert ["a.example.com", "example.com", "com"] == walk_names("a.example.com")
    assert [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ] == walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert 8 == len(walk_names("a.b.c.d.e.f.g.h"))
    assert ["com"] == walk_names("com")


POLICIES = [
    # From domain, records, names that exist → policy, where it was found
    ("example.com", {"example.com": "p=reject"}, (), ("reject", "example.com")),
    ("example.com", {"example.com": "p=reject; sp=none"}, (), ("reject", "example.com")),
    ("a.example.com", {"example.com": "p=reject"}, (), ("reject", "example.com")),
    ("a.example.com", {"example.com": "p=reject; sp=none"}, ("a.example.com",), ("none", "example.com")),
    ("a.example.com", {"example.com": "p=none; np=reject"}, (), ("reject", "example.com")),
    ("a.example.com", {"example.com": "p=none; np=reject"}, ("a.example.com",), ("none", "example.com")),
    ("a.example.com", {"example.com": "p=none; sp=quarantine; np=reject"}, (), ("reject", "example.com")),
    ("a.example.com", {"a.example.com": "p=none", "example.com": "p=reject"}, (), ("none", "a.example.com")),
    ("a.b.example.com", {"b.example.com": "p=none", "example.com": "p=reject"}, (), ("reject", "example.com")),
    ("a.b.example.com", {"b.example.com": "p=none; psd=n", "example.com": "p=reject"}, (), ("none", "b.example.com")),
    ("example.com", {"example.com": "p=reject; t=y"}, (), ("quarantine", "example.com")),
    ("example.com", {"example.com": "p=quarantine; t=y"}, (), ("none", "example.com")),
    ("example.com", {"example.com": "p=none; t=y"}, (), ("none", "example.com")),
    ("example.bank", {"bank": "p=reject; psd=y"}, (), ("reject", "bank")),
    ("a.example.bank", {"bank": "p=reject; psd=y; sp=none"}, ("a.example.bank",), ("none", "bank")),
    ("a.example.bank", {"bank": "p=reject; psd=y", "example.bank": "p=none"}, (), ("none", "example.bank")),
    ("example.com", {}, (), (None, None)),
    ("example.com", {"example.com": "p=bogus"}, (), (None, "example.com")),
]


@pytest.mark.parametrize(("author", "records", "hosts", "wanted"), POLICIES)
async def test_the_policy_that_applies_is_found(author, records, hosts, wanted):
    found = await verdict(author, [], {name: f"v=DMARC1; {text}" for name, text in records.items()}, hosts=hosts)

    assert wanted == (found.dmarc.policy, found.dmarc.domain)
    assert not found.verified


R, S = "v=DMARC1; p=reject", "v=DMARC1; p=reject; adkim=s; aspf=s"
ALIGNMENTS = [
    # From domain, domain that passed, records → aligned
    ("example.com", "example.com", {"example.com": R}, True),
    ("example.com", "example.com", {"example.com": S}, True),
    ("example.com", "example.com", {}, True),
    ("example.com", "mail.example.com", {"example.com": R}, True),
    ("example.com", "mail.example.com", {"example.com": S}, False),
    ("example.com", "mail.example.com", {}, False),
    ("mail.example.com", "example.com", {"example.com": R}, True),
    ("mail.example.com", "example.com", {"example.com": S}, False),
    ("mail.example.com", "example.com", {}, False),
    ("a.example.com", "b.example.com", {"example.com": R}, True),
    ("a.example.com", "b.example.com", {"a.example.com": R, "b.example.com": R}, False),
    ("a.example.com", "b.example.com", {"a.example.com": R, "example.com": R}, True),
    ("a.example.com", "b.example.com", {"example.com": R + "; psd=y"}, False),
    ("a.example.com", "x.a.example.com", {"example.com": R + "; psd=y", "a.example.com": R}, True),
    ("a.example.com", "example.com", {"a.example.com": R + "; psd=n", "example.com": R}, False),
    ("a.example.com", "example.com", {"a.example.com": R, "example.com": R + "; psd=n"}, True),
    ("example.com", "example.org", {"example.com": R, "example.org": R}, False),
    ("example.com", "other.com", {"com": R}, False),
    ("example.com", "other.com", {"com": R + "; psd=n"}, False),
    ("example.com", "com", {"com": R, "example.com": R}, False),
    ("example.com", "notexample.com", {"example.com": R}, False),
    ("my-bank.com", "bank.com", {"my-bank.com": R, "bank.com": R}, False),
    ("a.co.uk", "b.co.uk", {"a.co.uk": R, "b.co.uk": R}, False),
    ("example.com", "mail.example.com", {"example.com": "v=DMARC1; p=bogus"}, False),
]


@pytest.mark.parametrize(("author", "passed", "records", "aligned"), ALIGNMENTS)
@pytest.mark.parametrize("method", ["spf", "dkim"])
async def test_a_pass_speaks_for_its_own_organisation_only(author, passed, records, aligned, method):
    one = spf("pass", passed) if method == "spf" else dkim("pass", passed)

    found = await verdict(author, [one], records)

    assert aligned == found.verified
    assert aligned == (found.spf if method == "spf" else found.dkim[0]).aligned
    assert (author if aligned else None) == found.verified_domain
    assert not found.undecided


@pytest.mark.parametrize(
    ("record", "spf_aligned", "dkim_aligned"),
    [
        ("adkim=s", True, False),
        ("aspf=s", False, True),
        ("adkim=r; aspf=r", True, True),
        ("adkim=S; aspf=S", False, False),
    ],
)
async def test_each_method_has_its_own_mode(record, spf_aligned, dkim_aligned):
    evidence = [spf("pass", "m.example.com"), dkim("pass", "m.example.com")]

    found = await verdict("example.com", evidence, {"example.com": f"v=DMARC1; p=none; {record}"})

    assert (spf_aligned, dkim_aligned) == (found.spf.aligned, found.dkim[0].aligned)


@pytest.mark.parametrize("result", ["fail", "softfail", "neutral", "none", "permerror", "policy"])
async def test_only_a_pass_verifies(result):
    found = await verdict("example.com", [spf(result, "example.com"), dkim(result, "example.com")], {"example.com": R})

    assert ("fail", "reject", False) == (found.dmarc.result, found.dmarc.policy, found.verified)
    assert (True, True) == (found.spf.aligned, found.dkim[0].aligned)


async def test_a_pass_of_somebody_else_never_verifies():
    found = await verdict("bank.example", [spf("pass", "evil.example"), dkim("pass", "evil.example")], {})

    assert ("none", False, None) == (found.dmarc.result, found.verified, found.verified_domain)


async def test_without_exactly_one_author_nothing_is_verified_and_nothing_asked():
    found = await verdict(None, [spf("pass", "example.com"), dkim("pass", "example.com")], {"example.com": R})

    assert ("permerror", False, None) == (found.dmarc.result, found.verified, found.header_from)


EX = "example.com"
OUTAGES = [
    # From domain, evidence, records, names that do not answer → dmarc, verified, policy
    (EX, [dkim("pass", EX)], {}, [EX], ("pass", True, None)),
    (EX, [spf("pass", EX)], {}, [EX], ("pass", True, None)),
    (EX, [dkim("pass", "m." + EX)], {}, [EX], ("temperror", False, None)),
    (EX, [dkim("fail", EX)], {}, [EX], ("temperror", False, None)),
    (EX, [], {}, [EX], ("temperror", False, None)),
    ("a." + EX, [dkim("pass", EX)], {}, [EX], ("temperror", False, None)),
    (EX, [spf("temperror", EX), dkim("pass", EX)], {EX: R}, [], ("pass", True, "reject")),
    (EX, [spf("temperror", EX), dkim("fail", EX)], {EX: R}, [], ("temperror", False, "reject")),
    (EX, [spf("temperror", "m." + EX)], {EX: R}, [], ("temperror", False, "reject")),
    (EX, [spf("temperror", "other.example")], {EX: R}, [], ("fail", False, "reject")),
    (EX, [dkim("temperror", EX)], {EX: R}, [], ("temperror", False, "reject")),
    (EX, [dkim("temperror", EX)], {}, [], ("temperror", False, None)),
    (EX, [dkim("temperror", "m." + EX)], {}, [], ("none", False, None)),
    (EX, [dkim("temperror", "other.example")], {EX: R}, [], ("fail", False, "reject")),
    (EX, [dkim("temperror", EX), dkim("pass", EX)], {EX: R}, [], ("pass", True, "reject")),
    (EX, [dkim("pass", "m." + EX)], {EX: R}, ["m." + EX], ("temperror", False, "reject")),
    (EX, [dkim("fail", "m." + EX)], {EX: R}, ["m." + EX], ("fail", False, "reject")),
    (EX, [dkim("pass", "m." + EX)], {EX: R}, ["com"], ("temperror", False, "reject")),
    (EX, [dkim("pass", EX)], {EX: R}, ["com"], ("pass", True, "reject")),
    ("a." + EX, [], {EX: "v=DMARC1; p=none; np=reject"}, ["=a." + EX], ("fail", False, "none")),
]


@pytest.mark.parametrize(("author", "evidence", "records", "down", "wanted"), OUTAGES)
async def test_a_dns_outage_is_temporary_unless_it_cannot_matter(author, evidence, records, down, wanted):
    found = await verdict(author, evidence, records, down=down)

    assert wanted == (found.dmarc.result, found.verified, found.dmarc.policy), found
    assert (wanted[0] == "temperror") == found.undecided


async def test_a_domain_that_only_shares_its_registry_costs_no_walk():
    resolver = resolver_of({"example.com": R})
    walk = TreeWalk(resolver)

    assert not await walk.aligned("example.com", "sender.com", strict=False)
    assert [] == resolver.asked


async def test_a_name_is_asked_for_once_in_a_mail():
    resolver = resolver_of({"example.com": R})
    walk = TreeWalk(resolver)
    for _ in range(3):
        assert await walk.aligned("a.example.com", "b.example.com", strict=False)

    assert len(set(resolver.asked)) == len(resolver.asked)
