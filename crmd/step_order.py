"""Which step of a job a call is, and whether the job's program still goes its earlier way. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.errors import FailJob

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class StoredStep:
    """What an earlier attempt has kept.

    Attributes:
        position: In the order of the handler's own task, from 1; None: it ran beside others.
        kind: `step`, `sleep`, `event` or `gather`.
        result: JSON.
        seconds_left: Until it is finished, seen when it was read; None: that is not known, children are at work.
    """

    name: str
    position: int | None
    kind: str
    result: str | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in its program a job is; `stored` is what an earlier attempt did here."""

    name: str
    position: int | None
    kind: str
    stored: StoredStep | None = None


class StepOrder:
    """The steps of one attempt, beside those of earlier ones.

    A step is known by its name, and by its occurrence where the name comes again. Those of the handler's own task have
    an order as well, and a step that is not the one that stood there before is an error: the program was changed, and
    what was done under the old one may be missing or come twice. Steps in tasks of a task group come in any order; they
    are known by their names alone.

    Args:
        stored: What earlier attempts have kept.
    """

    def __init__(self, stored: Sequence[StoredStep]) -> None:
        self._stored = {step.name: step for step in stored}
        self._ahead = sorted((step.position, step.name) for step in stored if step.position is not None)
        self._seen: Counter[str] = Counter()
        self._position = 0

    def reach(self, name: str, kind: str, *, was: str | None = None, is_ordered: bool = True) -> Place:
        """The place of a call.

        Args:
            name: As the program calls it.
            kind: As in `crmd.step.kind`.
            was: The name that an earlier version of the program used.
            is_ordered: Whether it is called from the handler's own task.

        Raises:
            FailJob: Another step stood here, or the name says nothing.
        """
        if not name or len(name) > NAME_MAX or "#" in name:
            raise FailJob(f"{name[:NAME_MAX]!r} is no name for a step: 1 to {NAME_MAX} characters without #.")
        self._seen[name] += 1
        count = self._seen[name]
        if not is_ordered and count > 1:
            raise FailJob(f"Two steps of a task group are called {name!r}; give each a name of its own.")
        stored = self._stored.get(_numbered(name, count))
        if stored is None and was is not None:
            stored = self._stored.get(_numbered(was, count))
        if stored is not None and stored.kind != kind:
            raise _changed(stored, name, kind)
        position = self._pass(stored, name, kind) if is_ordered else None
        if not is_ordered:
            self._meet(stored)
        return Place(_numbered(name, count) if stored is None else stored.name, position, kind, stored)

    def _pass(self, stored: StoredStep | None, name: str, kind: str) -> int:
        """The next position of the handler's own task; what was kept for it must be what is called now."""
        ahead = self._ahead[0] if self._ahead else None
        if ahead is not None and stored is not None and ahead[1] == stored.name:
            self._ahead.pop(0)
            self._position = ahead[0]
            return self._position
        # A step that failed and was caught has kept nothing: there the way to the next one that was kept is open.
        is_kept = stored is not None and stored.position is not None
        if ahead is not None and (is_kept or self._position + 1 >= ahead[0]):
            raise _changed(self._stored[ahead[1]], name, kind)
        self._position += 1
        return self._position

    def _meet(self, stored: StoredStep | None) -> None:
        """A step beside others; one that had a place in the order, before the program was changed, leaves it."""
        if stored is not None and stored.position is not None:
            self._ahead = [one for one in self._ahead if one[1] != stored.name]


def _numbered(name: str, count: int) -> str:
    return name if count == 1 else f"{name}#{count}"


def _changed(before: StoredStep, name: str, kind: str) -> FailJob:
    where = "a step" if before.position is None else f"step {before.position}"
    old = repr(before.name) if before.kind == "step" else f"{before.name!r} ({before.kind})"
    new = repr(name) if kind == "step" else f"{name!r} ({kind})"
    return FailJob(
        f"{where} was {old}, now it is {new}: the steps of a job that has begun keep their names and their order. "
        f"Declare a new name with was={before.name!r}, or retry the job from its beginning."
    )
