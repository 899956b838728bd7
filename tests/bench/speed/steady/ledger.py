"""The jobs' own account of when they began, kept in a file: it knows what ran again, whatever the database says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speed.plugin import LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What ran when its daemon was killed had begun, and was not settled yet.
UNSETTLED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a job."""

    pid: int
    at: float


def count_starts(path: Path) -> int:
    """How many there are."""
    return path.stat().st_size // LINE_BYTES if path.exists() else 0


def read_starts(path: Path) -> dict[int, list[Start]]:
    """The starts of each job, in their order."""
    starts: defaultdict[int, list[Start]] = defaultdict(list)
    for line in path.read_text().splitlines():
        number, pid, at = line.split()
        starts[int(number)].append(Start(int(pid), float(at)))
    return dict(starts)


def without_excuse(starts: Mapping[int, list[Start]], killed: Mapping[int, float]) -> list[int]:
    """Jobs that ran again although their daemon was not killed while they ran.

    Args:
        starts: Of each job.
        killed: When which process was killed, by the clock of the starts.
    """
    return [number for number, of_job in starts.items() if not all(_is_excused(one, killed) for one in of_job[:-1])]


def _is_excused(start: Start, killed: Mapping[int, float]) -> bool:
    at = killed.get(start.pid)
    return at is not None and at - UNSETTLED_SECONDS <= start.at <= at
