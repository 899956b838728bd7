"""How long it took until all was well again after each kind of fault. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crmd.chaos.history import Struck
from crmd.chaos.plan import WHOLE_KINDS
from crmd.chaos.succession import kind_of, successions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crmd.chaos.history import History

# Behind a fault that concerns everybody, the times of another one say nothing of that one.
CALM_SECONDS = 1.0
# What was not seen to recover in this time recovered from something else.
SEEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """Times of one kind of fault, in seconds.

    Attributes:
        what: Which time was taken.
        count: How many times there are; 0: none was clear of other faults.
        wall_p99: By the clock on the wall, where the others are of the time in which somebody could take over.
    """

    kind: str
    what: str
    count: int
    p50: float = 0.0
    p99: float = 0.0
    most: float = 0.0
    wall_p99: float | None = None


def recoveries(history: History) -> list[Recovery]:
    """A row for each kind that was done."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    starts = sorted(claim.claimed_at for claim in history.claims)
    of_pid: dict[int | None, list[float]] = defaultdict(list)
    for claim in history.claims:
        of_pid[claim.pid].append(claim.claimed_at)
    for struck in history.struck:
        is_one = struck.target >= 0
        if struck.kind in {"kill", "stop", "poison"} or (is_one and struck.pid is None):
            continue
        mine = sorted(of_pid[struck.pid]) if is_one else starts
        what = "its end until that daemon claims" if is_one else "its end until anybody claims"
        found = _next(mine, struck.ended_at)
        clear = (seconds for seconds in found if _is_clear(history, struck, struck.ended_at + seconds))
        times[struck.kind, what] += clear
    summed = [_summed(kind, what, found) for (kind, what), found in sorted(times.items())]
    return sorted([*_summed_up(history), *summed], key=lambda one: (one.kind, one.what))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def _summed(kind: str, what: str, found: list[float]) -> Recovery:
    if not found:
        return Recovery(kind, what, 0)
    return Recovery(kind, what, len(found), percentile(found, 0.5), percentile(found, 0.99), max(found))


def _next(starts: Sequence[float], at: float) -> Iterator[float]:
    place = bisect_right(starts, at)
    if place < len(starts) and starts[place] - at < SEEN_SECONDS:
        yield starts[place] - at


def _is_clear(history: History, since: Struck | float, until: float) -> bool:
    """Whether nothing that concerns everybody was done meanwhile, since an instant or since the end of a fault."""
    at = since.ended_at if isinstance(since, Struck) else since
    return not any(
        other.kind in WHOLE_KINDS and other.began_at < until and other.ended_at + CALM_SECONDS > at
        for other in history.struck
        if other is not since
    )


def _summed_up(history: History) -> Iterator[Recovery]:
    """How long the jobs of daemons that ended waited for another one, as far as one could have come."""
    found = successions(history)
    for kind in {kind_of(death) for death in history.deaths} - {"close"}:
        what = "given back until claimed by another" if kind == "stop" else "death until its jobs are claimed again"
        mine = [one for one in found if one.kind == kind]
        summed = _summed(kind, what, [one.seconds for one in mine])
        yield replace(summed, wall_p99=percentile([one.wall_seconds for one in mine], 0.99)) if mine else summed
