"""Remove quoted history from a reply, leaving the new text.

Removed are quoted lines with the attribution above them, the header block or divider and all below it
where history is not quoted line by line, adverts of mail programs, a signature below "-- "
(RFC 3676 §4.3) and the frame of a PGP signature. Text below or between quoted lines stays, and so
does forwarded mail, which its sender wants read. Each line is classified by its shape, once, so the
cost is linear. Events carry the complete text as well.
"""

from typing import Final

from relay.mail.reply.pgp import without_pgp_frame
from relay.mail.reply.scan import Scan, is_all_new

MAX_SCANNED: Final = 64 * 1024  # characters; history that begins later is not removed


def reply_text(text: str, *, forwarded: bool = False) -> str:
    """*text* without quoted history, adverts and signature; *text* itself if the result would be empty.

    *forwarded*: the subject marks a forward (`relay.mail.reply.forward.is_forward`), so *text* stays
    whole. Line ends are LF.
    """
    if forwarded:
        return text.strip()
    head, rest = text[:MAX_SCANNED], text[MAX_SCANNED:]
    if is_all_new(head):
        return text.strip()
    unframed = without_pgp_frame(head)
    scan = Scan(unframed)
    scan.run(complete=not rest)
    if not scan.removed:
        return (unframed + rest).strip() or text.strip()
    return ("\n".join(scan.kept) + ("" if scan.ended else rest)).strip() or text.strip()
