"""Output of commands: columns for people by default, JSON with ``--json``.

In JSON an object's id has the name that the API gives it (``message_id``, ``delivery_id``): *renamed*.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from relay.clock import rfc3339

if TYPE_CHECKING:
    from store.records.outbound import OutboundSummary

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


def outbound_rows(messages: "Sequence[OutboundSummary]", *, as_json: bool) -> list[dict[str, Any]]:
    """Outbound messages as the API lists them, or their fields for a table, which needs no parser."""
    if not as_json:
        return [renamed(each, id="message_id") for each in messages]
    from relay.events.outbound import outbound_item

    return [outbound_item(each) for each in messages]


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
    cells = [list(columns), *([_cell(row[column]) for column in columns] for row in flat)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        padded = [text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]
        click.echo(click.style("  ".join(padded).rstrip(), bold=number == 0 or None))


def harmless(text: str) -> str:
    """*text* on one line, without control characters that would move the terminal's cursor."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _width(text: str) -> int:
    """The columns that *text* takes in a terminal: two for a wide character, none for a combining one."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


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

        return harmless(orjson.dumps(value).decode())
    return harmless(str(value))
