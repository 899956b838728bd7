"""What one daemon counts while it works, in plain numbers: nothing is asked of the database, nothing is locked.

Whoever counts adds to a dict; the names of metrics, and what their labels may be, stand in `crmd.metrics`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ATTEMPT_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0)
WAIT_SECONDS = (0.01, 0.05, 0.2, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
LAG_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
REQUEST_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
HANDLER_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
# So many series of one kind are kept apart; what comes beyond them is counted as one, so that no name from outside can
# fill the memory.
SERIES_MAX = 2000
OTHER = "other"


class Histogram:
    """Values by size.

    Args:
        bounds: The upper bound of each bucket but the last, ascending.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; one out of many may stand for so many of them."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def add_all(self, values: Iterable[float]) -> None:
        """Count many values at once."""
        ordered = sorted(values)
        below = [0, *(bisect_right(ordered, bound) for bound in self.bounds), len(ordered)]
        self.counts = [count + end - start for count, (start, end) in zip(self.counts, pairwise(below), strict=True)]
        self.total += sum(ordered)

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


def _histograms(bounds: Sequence[float]) -> defaultdict[str, Histogram]:
    return defaultdict(lambda: Histogram(bounds))


@dataclass(slots=True)
class Tally:
    """The counts of one daemon since it started. Times are in seconds.

    Attributes:
        attempts: By job type and outcome.
        attempt_seconds: How long attempts took, by job type.
        wait_seconds: From when a job was due to its start, by queue.
        lag_seconds: How much later than asked for the event loop came to its watcher.
        limit_waits: By kind of what was in the way, and whether it was `waited` for or the job was `parked`.
        limit_wait_seconds: Of those that were waited for.
        handler_seconds: Of synchronous event handlers, by name.
        handler_errors: Of synchronous event handlers, by name: vetoes included.
        requests: By method, route and status.
        request_seconds: By route; streams are left out.
    """

    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempt_seconds: defaultdict[str, Histogram] = field(default_factory=lambda: _histograms(ATTEMPT_SECONDS))
    wait_seconds: defaultdict[str, Histogram] = field(default_factory=lambda: _histograms(WAIT_SECONDS))
    lag_seconds: Histogram = field(default_factory=lambda: Histogram(LAG_SECONDS))
    limit_waits: Counter[tuple[str, str]] = field(default_factory=Counter)
    limit_wait_seconds: Histogram = field(default_factory=lambda: Histogram(WAIT_SECONDS))
    handler_seconds: defaultdict[str, Histogram] = field(default_factory=lambda: _histograms(HANDLER_SECONDS))
    handler_errors: Counter[str] = field(default_factory=Counter)
    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    request_seconds: defaultdict[str, Histogram] = field(default_factory=lambda: _histograms(REQUEST_SECONDS))
