"""How two domains stand to each other, by their labels alone (RFC 9989 §4.10.2 needs DNS for the rest)."""


def closeness(one: str, other: str) -> int:
    """How near two domains are: the labels they share at the right, and far more when they are the same."""
    if one == other:
        return 1000
    return shared_labels(one, other)


def shared_labels(one: str, other: str) -> int:
    """How many labels *one* and *other* have in common, counted from the right."""
    count = 0
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right or not left:
            break
        count += 1
    return count


def is_within(name: str, domain: str) -> bool:
    """Whether *name* is *domain* or below it."""
    return name == domain or name.endswith("." + domain)
