"""Write the Authentication-Results field, and detect forged ones (RFC 8601).

Untrusted values cannot break the syntax of the field: a value is written as a token or as a
quoted string of printable ASCII, and comments are never written.
"""

import re
from collections.abc import Iterator
from typing import Final

from relay.auth.verdict import DkimResult, Verdict
from relay.mail.envelope import Envelope
from relay.mail.headers import Field
from store.names import normalise_domain

_PLAIN: Final = re.compile(r"[A-Za-z0-9._+-]+(?:@[A-Za-z0-9._-]+)?", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_QUOTED: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_TOKEN: Final = re.compile(r'[^\x00-\x20()<>@,;:\\"/\[\]?=\x7f]++')
_IN_COMMENT: Final = re.compile(r"[^()\\]++|\\.|[()]", re.DOTALL)
_BLANK: Final = re.compile(r"[ \t\r\n]*+")
_VERSION: Final = re.compile(r"[0-9]++", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_MAX_VALUE: Final = 256
_MAX_PIECES: Final = 100  # of comments in front of the authserv-id, or after it


def authentication_results(verdict: Verdict, *, authserv_id: str, envelope: Envelope) -> bytes:
    """The complete field for *verdict*, folded, one line a method, with its CRLF."""
    lines = [f"Authentication-Results: {_value(authserv_id)}"]
    lines.append(_spf(verdict, envelope))
    lines.extend(_dkim(verdict))
    policy = f" policy.dmarc={verdict.dmarc.policy}" if verdict.dmarc.policy else ""
    lines.append(f"dmarc={verdict.dmarc.result}{policy}{_property('header.from', verdict.header_from)}")
    lines.append(f"arc={verdict.arc.result}{_property('policy.arc-sealer', verdict.arc.sealer)}")
    return (";\r\n ".join(lines) + "\r\n").encode("ascii")


def submitted_results(*, authserv_id: str, submitter: str) -> bytes:
    """The field for a message submitted by a local agent (RFC 8601 §2.7.4), with CRLF."""
    return (
        f"Authentication-Results: {_value(authserv_id)};\r\n auth=pass{_property('smtp.auth', submitter)}\r\n".encode(
            "ascii"
        )
    )


def claims_to_be(field: Field, authserv_id: str) -> bool:
    """Whether the Authentication-Results *field* claims *authserv_id*.

    Also true if the field cannot be parsed. Such a field is forged and must be removed from
    incoming mail (RFC 8601 §5). A field that begins with a result, as Microsoft 365 writes it, names no server.
    """
    text = field.value.decode("utf-8", "replace")
    start = _skip(text, 0)
    found = None if start is None else (_QUOTED.match(text, start) or _TOKEN.match(text, start))
    if found is None:
        return True
    name = found[0] if found.re is _TOKEN else _ESCAPED.sub(r"\1", found[1])
    if _folded(name) == _folded(authserv_id):
        return True
    behind = _skip(text, found.end())
    if behind is not None and text[behind : behind + 1] == "=":
        return False
    return behind is None or not _ends_well(text, behind)


def _ends_well(text: str, position: int) -> bool:
    """Whether a version, a semicolon or the end follows the authserv-id."""
    digits = _VERSION.match(text, position)
    behind = _skip(text, digits.end()) if digits else position
    return behind is not None and text[behind : behind + 1] in ("", ";")


def _skip(text: str, position: int) -> int | None:
    """Position after the blanks and comments at *position*; None for an open comment, or too many."""
    depth = 0
    for _ in range(_MAX_PIECES):
        if depth == 0:
            position = _BLANK.match(text, position).end()  # type: ignore[union-attr]
            if text[position : position + 1] != "(":
                return position
        found = _IN_COMMENT.match(text, position)
        if found is None:
            return None
        position = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
    return None


def _folded(name: str) -> str:
    try:
        return normalise_domain(name) if len(name) <= _MAX_VALUE else name.casefold()
    except ValueError:
        return name.strip().rstrip(".").casefold()


def _spf(verdict: Verdict, envelope: Envelope) -> str:
    if envelope.mail_from is None:
        return f"spf={verdict.spf.result}{_property('smtp.helo', verdict.spf.domain)}"
    written = str(envelope.mail_from)
    sender = written if _PLAIN.fullmatch(written) else verdict.spf.domain
    return f"spf={verdict.spf.result}{_property('smtp.mailfrom', sender)}"


def _dkim(verdict: Verdict) -> Iterator[str]:
    if not verdict.dkim:
        yield "dkim=none"
    for one in verdict.dkim:
        yield f"dkim={one.result}{_properties(one)}"


def _properties(one: DkimResult) -> str:
    pairs = (("header.d", one.domain), ("header.s", one.selector), ("header.a", one.algorithm))
    return "".join(_property(name, value) for name, value in pairs)


def _property(name: str, value: str | None) -> str:
    return f" {name}={_value(value)}" if value else ""


def _value(text: str) -> str:
    if len(text) <= _MAX_VALUE and _PLAIN.fullmatch(text):
        return text
    clean = _UNPRINTABLE.sub("?", text[:_MAX_VALUE])
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
