"""What the jobs of the soak do: most nothing, some of each other kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from crmd import Enqueued

# Of a hundred jobs in a row.
KINDS = {"retry": 3, "snooze": 3, "progress": 2, "wait": 1, "later": 1}
HUNDRED = 100
ENDS_CANCELLED = frozenset({"wait", "later"})
"""Those that are cancelled: while they run, and before they are due."""

_ORDER = [kind for kind, count in KINDS.items() for _ in range(count)]


def kind_of(number: int) -> str:
    """What the job with this number does; kinds are spread over the hundred."""
    place = number * 37 % HUNDRED
    return _ORDER[place] if place < len(_ORDER) else "nothing"


@dataclass
class Counts:
    """Jobs that were enqueued, by how they have to end.

    Attributes:
        to_cancel: Those of them that are to be cancelled and have not been.
    """

    completed: int = 0
    cancelled: int = 0
    to_cancel: list[UUID] = field(default_factory=list)

    def add(self, kinds: list[str], enqueued: list[Enqueued]) -> None:
        """Note what was enqueued."""
        for kind, one in zip(kinds, enqueued, strict=True):
            if kind in ENDS_CANCELLED:
                self.cancelled += 1
                self.to_cancel.append(one.id)
            else:
                self.completed += 1
