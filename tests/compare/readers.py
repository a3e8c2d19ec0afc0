"""What each reader makes of a mail: one dict with the same members for all.

Members: subject, from, to, cc, reply_to (addresses), date (seconds), message_id, in_reply_to, references (without
angle brackets), text (its words), html (whether there is one), attachments (name, type, SHA-256).
"""

import email.policy
import html
import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from relay.mail.headers import split_headers
from relay.mail.parse import parse
from relay.mail.summary import summarise

FIELDS = (
    "subject", "from", "to", "cc", "reply_to", "date", "message_id", "in_reply_to", "references", "text", "html",
    "attachments",
)  # fmt: skip
_WORD = re.compile(r"(?:[^\W_]|\ufffd)+")
_TAG = re.compile(r"<[^>]*>")
_UNREAD = re.compile(r"<(style|script|title)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_HERE = Path(__file__).parent


def by_mailseal(raw: bytes) -> dict:
    """Our own view."""
    summary, parsed = summarise(split_headers(raw)), parse(raw)
    return even(
        {
            "subject": summary.subject,
            "from": [summary.from_.address] if summary.from_ else [],
            **{name: [each.address for each in getattr(summary, name)] for name in ("to", "cc", "reply_to")},
            "date": summary.date.timestamp() if summary.date else None,
            "message_id": summary.email_message_id,
            "in_reply_to": summary.in_reply_to,
            "references": summary.references,
            "text": parsed.text,
            "html": parsed.html is not None,
            "attachments": [(each.filename, each.content_type, each.sha256) for each in parsed.attachments],
        }
    )


def by_email(raw: bytes) -> dict:
    """The view of Python's own package; a member that it raises an error for is the error's name."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    readers = {
        "subject": lambda: str(mail["subject"] or ""),
        **{name: _addresses_of(mail, name) for name in ("from", "to", "cc", "reply_to")},
        "date": lambda: mail["date"].datetime.timestamp() if mail["date"] and mail["date"].datetime else None,
        "message_id": lambda: mail["message-id"],
        "in_reply_to": lambda: mail["in-reply-to"],
        "references": (mail["references"] or "").split,
        "text": lambda: _body_of(mail),
        "html": lambda: mail.get_body(("html",)) is not None,
        "attachments": lambda: [
            (part.get_filename(), part.get_content_type(), sha256(part.get_payload(decode=True) or b"").hexdigest())
            for part in mail.walk()
            if not part.is_multipart() and (part.get_filename() or part.get_content_maintype() != "text")
        ],
    }
    found = {}
    for name, read in readers.items():
        try:
            found[name] = read()
        except Exception as error:  # noqa: BLE001 - the error is the result
            found[name] = f"error: {type(error).__name__}"
    return even(found)


def _addresses_of(mail: email.message.EmailMessage, name: str):
    return lambda: [each.addr_spec for field in mail.get_all(name.replace("_", "-"), []) for each in field.addresses]


def _body_of(mail: email.message.EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    if body is None:
        return ""
    content = body.get_content()
    return _page_words(content) if body.get_content_subtype() == "html" else content


def by_node(folder: Path, packages: Path) -> Iterator[tuple[str, dict[str, dict]]]:
    """For each mail in *folder* its name, and the views of mailparser and postal-mime."""
    command = ["node", str(_HERE / "peers.mjs"), str(folder)]
    environment = {**os.environ, "NODE_PACKAGES": str(packages.resolve())}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    for line in done.stdout.splitlines():
        found = json.loads(line)
        yield found.pop("name"), {name: even(_timed(view)) for name, view in found.items()}


def _timed(view: dict) -> dict:
    try:
        date = datetime.fromisoformat(view["date"]).timestamp() if view.get("date") else None
    except ValueError:  # postal-mime gives a date that it cannot read as it is written
        date = None
    text = view.get("text", "")
    return {**view, "date": date, "text": text if text.strip() else _page_words(view.get("html", ""))}


def _page_words(page: str) -> str:
    """The words of *page*, for a reader that gives no text of a mail without a plain part."""
    return html.unescape(_TAG.sub(" ", _UNREAD.sub(" ", page)))


def even(view: dict) -> dict:
    """*view* with differences taken out that no reader of the mail would tell."""
    if "error" in view:
        return dict.fromkeys(FIELDS, f"error: {view['error']}")
    return even_members({name: view[name] for name in FIELDS})


def even_members(view: dict) -> dict:
    """The members that *view* has, evened out."""
    return {name: value if failed(value) else _EVEN[name](value) for name, value in view.items()}


def failed(value) -> bool:
    """Whether a reader gave no value but an error."""
    return isinstance(value, str) and value.startswith("error: ")


def _line(value: str) -> str:
    return " ".join(value.split())


def _addresses(value) -> list[str]:
    return [each.lower() for each in value if each]


def _id(value: str | None) -> str | None:
    return (value or "").strip("<> \t\r\n") or None


def words_of(text: str) -> list[str]:
    """The words of *text*; an octet that could not be read (U+FFFD) is part of one."""
    return _WORD.findall(text)


def _files(value) -> list[tuple]:
    return [(name and _line(name), (kind or "").lower(), digest) for name, kind, digest in value]


_EVEN = {
    "subject": _line,
    **dict.fromkeys(("from", "to", "cc", "reply_to"), _addresses),
    "date": lambda value: value and round(value),
    **dict.fromkeys(("message_id", "in_reply_to"), _id),
    "references": lambda value: [found for each in value if (found := _id(each))],
    "text": words_of,
    "html": bool,
    "attachments": lambda value: sorted(_files(value), key=repr),
}
