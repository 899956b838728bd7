"""A line in which whoever was served least stands first: stride scheduling, the one rule behind fair turns. Pure.

Each member has a pass: how much it was given, divided by its weight. The smallest pass is next. Who joins begins at the
pass of whoever is next: nobody waits for work that was done before it came, and nobody saves up turns it did not use.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

# Members that have left are remembered while they are ahead of the others: leaving and coming back gains nothing.
DEBTS_MAX = 10_000


class FairLine:
    """Members in the order of their turns; those of equal pass in the order in which they got there."""

    __slots__ = ("_debts", "_heap", "_ids", "_now", "_passed")

    def __init__(self) -> None:
        self._passed: dict[str, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, str]] = []  # an entry that is not its member's present one is stale
        self._ids = count()
        self._debts: dict[str, float] = {}
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._passed)

    def __contains__(self, name: str) -> bool:
        return name in self._passed

    def passed(self, name: str) -> float:
        """How much a member was given; who is not there comes last."""
        return self._passed[name][0] if name in self._passed else float("inf")

    def first(self) -> str | None:
        """Who is next; None when nobody is there."""
        heap = self._heap
        while heap and self._passed.get(heap[0][2]) != heap[0][:2]:
            heappop(heap)
        return heap[0][2] if heap else None

    def join(self, name: str) -> None:
        """Add a member, at the pass of whoever is next, or further back if it was ahead when it left."""
        self.place(name, max(self.now(), self._debts.pop(name, 0.0)))

    def leave(self, name: str) -> None:
        """Take a member out."""
        now = self.now()
        passed, _ = self._passed.pop(name)
        if passed > now:
            if len(self._debts) >= DEBTS_MAX:
                self._debts = {other: debt for other, debt in self._debts.items() if debt > now}
            self._debts[name] = passed

    def place(self, name: str, passed: float) -> None:
        """Say how much a member was given."""
        self._passed[name] = (passed, next(self._ids))
        heappush(self._heap, (*self._passed[name], name))
        if len(self._heap) > 2 * len(self._passed) + 1000:
            self._heap = [(*entry, member) for member, entry in self._passed.items()]
            heapify(self._heap)

    def now(self) -> float:
        """The pass of whoever is next; it never goes back."""
        first = self.first()
        if first is not None:
            self._now = max(self._now, self._passed[first][0])
        return self._now
