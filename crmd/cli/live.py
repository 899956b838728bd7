"""Progress while a command waits: a bar on a terminal, a line every few seconds in a pipe."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from crmd.cli.screen import aside, clean, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAIN_SECONDS = 2.0


class Screen(Protocol):
    """Where progress is shown."""

    def update(self, name: str, state: str, progress: Mapping[str, Any] | None) -> None:
        """Show how far it is."""


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None, state="")

    def update(self, name: str, state: str, progress: Mapping[str, Any] | None) -> None:
        given = progress or {}
        self._bar.update(
            self._task,
            description=clean(name),
            completed=given.get("done", 0),
            total=given.get("total"),
            state=clean(described(state, given)),
        )


class _Lines:
    def __init__(self) -> None:
        self._before = ""
        self._said_at = 0.0

    def update(self, name: str, state: str, progress: Mapping[str, Any] | None) -> None:
        given = progress or {}
        total = given.get("total")
        counted = f" {given['done']}{'' if total is None else f'/{total}'}" if "done" in given else ""
        line = f"{name}: {described(state, given)}{counted}"
        now = time.monotonic()
        if line == self._before or now - self._said_at < PLAIN_SECONDS:
            return
        say(line)
        self._before, self._said_at = line, now


@contextlib.contextmanager
def live() -> Iterator[Screen]:
    """Progress for as long as the block runs."""
    console = aside()
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Bar(bar)


def described(state: str, progress: Mapping[str, Any]) -> str:
    """The state with what became of items, and the job's own note."""
    counts = [f"{progress[name]} {name}" for name in ("succeeded", "blocked", "failed") if progress.get(name)]
    note = [str(progress["note"])] if progress.get("note") else []
    return ", ".join([state, *counts, *note])
