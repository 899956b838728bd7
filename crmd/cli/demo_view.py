"""What the demo shows: a table that grows on a terminal, lines in a pipe, and a summary at the end."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.live import Live
from rich.table import Table
from rich.text import Text

from crmd.cli.screen import aside, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the demo has come.

    Args:
        seconds: Since the sync began.
        expected: Messages in the mailbox.
        crm: A row of demo_counts.sql.
        jobs: A row of demo_jobs.sql.
        troubles: What the provider did wrong, by kind.
    """

    seconds: float
    expected: int
    crm: Mapping[str, int]
    jobs: Mapping[str, int]
    troubles: Mapping[str, int]

    @property
    def is_over(self) -> bool:
        """Whether nothing waits or runs any more, once there has been anything."""
        work = self.jobs["waiting"] + self.jobs["running"] + self.jobs["syncs"]
        return work == 0 and self.jobs["completed"] + self.jobs["failed"] > 0

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs["completed"] / max(self.seconds, 0.1)


class View(Protocol):
    """Where the demo is shown."""

    def show(self, standing: Standing) -> None:
        """Show how far it has come."""


class _Growing:
    def __init__(self, screen: Live) -> None:
        self._screen = screen

    def show(self, standing: Standing) -> None:
        self._screen.update(_table(standing))


class _Lines:
    def __init__(self) -> None:
        self._said_at = 0.0

    def show(self, standing: Standing) -> None:
        now = time.monotonic()
        if now - self._said_at < PLAIN_SECONDS and not standing.is_over:
            return
        self._said_at = now
        say(", ".join(f"{value} {name}" for name, value in lines(standing)))


@contextlib.contextmanager
def view() -> Iterator[View]:
    """The view for this terminal or pipe."""
    console = aside()
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines()
        return
    with Live(console=console, refresh_per_second=8) as screen:
        yield _Growing(screen)


def lines(standing: Standing) -> list[tuple[str, str]]:
    """The figures, with their names."""
    crm, jobs = standing.crm, standing.jobs
    troubles = ", ".join(f"{count} {kind}" for kind, count in standing.troubles.items())
    return [
        ("messages", f"{crm['messages']}/{standing.expected}"),
        ("threads", str(crm["threads"])),
        ("people", str(crm["contacts"])),
        ("companies", str(crm["companies"])),
        ("bounces", str(crm["bounces"])),
        ("jobs waiting", str(jobs["waiting"])),
        ("running", str(jobs["running"])),
        ("done", f"{jobs['completed']}"),
        ("failed", str(jobs["failed"])),
        ("retried", str(jobs["retried"])),
        ("jobs a second", f"{standing.rate:.0f}"),
        ("answers of the provider", troubles),
    ]


def _table(standing: Standing) -> Table:
    table = Table(box=None, show_header=False, title=f"crmd demo, {standing.seconds:.0f} s", title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in lines(standing):
        table.add_row(name, Text(value))
    return table
