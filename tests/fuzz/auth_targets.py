"""Fuzz targets of SPF, DKIM, DMARC and ARC; tests/fuzz/targets.py says what a target is."""

import asyncio
from collections.abc import Coroutine
from functools import cache
from ipaddress import ip_address
from typing import Any, TypeVar

import dkim as oracle

from relay.auth.arc import find_chain
from relay.auth.arc_set import Chain
from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache, KeyProblem, read_key
from relay.auth.dkim_signature import Signature, read_signature
from relay.auth.dmarc_record import DmarcRecord, parse_dmarc, select
from relay.auth.spf import Sender, check_host
from relay.auth.spf_macro import Macro, Macros, SpfSyntaxError
from relay.auth.spf_record import Directive, SpfRecord, parse_record
from relay.auth.verdict import Verdict
from relay.mail.headers import header_end, split_headers
from tests.auth.mails import MAIL, envelope, rsa_record, signed
from tests.auth.test_arc import sealed
from tests.auth.test_authenticate import NOW
from tests.fakes import FakeResolver
from tests.fuzz.choices import Choices, cut, linear

T = TypeVar("T")
KEY_NAME = "s1._domainkey.example.com"
STRANGER = "x@mail.sender.example"
RESULTS = {"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"}
# Ten terms that need DNS, each with ten names of an MX or PTR answer; a record for each term; the peer's names.
MOST_QUESTIONS = 10 * 11 + 11 + 11


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _judged(mail: bytes, zone: dict[tuple[str, str], list[str]], sizes: list[int], sender: str | None) -> Verdict:
    body = mail[header_end(mail) :]
    return _run(
        authenticate(
            envelope(sender),
            split_headers(mail),
            lambda: iter(cut(body, sizes)),
            resolver=FakeResolver(zone),
            keys=KeyCache(),
            now=NOW,
        )
    )


def _oracle_reads(mail: bytes) -> bool:
    """Whether the other verifier reads the same mail: it changes bare line ends, and stops at a line that is no field."""
    try:
        oracle.DKIM(mail)
    except oracle.MessageFormatError:
        return False
    return not any(sign in mail.replace(b"\r\n", b"") for sign in (b"\r", b"\n", b"\0"))


# DKIM


@cache
def _signed_mails() -> list[bytes]:
    forms = [(header, body) for header in ("simple", "relaxed") for body in ("simple", "relaxed")]
    return [signed(forms=each, bits=1024) for each in forms]


@cache
def _key_zone() -> dict[tuple[str, str], list[str]]:
    return {(KEY_NAME, "TXT"): [rsa_record(bits=1024)]}


def _ask_oracle(name: bytes, timeout: int = 5) -> bytes | None:
    return _key_zone().get((name.decode("latin-1").rstrip("."), "TXT"), [""])[0].encode() or None


def dkim_signatures(data: bytes) -> None:
    """A changed mail passes only where another verifier says so too; any signature field is read."""
    choices = Choices(data)
    sizes = choices.sizes(200)
    if choices.flag():
        _check_signature(choices.content(65_536))
        return
    original = _signed_mails()[choices.number(3)]
    mail = choices.edited(original)
    verdict = _judged(mail, _key_zone(), sizes, STRANGER)
    assert verdict == _judged(mail, _key_zone(), [1 << 20], STRANGER)
    assert {each.result for each in verdict.dkim} <= RESULTS
    passed = any(each.result == "pass" for each in verdict.dkim)
    assert passed or mail != original
    if passed and _oracle_reads(mail):
        assert any(_oracle_passes(mail, place) for place in range(len(verdict.dkim)))
    assert not verdict.verified or verdict.header_from == "example.com"


def _oracle_passes(mail: bytes, place: int) -> bool:
    try:
        return bool(oracle.DKIM(mail, minkey=1024).verify(idx=place, dnsfunc=_ask_oracle))
    except (oracle.DKIMException, ValueError):
        return False


