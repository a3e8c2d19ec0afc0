"""Declare which errors a route may raise, so that /openapi.json lists their codes."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

Route = TypeVar("Route", bound=Callable[..., Any])

_MARK: Final = "__raises__"


def raises(*kinds: type[Exception]) -> Callable[[Route], Route]:
    """Declare exceptions of a route or dependency, in addition to those of all routes."""

    def mark(route: Route) -> Route:
        setattr(route, _MARK, kinds)
        return route

    return mark


def raised_by(route: Callable[..., Any] | None) -> tuple[type[Exception], ...]:
    """The exceptions declared for *route* by `raises`."""
    return getattr(route, _MARK, ())
