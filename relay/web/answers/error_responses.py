"""Which errors a route or a guard may raise, said where it stands: /openapi.json names their codes."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

Raiser = TypeVar("Raiser", bound=Callable[..., Any])

_MARK: Final = "__raises__"


def raises(*kinds: type[Exception]) -> Callable[[Raiser], Raiser]:
    """Mark a route or a guard with what it may raise beside what every one may."""

    def mark(raiser: Raiser) -> Raiser:
        setattr(raiser, _MARK, kinds)
        return raiser

    return mark


def raised_by(raiser: Callable[..., Any] | None) -> tuple[type[Exception], ...]:
    """What *raiser* was marked with."""
    return getattr(raiser, _MARK, ())