def _check_signature(value: bytes) -> None:
    headers = split_headers(b"DKIM-Signature: " + value.replace(b"\r\n", b"\r\n ") + b"\r\n\r\n")
    for field in headers.fields:
        read = linear(lambda field=field: read_signature(field), len(field.raw))
        if not isinstance(read, Signature):
            assert read.result in {"permerror", "policy"}
            continue
        assert len(read.key_name) <= 253
        assert "from" in read.names
        assert read.identity == read.domain or read.identity.endswith("." + read.domain)
    assert not _judged(b"".join(field.raw for field in headers.fields) + MAIL, {}, [1 << 20], STRANGER).verified


def dkim_keys(data: bytes) -> None:
    """Any key record is read or refused; a key that is used has an accepted size."""
    record = Choices(data).content(20_000).decode("latin-1")
    key = linear(lambda: read_key(record), len(record))
    if isinstance(key, KeyProblem):
        assert key.result in {"permerror", "policy"}
        assert key.detail.isprintable()
        return
    assert 8192 >= key.bits >= (256 if key.kind == "ed25519" else 1024)
    assert not key.accepts(b"", b"\0" * 32)


# SPF


NAMES = ["example.com", "a.example", "b.example", "c.example"]
HOSTS = {
    ("mx1.example", "A"): ["192.0.2.1"],
    ("mx1.example", "AAAA"): ["2001:db8::1"],
    ("a.example", "MX"): ["10 mx1.example"],
    ("b.example", "MX"): [f"10 h{number}.example" for number in range(12)],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mx1.example", "example.com"],
}


def spf(data: bytes) -> None:
    """Any records end in a result, with bounded questions; ``-all`` in front never passes."""
    choices = Choices(data)
    ip = ip_address("192.0.2.1" if choices.flag() else "2001:db8::1")
    kind = choices.number(3)
    texts = choices.content(4096).decode("latin-1").split("\n")
    texts[0] = {0: "v=spf1 ", 1: "v=spf1 -all ", 2: "", 3: "v=spf1 "}[kind] + texts[0] + (" ip4:x" if kind == 3 else "")
    zone = HOSTS | {(name, "TXT"): [text] for name, text in zip(NAMES, texts, strict=False)}
    resolver = FakeResolver(zone)
    local = texts[-1][:64] or "postmaster"
    sender = Sender(local=local, domain="example.com", ip=ip, helo=texts[-1][-60:] or "mx.example")
    outcome = linear(lambda: _run(check_host(sender, resolver=resolver)), 2 * len(data) + 20_000)
    assert outcome.result in RESULTS
    assert outcome.detail.isprintable()
    assert outcome.result in {0: RESULTS, 1: {"fail", "permerror"}, 2: RESULTS, 3: {"permerror"}}[kind]
    _check_questions(sender, zone)
    _check_record(texts[0])


def _check_questions(sender: Sender, zone: dict[tuple[str, str], list[str]]) -> None:
    resolver = FakeResolver(zone)
    _run(check_host(sender, resolver=resolver))
    assert len(resolver.asked) <= MOST_QUESTIONS
    for name, _ in resolver.asked:
        assert 0 < len(name) <= 253
        assert all(0 < len(label) <= 63 for label in name.split("."))


def _check_record(text: str) -> None:
    try:
        record = parse_record(text)
    except SpfSyntaxError:
        return
    assert record == parse_record(_spf_text(record))


def _spf_text(record: SpfRecord) -> str:
    terms = [_spf_term(each) for each in record.directives]
    modifiers = {"redirect": record.redirect, "exp": record.explanation}
    terms += [f"{name}={_macro_text(macros)}" for name, macros in modifiers.items() if macros is not None]
    return " ".join(["v=spf1", *terms])


def _spf_term(directive: Directive) -> str:
    sign = {"pass": "+", "fail": "-", "softfail": "~", "neutral": "?"}[directive.result]
    text = f"{sign}{directive.kind}"
    if directive.kind in {"ip4", "ip6"}:
        return f"{text}:{ip_address(directive.network)}/{directive.four}"
    if directive.target is not None:
        text += ":" + _macro_text(directive.target)
    return f"{text}/{directive.four}//{directive.six}" if directive.kind in {"a", "mx"} else text


