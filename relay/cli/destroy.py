"""Ask before a command destroys rows: with counts first, and never without a terminal unless ``--yes`` is given."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from relay.cli.output import harmless

Command = TypeVar("Command", bound=Callable[..., Any])


def yes_option(command: Command) -> Command:
    """Give a command the option ``--yes``, as the argument ``yes``."""
    return click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")(command)


def confirm(action: str, counts: Mapping[str, int] | None = None, *, yes: bool) -> None:
    """Ask whether to do *action*, such as ``delete bot@agents.example``, telling the counts of what it removes.

    Returns if the operator agrees, or *yes* is set. Raises Abort; UsageError without a terminal to ask on.
    """
    if yes:
        return
    told = ", ".join(f"{count} {name}" for name, count in (counts or {}).items())
    question = harmless(f"{action[:1].upper()}{action[1:]}" + (f": this removes {told}" if told else ""))
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}. There is no terminal to ask on: pass --yes")
    click.confirm(f"{question}. Go on?", abort=True, err=True)
