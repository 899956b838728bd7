"""What commands show: tables on a terminal, tab-separated lines in a pipe, or one JSON document. Chatter goes aside."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CELL_MAX = 500
_STYLES = {
    "completed": "green",
    "active": "green",
    "loaded": "green",
    "alive": "green",
    "ok": "green",
    "processing": "cyan",
    "scheduled": "blue",
    "throttled": "yellow",
    "warning": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "dead": "bold red",
    "broken": "bold red",
    "needs_reauth": "bold red",
}


def output() -> Console:
    """Standard output; it obeys NO_COLOR, FORCE_COLOR, TERM and COLUMNS."""
    return Console(highlight=False, soft_wrap=False)


def aside() -> Console:
    """Standard error, for what is not data."""
    return Console(stderr=True, highlight=False)


def say(sentence: str) -> None:
    """One line of chatter."""
    sys.stderr.write(f"{clean(sentence)}\n")
    sys.stderr.flush()


def emit_json(value: object) -> None:
    """One JSON document."""
    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(f"{data.decode()}\n")


def show_rows(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, is_json: bool, empty: str = "Nothing to show."
) -> None:
    """Show rows as a table.

    Args:
        rows: By column name; JSON shows all of each.
        columns: Names and headings of the columns to show.
        is_json: One document instead.
        empty: Said when there are no rows.
    """
    if is_json:
        emit_json([dict(row) for row in rows])
        return
    if not rows:
        say(empty)
        return
    console = output()
    if console.is_terminal and not console.is_dumb_terminal:
        console.print(_table(rows, columns))
        return
    lines = [list(columns.values()), *([clean(cell(row.get(name), "")) for name in columns] for row in rows)]
    sys.stdout.write("".join("\t".join(line) + "\n" for line in lines))


def show_record(record: Mapping[str, Any], *, is_json: bool) -> None:
    """Show one thing, a line per field."""
    if is_json:
        emit_json(dict(record))
        return
    console = output()
    if not console.is_terminal or console.is_dumb_terminal:
        sys.stdout.write("".join(f"{name}\t{clean(cell(value, ''))}\n" for name, value in record.items()))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name, _styled(cell(value, "-")))
    console.print(table)


def _table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, heading in columns.items():
        table.add_column(heading, overflow="fold", no_wrap=name in {"id", "status"})
    for row in rows:
        table.add_row(*(_styled(_brief(row.get(name))) for name in columns))
    return table


def _brief(value: object) -> str:
    """For people: an instant is shown in their own zone, to the second."""
    return value.astimezone().strftime("%m-%d %H:%M:%S") if isinstance(value, datetime) else cell(value, "-")


def _styled(text: str) -> Text:
    return Text(clean(text), style=_STYLES.get(text, ""))


def cell(value: object, nothing: str) -> str:
    """One value as text."""
    match value:
        case None:
            return nothing
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone().isoformat(sep=" ", timespec="seconds")
        case dict() | list() | tuple():
            return msgspec.json.encode(value, enc_hook=str).decode()
        case _:
            return str(value)


def clean(text: str) -> str:
    """Without what could steer a terminal or break a line: the text may come from anybody's mail."""
    return "".join(sign if sign.isprintable() else " " for sign in text[: CELL_MAX * 8])