def _macro_text(macros: Macros) -> str:
    fixed = {"%": "%%", " ": "%_", "%20": "%-"}
    return "".join(each if isinstance(each, str) and each not in fixed else _one_macro(each, fixed) for each in macros)


def _one_macro(token: str | Macro, fixed: dict[str, str]) -> str:
    if isinstance(token, str):
        return fixed[token]
    letter = token.letter.upper() if token.escape else token.letter
    return f"%{{{letter}{token.keep or ''}{'r' * token.reverse}{token.delimiters}}}"


# DMARC


def dmarc(data: bytes) -> None:
    """What a stranger publishes and writes into From never makes another domain verified."""
    choices = Choices(data)
    is_host = choices.flag()
    text, _, author = choices.content(20_000).partition(b"\n")
    records = text.decode("latin-1").split("|")
    _check_dmarc_record(records[0])
    zone = {
        ("_dmarc.sender.example", "TXT"): records,
        ("_dmarc.mail.sender.example", "TXT"): records[-1:] if is_host else [],
        ("mail.sender.example", "TXT"): ["v=spf1 +all"],
        ("_dmarc.example.com", "TXT"): ["v=DMARC1; p=reject"],
    }
    mail = b"From: " + author.replace(b"\r\n", b"\r\n ") + MAIL[MAIL.index(b"\r\n") :]
    verdict = linear(lambda: _judged(mail, zone, [1 << 20], STRANGER), 10_000 + len(mail))
    assert "pass" == verdict.spf.result
    assert verdict.dmarc.result in RESULTS
    if verdict.verified:
        assert f".{verdict.header_from}".endswith(".sender.example")


def _check_dmarc_record(text: str) -> None:
    record = linear(lambda: parse_dmarc(text), len(text))
    assert record == parse_dmarc(_dmarc_text(record))
    chosen = select([text])
    assert chosen in {None, record}
    for own, exists in ((True, True), (False, True), (False, False)):
        assert record.policy_for(own=own, exists=exists) in {None, "none", "quarantine", "reject"}


def _dmarc_text(record: DmarcRecord) -> str:
    policies = {"p": record.policy, "sp": record.subdomains, "np": record.nonexistent}
    flags = {"adkim": record.strict_dkim, "aspf": record.strict_spf}
    tags = [f"{name}={policy}" for name, policy in policies.items() if policy is not None]
    tags += [f"{name}=s" for name, is_strict in flags.items() if is_strict]
    return "; ".join(["v=DMARC1", *tags, f"psd={record.psd}", f"t={'y' if record.testing else 'n'}"])


# ARC


@cache
def _sealed_mails() -> list[bytes]:
    return [sealed(times=times) for times in (1, 2, 3)]


def arc(data: bytes) -> None:
    """A changed chain passes only where another verifier says so too, and never verifies a mail."""
    choices = Choices(data)
    sizes = choices.sizes(200)
    if choices.flag():
        soup = choices.content(65_536)
        found = linear(lambda: find_chain(split_headers(soup)), len(soup))
        assert isinstance(found, Chain) or found.result in {"none", "fail", "policy"}
        mail = soup[: header_end(soup)].removesuffix(b"\r\n") + MAIL
        assert not _judged(mail, _key_zone(), sizes, STRANGER).verified
        return
    original = _sealed_mails()[choices.number(2)]
    mail = choices.edited(original)
    verdict = _judged(mail, _key_zone(), sizes, STRANGER)
    assert not verdict.verified
    assert verdict.arc.result in RESULTS
    assert verdict.arc.result == "pass" or mail != original
    if verdict.arc.result == "pass" and _oracle_reads(mail):
        assert b"pass" == oracle.arc_verify(mail, dnsfunc=_ask_oracle, minkey=1024)[0]
