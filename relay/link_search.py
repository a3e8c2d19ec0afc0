"""Find the review and sign-in links in the bytes of a mail that still work: each reader of the mail could use them."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from relay.errors import BadLink
from relay.mail.link_tokens import find_link_tokens, may_hold_link_tokens
from relay.signing.link import ReviewLink, SignInLink, read_link
from relay.threads import by_size

_AT_ONCE: Final = 64 * 1024  # bytes in which tokens are looked for on the event loop; larger mails in a thread
_SEARCHED_AT_ONCE: Final = 4 * 1024  # the same of the search that decodes, which takes many times as long

Link = ReviewLink | SignInLink


async def find_links(
    size: int, chunks: Callable[[], Iterable[bytes]], *, key: bytes, now: datetime
) -> tuple[Link, ...]:
    """The valid links in the *size* bytes that *chunks* returns, in the order of their tokens.

    Raises UndecodableMail for more look-alikes than can be checked.
    """
    if not await by_size(size, lambda: may_hold_link_tokens(chunks()), above=_AT_ONCE):
        return ()
    tokens = await by_size(size, lambda: find_link_tokens(chunks()), above=_SEARCHED_AT_ONCE)
    return tuple(link for token in sorted(tokens) if (link := _valid(token, key=key, now=now)) is not None)


def _valid(token: str, *, key: bytes, now: datetime) -> Link | None:
    try:
        link = read_link(token, key=key)
    except BadLink:
        return None
    return link if link.expires_at > now else None
