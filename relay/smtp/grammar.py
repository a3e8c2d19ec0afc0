"""Parse SMTP paths, parameters and HELO names by the grammar, with the tolerance of Postfix.

RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3.
Pure and linear: the patterns are possessive, so they never backtrack. A value that does not match raises
SyntaxRefused with the reply to send; no other exception is raised.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from relay.mail.address import Address
from relay.smtp.replies import (
    BAD_ARGUMENT,
    BAD_HELO,
    BAD_PARAMETER,
    NEED_SMTPUTF8,
    UNKNOWN_PARAMETER,
    Reply,
)
from store.names import normalise_domain

# RFC 5321 §4.5.3.1.1 says 64, and recommends to have no limit. Return paths that contain another address (VERP, SRS)
# exceed 128 in real mail.
MAX_LOCAL_BYTES: Final = 255
MAX_DOMAIN_BYTES: Final = 255  # RFC 5321 §4.5.3.1.2

# UTF8-non-ascii of RFC 6531 §3.3, without characters that a log or a header reads as a control or a line end.
_WIDE: Final = r"\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
_ATOM: Final = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_WIDE}-]++"
_NAME: Final = rf"[A-Za-z0-9_{_WIDE}-]++(?:\.[A-Za-z0-9_{_WIDE}-]++)*+"
_PATH: Final = re.compile(
    rf"<(?:@{_NAME}(?:,@{_NAME})*+:)?+"  # a source route is accepted and ignored (RFC 5321 §4.1.1.3)
    rf"(?:(?P<dot>{_ATOM}(?:\.{_ATOM})*+)"
    rf'|"(?P<quoted>(?:[\x20\x21\x23-\x5b\x5d-\x7e{_WIDE}]|\\[\x20-\x7e])++)")'
    rf"@(?P<domain>{_NAME}\.?+|\[[\x21-\x5a\x5e-\x7e]++\])>"
)
_POSTMASTER: Final = re.compile(r"<postmaster>", re.IGNORECASE)
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_PARAMETER: Final = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9-]*+)(?:=(?P<value>[\x21-\x3c\x3e-\x7e]++))?")
_HELO: Final = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+\.?|\[[\x21-\x5a\x5e-\x7e]++\]")
_SIZE: Final = re.compile(r"[0-9]{1,20}")


class SyntaxRefused(Exception):
    """A command that does not match the grammar; *reply* answers it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


def split_path(text: str, refusal: Reply) -> tuple[Address | None, str]:
    """The path at the start of *text*, None for ``<>``, and the text after it.

    ``<Postmaster>`` is an Address without a domain. Raises SyntaxRefused with *refusal*.
    """
    if text.startswith("<>"):
        return None, text[2:]
    if found := _PATH.match(text):
        local = found["dot"] or _QUOTED_PAIR.sub(r"\1", found["quoted"])
        if len(local.encode()) > MAX_LOCAL_BYTES:
            raise SyntaxRefused(refusal)
        return Address(local, _domain(found["domain"], refusal)), text[found.end() :]
    if found := _POSTMASTER.match(text):
        return Address("postmaster", ""), text[found.end() :]
    raise SyntaxRefused(refusal)


def split_parameters(text: str) -> dict[str, str | None]:
    """The ESMTP parameters after a path, keys in upper case (RFC 5321 §4.1.2).

    Raises SyntaxRefused.
    """
    parameters: dict[str, str | None] = {}
    if not text:
        return parameters
    if text[0] != " ":
        raise SyntaxRefused(BAD_ARGUMENT)
    for word in text.split(" "):
        if not word:
            continue
        found = _PARAMETER.fullmatch(word)
        if not found or (key := found["key"].upper()) in parameters:
            raise SyntaxRefused(BAD_PARAMETER)
        parameters[key] = found["value"]
    return parameters


def parse_size(value: str | None) -> int:
    """The octets of ``SIZE=`` or ``BDAT``: at most 20 ASCII digits (RFC 1870 §4).

    Raises SyntaxRefused.
    """
    if value is None or not _SIZE.fullmatch(value):
        raise SyntaxRefused(BAD_PARAMETER)
    return int(value)


def parse_helo(text: str) -> str:
    """The HELO name as written: a domain or an address literal.

    A domain may be unqualified or have underscores; an IPv6 literal may lack ``IPv6:``, as Postfix takes it.
    The result is safe to write into a header. Raises SyntaxRefused.
    """
    if not text or len(text) > MAX_DOMAIN_BYTES or not _HELO.fullmatch(text):
        raise SyntaxRefused(BAD_HELO)
    if text[0] == "[":
        _literal(text, BAD_HELO, bare_ipv6=True)
    return text


def need_ascii(argument: str, *, smtputf8: bool) -> None:
    """Raise SyntaxRefused for a non-ASCII *argument* without SMTPUTF8.

    RFC 6531 §3.5.
    """
    if not smtputf8 and not argument.isascii():
        raise SyntaxRefused(NEED_SMTPUTF8)


def only(parameters: dict[str, str | None], known: frozenset[str]) -> None:
    """Raise SyntaxRefused when a parameter is not in *known* (RFC 5321 §4.1.1.11)."""
    if not known.issuperset(parameters):
        raise SyntaxRefused(UNKNOWN_PARAMETER)


def _domain(text: str, refusal: Reply) -> str:
    if text[0] == "[":
        return _literal(text, refusal)
    # Unicode spaces at its ends would be stripped below, so two spellings would be one address.
    if len(text.encode()) > MAX_DOMAIN_BYTES or text.strip() != text:
        raise SyntaxRefused(refusal)
    try:
        return normalise_domain(text)
    except ValueError as error:
        raise SyntaxRefused(refusal) from error


def _literal(text: str, refusal: Reply, *, bare_ipv6: bool = False) -> str:
    inner = text[1:-1]
    if "%" in inner:  # a scope, which ipaddress accepts
        raise SyntaxRefused(refusal)
    try:
        if inner[:5].upper() == "IPV6:":
            return f"[IPv6:{IPv6Address(inner[5:])}]"
        if bare_ipv6 and ":" in inner:
            return f"[IPv6:{IPv6Address(inner)}]"
        return f"[{IPv4Address(inner)}]"
    except ValueError as error:
        raise SyntaxRefused(refusal) from error
