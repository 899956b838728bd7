"""A line in which whoever was served least stands first: stride scheduling, the one rule behind fair turns. Pure.

Each member has a pass: how much it was given, divided by its weight. The smallest pass is next. Who joins begins at the
pass of whoever is next: nobody waits for work that was done before it came, and nobody saves up turns it did not use.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import count

# Members that have left are remembered while they are ahead of the others: leaving and coming back gains nothing.
DEBTS_MAX = 10_000


class FairLine:
    """Members in the order of their turns; those of equal pass in the order in which they got there."""

    __slots__ = ("_debts", "_entries", "_heap", "_ids", "_now")

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, int, str]] = {}
        self._heap: list[tuple[float, int, str]] = []  # an entry that is not its member's present one is stale
        self._ids = count()
        self._debts: dict[str, float] = {}
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def passed(self, name: str) -> float:
        """How much a member was given; who is not there comes last."""
        return self._entries[name][0] if name in self._entries else float("inf")

    def first(self) -> str | None:
        """Who is next; None when nobody is there."""
        heap, entries = self._heap, self._entries
        while heap:
            entry = heap[0]
            name = entry[2]
            if entries.get(name) is entry:
                return name
            heappop(heap)
        return None

    def join(self, name: str) -> None:
        """Add a member, at the pass of whoever is next, or further back if it was ahead when it left."""
        self.place(name, max(self.now(), self._debts.pop(name, 0.0)))

    def leave(self, name: str) -> None:
        """Take a member out."""
        now = self.now()
        passed, *_ = self._entries.pop(name)
        if passed > now:
            if len(self._debts) >= DEBTS_MAX:
                self._debts = {other: debt for other, debt in self._debts.items() if debt > now}
            self._debts[name] = passed

    def place(self, name: str, passed: float) -> None:
        """Say how much a member was given."""
        entry = self._entries[name] = (passed, next(self._ids), name)
        heap = self._heap
        if heap and heap[0][2] == name:  # whoever had the turn goes back at once
            heapreplace(heap, entry)
            return
        heappush(heap, entry)
        if len(heap) > 2 * len(self._entries) + 1000:
            self._heap = list(self._entries.values())
            heapify(self._heap)

    def now(self) -> float:
        """The pass of whoever is next; it never goes back."""
        first = self.first()
        if first is not None:
            self._now = max(self._now, self._entries[first][0])
        return self._now
