"""How long it took until all was well again after each kind of fault. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from crmd.chaos.checker import claims_by_job
from crmd.chaos.history import Struck
from crmd.chaos.peace import Peace
from crmd.chaos.plan import WHOLE_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crmd.chaos.history import Claim, Death, History

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
    return sorted([*_successions(history), *summed], key=lambda one: (one.kind, one.what))


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


def _successions(history: History) -> Iterator[Recovery]:
    """How long the jobs of daemons that ended waited for another one, and how much of it one could have come."""
    peace = Peace(history)
    jobs = claims_by_job(history).values()
    waits: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for death in history.deaths:
        if death.cause == "stop":
            waits["stop"] += _handed_over(history, jobs, death)
        elif death.cause != "close":
            waits["kill" if death.cause == "kill" else "poison"] += _taken_over(jobs, death)
    whats = {"stop": "given back until claimed by another"}
    for kind, spans in waits.items():
        told = [span for span in spans if not peace.has_jump(span[0] - history.lease_seconds, span[1])]
        whole = [end - begin for begin, end in told]
        counted = [peace.seconds(peace.since_restart(begin, end), end) for begin, end in told]
        summed = _summed(kind, whats.get(kind, "death until its jobs are claimed again"), counted)
        yield replace(summed, wall_p99=percentile(whole, 0.99)) if whole else summed


def _taken_over(jobs: Iterable[list[Claim]], death: Death) -> Iterator[tuple[float, float]]:
    for claims in jobs:
        for held, later in pairwise(claims):
            if held.pid == death.pid and (held.gone_at is None or held.gone_at > death.at):
                yield death.at, later.claimed_at


def _handed_over(history: History, jobs: Iterable[list[Claim]], death: Death) -> Iterator[tuple[float, float]]:
    """An attempt that is given back keeps its number; a retry or a snooze of its own is none."""
    asked = [one for one in history.struck if one.kind == "stop" and one.pid == death.pid and one.began_at <= death.at]
    if not asked:
        return
    for claims in jobs:
        for held, later in pairwise(claims):
            is_given_back = (held.attempt, held.snooze_count) == (later.attempt, later.snooze_count)
            if held.pid == death.pid and is_given_back and held.gone_at and held.gone_at >= asked[0].began_at:
                yield held.gone_at, later.claimed_at
