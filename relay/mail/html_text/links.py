"""Targets of links: as URL, as host, and whether their words name another host."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, unquote, urljoin

from relay.mail.html_text.html_text import PageLink
from store.names import normalise_domain

MAX_LINKS: Final = 100
MAX_URL: Final = 4096
MAX_WORDS: Final = 300
_LONGEST_KNOWN: Final = 300  # characters of an authority whose host is remembered

_DROPPED: Final = re.compile(r"[\t\r\n]+")
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}):")
# Targets within the page or the message, or that run instead of leading somewhere.
_NOT_FOLLOWED: Final = frozenset({"javascript", "vbscript", "data", "cid", "mid", "about", "blob", "file"})
_AUTHORITY: Final = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{2,}([^/\\?#]*)", re.IGNORECASE)
_PLAIN_URL: Final = re.compile(r"https?://[!-.0-;=?-\[\]-~][!-;=?-~]*")  # nothing to mend
_SPECIAL: Final = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_NAME: Final = r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}"
_CLAIM: Final = re.compile(rf"(?<![\w@./-])(?:https?://|www\.)(?:[^\s/@]{{1,100}}@)?({_NAME})", re.IGNORECASE)
_BARE: Final = re.compile(rf"({_NAME})\.?(?::\d+)?(?:/\S*)?", re.IGNORECASE)
_TOP: Final = re.compile(r"\.(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})$", re.IGNORECASE)
_ADDRESS: Final = re.compile(rf"[^\s@<>]{{1,64}}@({_NAME})")
# Names of files that end like a domain's.
# Browsers read these between the labels of a host as dots (UTS #46 §4); in Chinese and Japanese they end sentences.
_DOTS: Final = re.compile("(?<=[0-9A-Za-z])[\u3002\uff0e\uff61](?=[0-9A-Za-z])")
_FILES: Final = re.compile(
    r"avi|bat|csv|docx?|exe|gif|gz|html?|ics|jpe?g|js|json|log|md|mov|mp[34]|odt|pdf|php|pl|png|pps|pptx?|ps|psd|py|rs"
    r"|rtf|sh|svg|tar|txt|xlsx?|xml|yml|zip",
    re.IGNORECASE,
)
_LEFT_OUT: Final = 40  # characters that a shown URL lacks: schemes, "www.", signs around it
_UNWRAPPED: Final = re.compile(r"__(https?:/{1,2}[^/?#]+)", re.IGNORECASE)


def target(href: str, base: str = "") -> str | None:
    """The absolute URL of *href*; None for one that leads nowhere from a message."""
    if _PLAIN_URL.fullmatch(href):
        return href[:MAX_URL]
    url = _DROPPED.sub("", href).strip(" \f")
    scheme = _SCHEME.match(url)
    if scheme is None:
        if url.startswith("//"):
            url = "https:" + url
        elif url.lower().startswith("www."):
            url = "http://" + url
        elif base and url and not url.startswith("#"):
            url = _joined(base, url)
        else:
            return None
    elif scheme[1].lower() in _NOT_FOLLOWED:
        return None
    if _SPECIAL.match(url):
        url = _SPECIAL.sub(lambda found: found[0].rstrip("/\\").lower() + "//", url, count=1)
    return url[:MAX_URL].replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")


def _joined(base: str, url: str) -> str:
    try:
        return urljoin(base, url)
    except ValueError:  # urllib takes brackets of a host for IPv6
        return url


def host(url: str) -> str:
    """The host that *url* leads to, as lower-case A-labels; of mailto the address's domain; else empty."""
    if url[:7].lower() == "mailto:":
        return _labels(unquote(url[7:].partition("?")[0].partition(",")[0]).rpartition("@")[2])
    authority = _AUTHORITY.match(url)
    if authority is None:
        return ""
    return (_known_host if len(authority[1]) < _LONGEST_KNOWN else _host_of)(authority[1])


