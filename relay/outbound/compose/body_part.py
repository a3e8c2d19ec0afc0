"""Encode texts and files as MIME parts in seven bits (RFC 2045, RFC 2046)."""

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from typing import Final

from relay.errors import BadDraft
from relay.outbound.compose.header_line import MAX_LINE, with_parameters
from store.names import is_text
from store.outbound.outbound import MAX_NAME
from store.records.outbound import Draft, OutboundAttachment

Part = tuple[bytes, bytes]  # its MIME fields, and its body without a final CRLF

ANY_TYPE: Final = "application/octet-stream"
_TOKEN: Final = r"[A-Za-z0-9!#$&^_.+-]{1,127}"  # noqa: S105 (RFC 6838 §4.2's restricted name, no secret)
_TYPE: Final = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER: Final = re.compile(rf'; *({_TOKEN})=(?:({_TOKEN})|"([^"\\]*)")')
_OWN: Final = frozenset({"boundary", "name"})  # parameters that this module writes
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_PRINTED: Final = bytes(range(32, 127)) + b"\r\n\t"


def body_of(draft: Draft, boundary: str) -> Part:
    """The text of *draft*, its HTML, or both as alternatives. Raises BadDraft."""
    texts = [_text("text", "plain", draft.text)] if draft.text or not draft.html else []
    if draft.html:
        texts.append(_text("html", "html", draft.html))
    return texts[0] if len(texts) == 1 else multipart("alternative", texts, boundary)


def file_part(file: OutboundAttachment, index: int) -> Part:
    """Encode an attachment. Raises BadDraft with the index."""
    kind, parameters = _content_type(file.content_type, index)
    name = file.filename
    if not is_text(name, most=MAX_NAME) or not name.strip():
        raise BadDraft(f"a file's name has 1 to {MAX_NAME} printable characters", field="attachments", index=index)
    # A message/rfc822 part must not be encoded (RFC 2046 §5.2.1): one that is not in seven bits goes as a plain file.
    bare = kind == "message/rfc822" and is_seven_bit(file.content)
    if kind.startswith("message/") and not bare:
        kind, parameters = ANY_TYPE, []
    fields = with_parameters("Content-Type", kind, parameters)
    fields += with_parameters("Content-Disposition", "attachment", [("filename", name)])
    if bare:
        return fields + b"Content-Transfer-Encoding: 7bit\r\n", file.content.removesuffix(b"\r\n")
    return fields + b"Content-Transfer-Encoding: base64\r\n", _base64(file.content)


def multipart(subtype: str, parts: Sequence[Part], boundary: str) -> Part:
    """Join *parts* into a multipart. *boundary* must not occur in them: see boundary_for."""
    opening = b"--" + boundary.encode("ascii")
    body = b"".join(opening + b"\r\n" + fields + b"\r\n" + content + b"\r\n" for fields, content in parts)
    return with_parameters("Content-Type", f"multipart/{subtype}", [("boundary", boundary)]), body + opening + b"--"


def boundary_for(seed: str, files: Sequence[OutboundAttachment]) -> str:
    """Make a boundary of *seed* that occurs in no part.

    ``=_`` occurs in neither base64 nor quoted-printable, so only messages sent unencoded are searched.
    """
    bare = [file.content for file in files if file.content_type.lower().startswith("message/")]
    number = 0
    while any(f"=_{seed}_{number}".encode("ascii") in content for content in bare):
        number += 1
    return f"=_{seed}_{number}"


def attachable_type(content_type: str) -> str:
    """*content_type*, from untrusted input, where an attachment may have it; otherwise the generic type."""
    main = content_type.lower()
    known = _TYPE.fullmatch(main) and not main.startswith(("multipart/", "message/"))
    return main if known or main == "message/rfc822" else ANY_TYPE


def is_seven_bit(content: bytes) -> bool:
    """Whether *content* needs no encoding: ASCII without NUL, CRLF line ends only, lines of at most 998 octets."""
    if not content.isascii() or b"\0" in content or content.count(b"\r") != content.count(b"\r\n"):
        return False
    lines = content.split(b"\r\n")
    return not any(b"\n" in line or len(line) > MAX_LINE for line in lines)


def _text(field: str, subtype: str, text: str | None) -> Part:
    try:
        octets = _LINE_END.sub("\r\n", text or "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadDraft(f"{field}: half a surrogate pair is no character", field=field) from error
    if b"\0" in octets:
        raise BadDraft(f"{field}: no NUL", field=field)
    encoding, body = _encoded(octets)
    fields = with_parameters("Content-Type", f"text/{subtype}", [("charset", "utf-8")])
    return fields + f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii"), body


def _encoded(octets: bytes) -> tuple[str, bytes]:
    """Quoted-printable where most octets are printable, else base64."""
    if 6 * len(octets.translate(None, _PRINTED)) > len(octets):
        return "base64", _base64(octets)
    # The final line end tells b2a_qp to write its own in CRLF too.
    return "quoted-printable", b2a_qp(octets + b"\r\n", istext=True).removesuffix(b"\r\n")


def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


def _content_type(written: str, index: int) -> tuple[str, list[tuple[str, str]]]:
    """Type and parameters; a composite that a file cannot be is refused (RFC 2046 §5)."""
    found = _TYPE.match(written)
    kind = found[0].lower() if found else ""
    rest = written[len(kind) :]
    parameters = [(key.lower(), token or quoted) for key, token, quoted in _PARAMETER.findall(rest)]
    printable = written.isascii() and written.isprintable() and len(written) <= MAX_NAME
    if not found or not printable or _PARAMETER.sub("", rest).strip(" ") or kind.startswith("multipart/"):
        raise BadDraft("not a file's type (type/subtype)", field="attachments", index=index)
    if kind.startswith("message/") and kind != "message/rfc822":
        raise BadDraft(f"a file does not go as {kind}", field="attachments", index=index)
    return kind, [(key, text) for key, text in parameters if key not in _OWN]
