"""Parse one SMTP command line into a value (RFC 5321 §4.1.1). Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from relay.mail.address import Address
from relay.smtp import replies
from relay.smtp.grammar import (
    SyntaxRefused,
    need_ascii,
    only,
    parse_helo,
    parse_size,
    split_parameters,
    split_path,
)


@dataclass(frozen=True, slots=True)
class Ehlo:
    """EHLO."""

    name: str  # valid, as the client wrote it


@dataclass(frozen=True, slots=True)
class Helo:
    """HELO."""

    name: str  # valid, as the client wrote it


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL FROM with its parameters (RFC 1870, RFC 6152, RFC 6531)."""

    sender: Address | None  # None is <>
    size: int | None  # octets, as declared
    smtputf8: bool


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT TO."""

    recipient: Address  # without a domain for <Postmaster>


@dataclass(frozen=True, slots=True)
class Bdat:
    """BDAT (RFC 3030 §2); its octets follow the command line at once."""

    size: int  # octets
    last: bool


@dataclass(frozen=True, slots=True)
class Data:
    """DATA."""


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP; its argument is ignored."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207)."""


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY; its argument is ignored, so the reply cannot reveal an address."""


@dataclass(frozen=True, slots=True)
class Expn:
    """EXPN; its argument is ignored."""


@dataclass(frozen=True, slots=True)
class Help:
    """HELP; its argument is ignored."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A verb that the SMTP server does not implement."""

    reply: replies.Reply


Command = Ehlo | Helo | MailFrom | RcptTo | Data | Bdat | Rset | Noop | Quit | StartTls | Vrfy | Expn | Help | Unknown

# A web page can make a browser send these to any port. The connection is closed before the request's body is
# read as commands (cross-protocol scripting, ALPACA).
_HTTP: Final = frozenset({"GET", "POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PRI"})
# Commands of RFC 5321 or an extension that are not implemented.
_NOT_IMPLEMENTED: Final = frozenset({"TURN", "ETRN", "ATRN", "AUTH", "SEND", "SOML", "SAML"})
_MAIL_PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH"})
_BLANKS: Final = re.compile(rb"[ \t]+")
_MANY_DIGITS: Final = re.compile(r"[0-9]{21,}")
_HUGE: Final = 10**20  # octets: what a size of more digits than RFC 1870 allows counts as
_NO_PARAMETERS: Final[frozenset[str]] = frozenset()


def parse_command(line: bytes, *, smtputf8: bool = False) -> Command:
    """The command in *line*, which has no CRLF. Linear in its length.

    Args:
        line: At most a few thousand octets of any value.
        smtputf8: Whether the current transaction was begun with SMTPUTF8, for RCPT.

    Raises:
        SyntaxRefused: With the reply to send.
    """
    words = _BLANKS.split(line.rstrip(b" \t"), 1)
    verb, argument_bytes = words[0].decode("ascii", "replace").upper(), words[-1] if len(words) > 1 else b""
    parse = _PARSERS.get(verb)
    if parse is None:
        return _unknown(verb)
    return parse(_text(argument_bytes), smtputf8)


def _text(argument: bytes) -> str:
    # Octets that are not UTF-8 become lone surrogates, which no pattern of the grammar matches.
    return argument.decode("utf-8", "surrogateescape")


def _unknown(verb: str) -> Command:
    if verb in _HTTP:
        raise SyntaxRefused(replies.HTTP_SPOKEN)
    if not verb:
        raise SyntaxRefused(replies.EMPTY_LINE)
    if not ("A" <= verb[0] <= "Z"):
        raise SyntaxRefused(replies.NOT_SMTP)
    return Unknown(replies.NOT_IMPLEMENTED if verb in _NOT_IMPLEMENTED else replies.NOT_A_COMMAND)


def _mail(argument: str, _: bool) -> MailFrom:  # noqa: FBT001 (one signature for all parsers)
    sender, rest = split_path(_after("FROM:", argument, replies.BAD_SENDER), replies.BAD_SENDER)
    if sender is not None and not sender.domain:
        raise SyntaxRefused(replies.BAD_SENDER)
    parameters = split_parameters(rest) if rest else {}
    only(parameters, _MAIL_PARAMETERS)
    smtputf8 = "SMTPUTF8" in parameters
    _check_flags(parameters)
    need_ascii(argument, smtputf8=smtputf8)
    size = parse_size(parameters["SIZE"]) if "SIZE" in parameters else None
    return MailFrom(sender, size, smtputf8)


def _check_flags(parameters: Mapping[str, str | None]) -> None:
    body = parameters.get("BODY", "7BIT")
    if body is None or body.upper() not in {"7BIT", "8BITMIME"} or parameters.get("SMTPUTF8") is not None:
        raise SyntaxRefused(replies.BAD_PARAMETER)
    # Some senders write AUTH=<> (RFC 4954 §5) though AUTH is not offered; it says that the author is not known.
    if parameters.get("AUTH", "<>") != "<>":
        raise SyntaxRefused(replies.UNKNOWN_PARAMETER)


def _rcpt(argument: str, smtputf8: bool) -> RcptTo:  # noqa: FBT001
    need_ascii(argument, smtputf8=smtputf8)
    recipient, rest = split_path(_after("TO:", argument, replies.BAD_RECIPIENT), replies.BAD_RECIPIENT)
    if recipient is None:
        raise SyntaxRefused(replies.BAD_RECIPIENT)
    if rest:
        only(split_parameters(rest), _NO_PARAMETERS)
    return RcptTo(recipient)


def _after(keyword: str, argument: str, refusal: replies.Reply) -> str:
    # Many clients write blanks before the path, against the grammar (RFC 5321 §3.3 warns of it).
    if argument[: len(keyword)].upper() != keyword:
        raise SyntaxRefused(refusal)
    return argument[len(keyword) :].lstrip(" \t")


def _bdat(argument: str, _: bool) -> Bdat:  # noqa: FBT001
    size, blank, last = argument.partition(" ")
    if last.upper() != ("LAST" if blank else ""):
        raise SyntaxRefused(replies.BAD_BDAT)
    if _MANY_DIGITS.fullmatch(size):
        return Bdat(_HUGE, bool(blank))
    try:
        return Bdat(parse_size(size), bool(blank))
    except SyntaxRefused as error:
        # The number of mail octets that follow is unknown, so no later octet can be read as a command.
        raise SyntaxRefused(replies.BAD_BDAT) from error


def _alone(value: Command) -> "_Parser":
    def parse(argument: str, _: bool) -> Command:  # noqa: FBT001
        if argument:
            raise SyntaxRefused(replies.NO_ARGUMENT)
        return value

    return parse


def _ignoring_argument(value: Command) -> "_Parser":
    return lambda _argument, _smtputf8: value


_Parser = Callable[[str, bool], Command]
_PARSERS: Final[Mapping[str, _Parser]] = MappingProxyType(
    {
        "EHLO": lambda argument, _: Ehlo(parse_helo(argument)),
        "HELO": lambda argument, _: Helo(parse_helo(argument)),
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _alone(Data()),
        "BDAT": _bdat,
        "RSET": _alone(Rset()),
        "NOOP": _ignoring_argument(Noop()),
        "QUIT": _alone(Quit()),
        "STARTTLS": _alone(StartTls()),
        "VRFY": _ignoring_argument(Vrfy()),
        "EXPN": _ignoring_argument(Expn()),
        "HELP": _ignoring_argument(Help()),
    }
)
