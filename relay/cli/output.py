"""Output of commands: columns for people by default, JSON with ``--json``.

In JSON an object's id has the name that the API gives it (``message_id``, ``delivery_id``): *renamed*.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from relay.clock import rfc3339

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command the option ``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def plain(value: Any) -> Any:
    """*value* as JSON can hold it: records as objects, times as RFC 3339."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [plain(each) for each in value]


def renamed(record: Any, **names: str) -> dict[str, Any]:
    """A record's fields in their order, some under the API's name: ``renamed(delivery, id="delivery_id")``."""
    return {names.get(name, name): value for name, value in plain(record).items()}


def show(document: Any, *, as_json: bool) -> None:
    """Print one object: a line for each field."""
    flat = plain(document)
    if as_json:
        _print_json(flat)
        return
    width = max(map(len, flat), default=0)
    for name, value in flat.items():
        click.echo(f"{name.ljust(width)}  {_cell(value)}")


def show_all(rows: Sequence[Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Print objects of one kind: a table of *columns*; with --json all their fields, as ``{"items": […]}``."""
    flat = [plain(row) for row in rows]
    if as_json:
        _print_json({"items": flat})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in flat:
        table.add_row(*[_cell(row[column]) for column in columns])
    # A pipe has no width to wrap at: as wide as the values need.
    Console(width=None if sys.stdout.isatty() else 400, highlight=False, markup=False).print(table)


def harmless(text: str) -> str:
    """*text* on one line, without control characters that would move the terminal's cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _print_json(document: Any) -> None:
    import orjson

    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        import orjson

        return orjson.dumps(value).decode()
    return harmless(str(value))
