"""Parse SPF records into mechanisms and modifiers (RFC 7208 §4.6, §5, §6, §12)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, Literal

from relay.auth.spf_macro import Macro, Macros, SpfSyntaxError, parse_macros
from relay.auth.verdict import Result

Kind = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]

_RESULTS: Final[Mapping[str, Result]] = {"": "pass", "+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)([:/].*)?", re.IGNORECASE | re.DOTALL | re.ASCII
)
_DUAL_CIDR: Final = re.compile(
    r"(?::(?P<spec>.*?))?(?:/(?P<four>0|[1-9][0-9]?))?(?://(?P<six>0|[1-9][0-9]{0,2}))?", re.DOTALL | re.ASCII
)
_NETWORK: Final = re.compile(r":([0-9A-Fa-f.:]+)(?:/(0|[1-9][0-9]{0,2}))?", re.ASCII)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_VERSION: Final = "v=spf1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One mechanism with its qualifier."""

    result: Result  # if the mechanism matches
    kind: Kind
    target: Macros | None = None  # None: the current domain
    network: bytes = b""  # of ip4 and ip6: 4 or 16 octets
    four: int = 32  # prefix length for IPv4
    six: int = 128  # prefix length for IPv6


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """A complete record without syntax errors."""

    directives: tuple[Directive, ...]
    redirect: Macros | None
    explanation: Macros | None


def select(records: Sequence[str]) -> str | None:
    """The SPF record among the TXT *records*, or None (RFC 7208 §4.5).

    Raises SpfSyntaxError if there are two.
    """
    found = [text for text in records if text[:7].lower() in (_VERSION, _VERSION + " ")]
    if len(found) > 1:
        raise SpfSyntaxError("there is more than one SPF record")
    return found[0] if found else None


def parse_record(text: str, *, single_labels: bool = False) -> SpfRecord:
    """Parse the terms of *text*. Raises SpfSyntaxError.

    A syntax error invalidates the whole record, also after a mechanism that matches (RFC 7208
    §4.6). *single_labels* allows single-label names as targets.
    """
    directives: list[Directive] = []
    modifiers: dict[str, Macros] = {}
    for term in text[len(_VERSION) :].split(" "):
        modifier = _MODIFIER.fullmatch(term)
        if modifier is not None:
            _modify(modifiers, modifier[1].lower(), modifier[2], single_labels=single_labels)
        elif term:
            directives.append(_directive(term, single_labels=single_labels))
    return SpfRecord(directives=tuple(directives), redirect=modifiers.get("redirect"), explanation=modifiers.get("exp"))


def _modify(modifiers: dict[str, Macros], name: str, value: str, *, single_labels: bool) -> None:
    if name not in ("redirect", "exp"):
        parse_macros(value)
        return
    if name in modifiers:
        raise SpfSyntaxError(f"{name}= occurs twice")
    modifiers[name] = _domain_spec(value, single_labels=single_labels)


def _directive(term: str, *, single_labels: bool) -> Directive:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise SpfSyntaxError("a term is neither a mechanism nor a modifier")
    result, rest = _RESULTS[found[1]], found[3] or ""
    match found[2].lower():
        case "all" if not rest:
            return Directive(result=result, kind="all")
        case "include" | "exists" | "ptr" as kind if rest.startswith(":") or (kind == "ptr" and not rest):
            target = _domain_spec(rest[1:], single_labels=single_labels) if rest else None
            return Directive(result=result, kind=kind, target=target)
        case "a" | "mx" as kind:
            return _hosts(result, kind, rest, single_labels=single_labels)
        case "ip4" | "ip6" as kind:
            return _address(result, kind, rest)
    raise SpfSyntaxError("a mechanism has an invalid argument")


def _hosts(result: Result, kind: Literal["a", "mx"], rest: str, *, single_labels: bool) -> Directive:
    found = _DUAL_CIDR.fullmatch(rest)
    four, six = (int(found["four"] or 32), int(found["six"] or 128)) if found else (-1, -1)
    if found is None or four > 32 or six > 128:
        raise SpfSyntaxError(f"{kind} has an invalid argument")
    target = None if found["spec"] is None else _domain_spec(found["spec"], single_labels=single_labels)
    return Directive(
        result=result,
        kind=kind,
        target=target,
        four=four,
        six=six,
    )


def _address(result: Result, kind: Literal["ip4", "ip6"], rest: str) -> Directive:
    found = _NETWORK.fullmatch(rest)
    if found is None:
        raise SpfSyntaxError(f"{kind} has no valid network")
    width = 32 if kind == "ip4" else 128
    prefix = width if found[2] is None else int(found[2])
    try:
        network = inet_pton(AF_INET if kind == "ip4" else AF_INET6, found[1])
    except OSError as error:
        raise SpfSyntaxError(f"{kind} has no valid network") from error
    if prefix > width:
        raise SpfSyntaxError(f"{kind} has no valid network")
    return Directive(result=result, kind=kind, network=network, four=prefix, six=prefix)


def _domain_spec(text: str, *, single_labels: bool) -> Macros:
    """Parse a domain-spec (RFC 7208 §7.1).

    It must end in a macro, or in a dot and a top label.
    """
    macros = parse_macros(text)
    if not macros:
        raise SpfSyntaxError("a domain is empty")
    if isinstance(macros[-1], Macro) or text.endswith(("%%", "%_", "%-")):
        return macros
    _, dot, label = text.removesuffix(".").rpartition(".")
    if (not dot and not single_labels) or label.isdigit() or not _LABEL.fullmatch(label):
        raise SpfSyntaxError("a domain does not end in a valid label")
    return macros
