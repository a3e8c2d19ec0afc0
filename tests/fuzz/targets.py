"""Fuzz targets: each takes any bytes and asserts what must hold for every input.

tests/fuzz/test_targets.py runs them with hypothesis in the suite, tests/fuzz/long_run.py with atheris. A target
raises nothing that the code under test does not declare; what is accepted is written again and read as the same value;
the sizes of pieces change no result; the cost is linear; and no changed mail keeps a ``pass``.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from relay.auth.results import claims_to_be
from relay.errors import UndecodableMail
from relay.inbound.bytes import _without_forgeries
from relay.mail.fields.author import from_address
from relay.mail.headers import Headers, count_fields, header_end, split_headers
from relay.mail.link_tokens import find_link_tokens, may_hold_link_tokens
from relay.mail.summary import summarise
from relay.mail.trace import hop_count, own_hop_count
from relay.received_message import received_mail, verdict_without_checks
from relay.smtp import commands as c
from relay.smtp.commands import Command, parse_command
from relay.smtp.data import BdatReceiver, DotReceiver
from relay.smtp.grammar import SyntaxRefused
from relay.smtp.lines import Lines
from relay.smtp.replies import Reply
from relay.web.answers.json_bounds import MAX_COMMAS, MAX_FIELDS, _parsed
from store.names import normalise_domain
from tests.auth.test_authenticate import NOW
from tests.fuzz import auth_targets
from tests.fuzz.choices import Choices, cut, linear

HOSTNAME = "mx.here.example"
LINE = 2048  # octets of a command line, with CRLF
COMMANDS = 1000  # of a connection
LONG = 65_536  # octets of a stretched input
SHORT = 1024  # octets of an input that is cut into pieces


# The SMTP command parser


def smtp_commands(data: bytes) -> None:
    """Lines and commands: pieces change nothing, and a command that is written again is the same."""
    choices = Choices(data)
    smtputf8, sizes = choices.flag(), choices.sizes(64)
    stream = choices.content(LONG)
    lines = linear(lambda: _lines([stream]), len(stream))
    assert _lines([stream[:SHORT]]) == _lines(cut(stream[:SHORT], sizes))
    for line in lines:
        command = linear(lambda line=line: _command(line, smtputf8=smtputf8), len(line))
        if isinstance(command, Reply):
            assert command.code in {421, 500, 501, 502, 503, 504, 553, 555}, command
        elif not isinstance(command, c.Unknown):
            assert command == parse_command(_written(command), smtputf8=True)


def _lines(pieces: list[bytes]) -> list[bytes]:
    """The complete lines before the first octets that end the connection."""
    lines, found = Lines(LINE), []
    for piece in pieces:
        lines.feed(piece)
        while (line := lines.next()) is not None:
            if isinstance(line, Reply) or len(found) >= COMMANDS:
                return found
            if isinstance(refusal := _command(line), Reply) and refusal.closes:
                return found
            found.append(line)
    return found


def _command(line: bytes, *, smtputf8: bool = False) -> Command | Reply:
    try:
        return parse_command(line, smtputf8=smtputf8)
    except SyntaxRefused as refused:
        return refused.reply


def _written(command: Command) -> bytes:
    match command:
        case c.MailFrom(sender, size, smtputf8):
            parameters = ("" if size is None else f" SIZE={size}") + (" SMTPUTF8" if smtputf8 else "")
            return f"MAIL FROM:<{sender or ''}>{parameters}".encode()
        case c.RcptTo(recipient):
            return f"RCPT TO:<{recipient}>".encode()
        case c.Ehlo(name) | c.Helo(name):
            return f"{type(command).__name__} {name}".encode()
        case c.Bdat(size, last):
            return f"BDAT {size}{' LAST' if last else ''}".encode()
    return type(command).__name__.upper().encode()


# The data receiver


def smtp_data(data: bytes) -> None:
    """DATA is what its definition by lines says, in pieces of any size; what is kept is received again."""
    choices = Choices(data)
    max_line, max_bytes, sizes = 1 + choices.number(80), 1 + choices.number(9000), choices.sizes(9)
    stream = choices.content(LONG)
    linear(lambda: _received([stream], max_bytes, max_line), len(stream))
    stream = stream[:SHORT]
    found = _received([stream], max_bytes, max_line)
    assert found == _received(cut(stream, sizes), max_bytes, max_line)
    kept, rest, is_done, is_refused, smuggles = found
    expected = _definition(stream, max_bytes, max_line)
    assert is_done == (expected is not None)
    assert is_refused or not smuggles
    if expected is not None:
        assert (expected[1], expected[2]) == (rest, is_refused)
        assert is_refused or expected[0] == kept
    if is_done and not is_refused:
        stuffed = b"".join(b"." * line.startswith(b".") + line for line in kept.splitlines(keepends=True))
        assert found == _received([stuffed + b".\r\n" + rest], max_bytes, max_line)


def _received(pieces: list[bytes], max_bytes: int, max_line: int) -> tuple[bytes, bytes, bool, bool, bool]:
    receiver, kept, left = DotReceiver(max_bytes=max_bytes, max_line=max_line), b"", list(pieces)
    while left and not receiver.done:
        kept += receiver.feed(left.pop(0))
    refused = receiver.fault is not None
    rest = receiver.rest + b"".join(left) if receiver.done else b""
    return kept if receiver.done and not refused else b"", rest, receiver.done, refused, receiver.smuggles


def _definition(stream: bytes, max_bytes: int, max_line: int) -> tuple[bytes, bytes, bool] | None:
    """The mail, what follows, and whether it is refused (RFC 5321 §4.5.2); None without an end."""
    lines = stream.split(b"\r\n")
    if b"." not in lines[:-1]:
        return None
    end = lines.index(b".")
    mail = [line.removeprefix(b".") for line in lines[:end]]
    body = b"".join(line + b"\r\n" for line in mail)
    refused = any(sign in line for line in mail for sign in (b"\r", b"\n", b"\0"))
    refused |= len(body) > max_bytes or any(len(line) > max_line for line in mail)
    return body, b"\r\n".join(lines[end + 1 :]), refused


def smtp_bdat(data: bytes) -> None:
    """BDAT counts octets: chunks and pieces change nothing, and only a clean mail is kept whole."""
    choices = Choices(data)
    chunks, sizes = choices.sizes(200), choices.sizes(9)
    stream = choices.content(SHORT)
    found = linear(lambda: _chunked(cut(stream, chunks), [LONG]), len(stream))
    assert found == _chunked(cut(stream, chunks), sizes) == _chunked([stream], [LONG])
    bare = stream.replace(b"\r\n", b"")
    assert (found is None) == any(sign in bare for sign in (b"\r", b"\n", b"\0"))
    assert found in {None, stream}


def _chunked(chunks: list[bytes], sizes: list[int]) -> bytes | None:
    """The mail that the chunks make, each followed by the next command; None for a refused one."""
    receiver, kept, command = BdatReceiver(max_bytes=LONG, max_line=LONG), b"", b"BDAT 5\r\n"
    for at, chunk in enumerate(chunks):
        receiver.begin(len(chunk), last=at == len(chunks) - 1)
        pieces = cut(chunk + command, sizes)
        while not receiver.done:
            kept += receiver.feed(pieces.pop(0))
        assert command == receiver.rest + b"".join(pieces)
    return None if receiver.fault else kept


# The header pass


def header_pass(data: bytes) -> None:
    """Fields keep all bytes, the bound never counts too few, and no control character comes out."""
    mail = Choices(data).content(4 * LONG)
    section = mail[: header_end(mail)]
    headers = linear(lambda: split_headers(mail), len(mail))
    joined = b"".join(field.raw for field in headers.fields)
    assert joined in {section, section + b"\r\n", section.removesuffix(b"\r\n")}
    assert len(headers.fields) <= count_fields(section) + (not section.endswith(b"\r\n"))
    assert headers == split_headers(joined + b"\r\n" if joined else b"")
    assert all(field.name == field.name.lower() and field.name.isascii() for field in headers.fields)
    linear(lambda: (hop_count(headers), own_hop_count(headers, hostname=HOSTNAME)), len(section))
    _check_author(headers)
    _check_row(headers, section)
    _check_results(section)


def _check_author(headers: Headers) -> None:
    author = linear(lambda: from_address(headers), headers.weight)
    if author is not None:
        assert normalise_domain(author.domain) == author.domain
        again = from_address(split_headers(f"From: <{author}>\r\n\r\n".encode()))
        assert again == author


def _check_row(headers: Headers, section: bytes) -> None:
    verdict = verdict_without_checks("example.com", verified=False, detail="")
    values = {"mail_from": "", "peer": None, "sha256": "", "size": 0, "at": NOW}
    mail = linear(lambda: received_mail(headers, verdict, **values), len(section))
    assert mail.summary == summarise(headers, null_sender=True)
    texts = list(_texts(dataclasses.asdict(mail.summary)))
    assert not [text for text in texts if any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in text)]
    "".join(texts).encode()  # no lone surrogates


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _check_results(section: bytes) -> None:
    kept = linear(lambda: _without_forgeries(section, authserv_id=HOSTNAME), len(section))
    results = split_headers(kept).all("authentication-results")
    assert not [field for field in results if claims_to_be(field, HOSTNAME)]
    assert not kept.startswith((b" ", b"\t"))
    assert kept == _without_forgeries(kept, authserv_id=HOSTNAME)


def link_tokens(data: bytes) -> None:
    """A token that is found was seen by the quick look too; pieces change no result of that look."""
    choices = Choices(data)
    sizes = choices.sizes(200)
    mail = choices.content(LONG)
    may_hold = linear(lambda: may_hold_link_tokens(iter([mail])), len(mail))
    assert may_hold_link_tokens(iter([mail[:SHORT]])) == may_hold_link_tokens(iter(cut(mail[:SHORT], sizes)))
    with suppress(UndecodableMail):
        found = linear(lambda: find_link_tokens(iter([mail])), len(mail))
        assert may_hold or not found


# The bounds of JSON


def json_bounds(data: bytes) -> None:
    """A body is refused in a declared way, or has few values; written again it is accepted as the same."""
    body = Choices(data).content(2 * LONG)
    try:
        value = linear(lambda: _parsed(body), len(body))
    except (RequestValidationError, HTTPException):
        return
    assert _count(value) <= 2 * (MAX_COMMAS + 2) + len(body) // 2  # each nested list or object has two brackets
    assert _most_fields(value) <= MAX_FIELDS
    written = json.dumps(value).encode()
    assert written == json.dumps(_parsed(written)).encode()


def _count(value: object) -> int:
    """Values that are no lists and no objects."""
    inner = list(value.values()) if isinstance(value, dict) else value
    return sum(map(_count, inner)) if isinstance(inner, list) else 1


def _most_fields(value: object) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return max([len(value) if isinstance(value, dict) else 0, *map(_most_fields, inner)])


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "smtp_commands": smtp_commands,
    "smtp_data": smtp_data,
    "smtp_bdat": smtp_bdat,
    "header_pass": header_pass,
    "link_tokens": link_tokens,
    "dkim": auth_targets.dkim_signatures,
    "dkim_keys": auth_targets.dkim_keys,
    "spf": auth_targets.spf,
    "dmarc": auth_targets.dmarc,
    "arc": auth_targets.arc,
    "json_bounds": json_bounds,
}
