"""How much each figure is about. `make bench` takes what docs/performance.md tells; a test takes next to nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many jobs, and how long.

    Attributes:
        drained: Jobs of a drain, and of a bulk enqueue.
        backlog: Jobs that wait behind them.
        held: Jobs that are drained while somebody holds a snapshot.
        keyed: Jobs that are drained under limits.
        keys: Keys of theirs.
        singles: Jobs enqueued one at a time.
        starts: Jobs whose way from enqueue to start is timed.
    """

    drained: int = 50_000
    backlog: int = 500_000
    held: int = 200_000
    keyed: int = 100_000
    keys: int = 1000
    singles: int = 20_000
    starts: int = 300
    idle_seconds: float = 30.0
    baseline_seconds: int = 5


def scaled(jobs: int | None) -> Sizes:
    """The usual sizes, or all of them in proportion to a drain of so many jobs."""
    if jobs is None:
        return Sizes()
    usual = Sizes()
    share = jobs / usual.drained
    return Sizes(
        drained=jobs,
        backlog=round(usual.backlog * share),
        held=round(usual.held * share),
        keyed=round(usual.keyed * share),
        keys=max(1, round(usual.keys * share)),
        singles=max(1, round(usual.singles * share)),
        starts=max(10, round(usual.starts * share)),
        idle_seconds=max(1.0, usual.idle_seconds * share),
        baseline_seconds=max(1, round(usual.baseline_seconds * share)),
    )
