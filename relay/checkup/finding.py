"""One thing that was looked at: how it is, what was seen, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failing", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing."""

    name: str  # of the thing: a check's, and where there are several of the kind, which one
    state: State
    seen: str
    remedy: str = ""  # what to do; empty where nothing is


def ok(name: str, seen: str) -> Finding:
    """It is as it should be."""
    return Finding(name, "ok", seen)


def warning(name: str, seen: str, remedy: str) -> Finding:
    """Mail comes all the same, for now."""
    return Finding(name, "warning", seen, remedy)


def failing(name: str, seen: str, remedy: str) -> Finding:
    """Mail does not come, or will be lost to somebody."""
    return Finding(name, "failing", seen, remedy)


def skipped(name: str, why: str, remedy: str = "") -> Finding:
    """It was not looked at."""
    return Finding(name, "skipped", why, remedy)
