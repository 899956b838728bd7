"""When a fleet could work: at least one daemon alive, neither paused nor asked to stop, its link open, the server up.

Only that time counts against a recovery; a slow link, or one that was cut and can be opened anew, is no excuse. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crmd.chaos.history import History
    from crmd.chaos.plan import Kind

Span: TypeAlias = tuple[float, float]

# The server does not answer, or one of its sessions stands still with what it has locked.
AWAY: frozenset[Kind] = frozenset({"database-stop", "database-crash", "freeze"})
RESTARTS: frozenset[Kind] = frozenset({"database-stop", "database-crash"})


class Peace:
    """The time in which somebody could work, of one run.

    Args:
        history: Of which births, deaths and faults count.
    """

    def __init__(self, history: History) -> None:
        away = [(one.began_at, one.ended_at) for one in history.struck if one.kind in AWAY]
        self._spans = _joined(span for life in _lives(history) for span in _without(life, away))
        self._restarts = [one.ended_at for one in history.struck if one.kind in RESTARTS]
        self._jumps = [(one.began_at, one.ended_at) for one in history.struck if one.kind == "clock"]

    def seconds(self, begin: float, end: float) -> float:
        """How much of a time it is."""
        return sum(max(min(end, last) - max(begin, first), 0.0) for first, last in self._spans)

    def since_restart(self, begin: float, end: float) -> float:
        """The last restart of the server in a time, which gives each daemon's lease anew; else its beginning."""
        return max((at for at in self._restarts if begin < at < end), default=begin)

    def has_jump(self, begin: float, end: float) -> bool:
        """Whether the server's clock was turned meanwhile, so that leases lasted longer or shorter."""
        return any(first < end and last > begin for first, last in self._jumps)


def _lives(history: History) -> Iterator[Span]:
    """From the first word of each daemon in the database to its end, without the times in which it could do nothing."""
    ended = {death.pid: death for death in history.deaths}
    hushed: dict[int, list[Span]] = defaultdict(list)
    stopped: dict[int | None, list[Span]] = defaultdict(list)
    for one in history.struck:
        if one.kind == "blackhole":
            hushed[one.target].append((one.began_at, one.ended_at))
        elif one.kind == "suspend":
            stopped[one.pid].append((one.began_at, one.ended_at))
        elif one.kind == "stop":
            stopped[one.pid].append((one.began_at, math.inf))
    for birth in history.births:
        death = ended.get(birth.pid)
        span = (birth.at, math.inf if death is None else death.at)
        yield from _without(span, [*stopped[birth.pid], *([] if death is None else hushed[death.target])])


def _without(span: Span, holes: Iterable[Span]) -> list[Span]:
    """What is left of a time."""
    left = [span]
    for begin, end in holes:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, begin)), (max(first, end), last))
            if part[0] < part[1]
        ]
    return left


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in spans that do not overlap."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