def _host_of(authority: str) -> str:
    name = unquote(authority.rpartition("@")[2])
    if name.startswith("["):
        return name.partition("]")[0].lower() + "]"
    return _labels(name.partition(":")[0])


# Links of a page, and of pages of one sender, have few hosts.
_known_host: Final = lru_cache(maxsize=256)(_host_of)


def make_link(url: str, words: str) -> PageLink:
    """The link to *url* with *words*."""
    name = host(url)
    return PageLink(url=url, text=words[:MAX_WORDS], host=name, misleading=bool(name) and _misleads(url, name, words))


def shows(words: str, url: str) -> bool:
    """Whether *words* hold the target already: the URL, the address, or the digits of a telephone."""
    if url[:4].lower() == "tel:":
        number = _digits(url)
        return bool(number) and number.lstrip("0") in _digits(words)
    if _is_too_short(words, url):
        return False
    bare = _bare(url)
    return bool(bare) and (_bare(words) == bare or (len(bare) > 8 and _holds(words, url)))


def _is_too_short(words: str, url: str) -> bool:
    """Whether *words* can be neither *url* nor hold it; cheap. Where nothing is escaped lengths tell."""
    if len(words) + _LEFT_OUT >= len(url) or "%" in url or url[-1] == "/":
        return False
    return url.isascii() and words.isascii() and url.isprintable()


def _holds(words: str, url: str) -> bool:
    found = words.find(url)
    return found >= 0 and not words[found + len(url) : found + len(url) + 1].strip(" .,;:!?)>\"'")


def _bare(url: str) -> str:
    bare = unquote(url.strip().strip("<>").rstrip("/"))
    for start in ("mailto:", "https://", "http://"):
        if bare[: len(start)].lower() == start:
            bare = bare[len(start) :]
    return bare[4:].casefold() if bare[:4].lower() == "www." else bare.casefold()


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isdigit())


def _labels(name: str) -> str:
    name = name.strip().rstrip(".").lower()[:253]
    try:
        return normalise_domain(name) if name else ""
    except ValueError:
        return name


def _misleads(url: str, name: str, words: str) -> bool:
    """Whether *words* name a host that is neither the target's nor the one a scanner's link wraps."""
    if not words.isascii():
        words = _DOTS.sub(".", words[:1000])
    if "." not in words:
        return False
    if url[:7].lower() == "mailto:":
        claims = [found[1] for found in _ADDRESS.finditer(words[:1000])]
    else:
        claims = list(_claims(words[:1000]))
    if not claims:
        return False
    real = {name, *_wrapped(url, name)}
    return any(all(not _related(_labels(claim), known) for known in real) for claim in claims)


def _claims(words: str) -> Iterator[str]:
    """Hosts that *words* name: of URLs, of `www.` names, and a name that is all the words."""
    named = [found[1] for found in _CLAIM.finditer(words) if _TOP.search(found[1])]
    yield from named
    whole = None if named else _BARE.fullmatch(words.strip().strip("<>"))
    if whole and _TOP.search(whole[1]) and not _FILES.fullmatch(whole[1].rpartition(".")[2]):
        yield whole[1]


def _related(one: str, other: str) -> bool:
    """Whether one host is the other, or a name within it; `www.` does not count."""
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def _wrapped(url: str, name: str) -> Iterator[str]:
    """The host within a link that a mail scanner of Microsoft or Proofpoint rewrote."""
    query = url.partition("?")[2]
    if name.endswith(".safelinks.protection.outlook.com"):
        yield from (host(value) for value in _query(query, "url"))
    elif name in ("urldefense.com", "urldefense.proofpoint.com"):
        if found := _UNWRAPPED.search(url):
            yield host(found[1].replace(":/", "://", 1).replace(":///", "://"))
        for value in _query(query, "u"):
            yield host(unquote(value.replace("-", "%").replace("_", "/")))


def _query(query: str, name: str) -> list[str]:
    try:
        return parse_qs(query, max_num_fields=50).get(name, [])
    except ValueError:  # more fields than that
        return []
