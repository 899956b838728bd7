"""The table: with colours on a terminal, as plain text elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.figure import Line, Row

HEADINGS = ("figure", "median", "ratio", "must be", "")
MARKS = {True: "reached", False: "MISSED", None: ""}
COLOURS = {True: "green", False: "bold red", None: ""}


def cells(line: Line) -> tuple[str, str, str, str, str]:
    """What a line says, column by column."""
    row = line.row
    ratio = "" if line.ratio is None else f"{line.ratio:.2f} x"
    return (row.title, f"{line.value:,.{row.digits}f} {row.unit}".strip(), ratio, bar(row), MARKS[line.is_reached])


def bar(row: Row) -> str:
    """What the row has to reach."""
    if row.most is not None:
        return f"{row.most:,.{row.digits}f} {row.unit} at most".replace("  ", " ")
    if row.least is None:
        return ""
    if row.than is None:
        return f"{row.least:,.{row.digits}f} {row.unit}".strip()
    return f"{row.least:.1f} x {'pgbench' if row.than.startswith('baseline') else 'the plain drain'}"


def plain(lines: Sequence[Line]) -> str:
    """As text in columns."""
    every = [HEADINGS, *map(cells, lines)]
    widths = [max(len(one[column]) for one in every) for column in range(len(HEADINGS))]
    return "".join(
        f"{one[0]:{widths[0]}}  {one[1]:>{widths[1]}}  {one[2]:>{widths[2]}}  {one[3]:{widths[3]}}  {one[4]}".rstrip()
        + "\n"
        for one in every
    )


def show(lines: Sequence[Line]) -> None:
    """Print it."""
    if not sys.stdout.isatty():
        sys.stdout.write(plain(lines))
        return
    table = Table(*HEADINGS)
    for column in (1, 2):
        table.columns[column].justify = "right"
    for line in lines:
        *words, mark = cells(line)
        table.add_row(*words, mark, style=None if line.is_reached is not False else COLOURS[False])
    Console().print(table)
