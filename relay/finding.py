"""The result of one doctor check: the thing checked, its state, what was seen and how to repair it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failing", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str  # of the thing checked, with its address or domain where there are several
    state: State
    seen: str
    remedy: str = ""  # the next step; empty where none is needed


def ok(name: str, seen: str) -> Finding:
    """The thing works."""
    return Finding(name, "ok", seen)


def warning(name: str, seen: str, remedy: str) -> Finding:
    """Mail still flows, and the operator should act."""
    return Finding(name, "warning", seen, remedy)


def failing(name: str, seen: str, remedy: str) -> Finding:
    """Mail does not flow, or will be lost."""
    return Finding(name, "failing", seen, remedy)


def skipped(name: str, why: str, remedy: str = "") -> Finding:
    """The check was not made."""
    return Finding(name, "skipped", why, remedy)
