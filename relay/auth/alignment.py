"""Compare two domain names by their labels, for DMARC alignment.

Pure string functions. Finding the organisational domain needs DNS and is in
relay/auth/dmarc_walk.py (RFC 9989 §4.10.2).
"""


def closeness(one: str, other: str) -> int:
    """Similarity score: number of shared labels from the right; 1000 if equal."""
    if one == other:
        return 1000
    return shared_labels(one, other)


def shared_labels(one: str, other: str) -> int:
    """Number of labels that *one* and *other* share, counted from the right."""
    count = 0
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right or not left:
            break
        count += 1
    return count


def is_within(name: str, domain: str) -> bool:
    """Whether *name* is *domain* or a subdomain of it."""
    return name == domain or name.endswith("." + domain)
