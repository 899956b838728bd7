"""Who watches which jobs, and how many streams everybody has."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from crmd.api.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from crmd.api.live.event import Event
    from crmd.api.live.stream import Stream


class Audience:
    """The open streams of this daemon."""

    def __init__(self) -> None:
        self._of_all: set[Stream] = set()
        self._of_workspace: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._of_job: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._watched: Counter[UUID] = Counter()
        self._seats: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Stream]:
        """All streams."""
        return chain(self._of_all, *self._of_workspace.values(), *self._of_job.values())

    def __len__(self) -> int:
        """How many streams are open or being opened."""
        return self._seats.total()

    @property
    def is_empty(self) -> bool:
        """Whether nobody watches."""
        return not self._of_all and not self._watched

    @property
    def workspaces(self) -> list[UUID] | None:
        """Whose jobs are watched; None: everybody's."""
        return None if self._of_all else list(self._watched)

    def watches(self, workspace_id: UUID | None) -> bool:
        """Whether anybody may be interested in a job of this workspace."""
        return bool(self._of_all) or workspace_id in self._watched

    def seat(self, name: str, per_key_max: int, all_max: int) -> None:
        """Take a seat for one more stream of this caller.

        Raises:
            Problem: 429: none is left.
        """
        if self._seats[name] >= per_key_max:
            raise _full(f"One key or user may have {per_key_max} streams open at a time.")
        if len(self) >= all_max:
            raise _full("This daemon has as many streams open as it may.")
        self._seats[name] += 1

    def leave(self, name: str) -> None:
        """Give a seat back."""
        self._seats[name] -= 1
        if not self._seats[name]:
            del self._seats[name]

    def add(self, stream: Stream) -> None:
        """Tell this stream, too."""
        self._room_of(stream).add(stream)
        if stream.wish.workspace_id is not None:
            self._watched[stream.wish.workspace_id] += 1

    def remove(self, stream: Stream) -> None:
        """Tell it no more."""
        self._room_of(stream).discard(stream)
        workspace_id, job_id = stream.wish.workspace_id, stream.wish.job_id
        if workspace_id is None:
            return
        self._watched[workspace_id] -= 1
        if not self._watched[workspace_id]:
            del self._watched[workspace_id]
        for rooms, key in ((self._of_job, job_id), (self._of_workspace, workspace_id)):
            if key is not None and not rooms.get(key):
                rooms.pop(key, None)

    def of(self, event: Event) -> Iterator[Stream]:
        """Who is to be told of an event: only those that look at the workspace of its job."""
        yield from self._of_all
        if event.workspace_id is None:
            return
        yield from self._of_workspace.get(event.workspace_id, ())
        for stream in self._of_job.get(event.job_id, ()):
            if stream.wish.workspace_id == event.workspace_id:
                yield stream

    def _room_of(self, stream: Stream) -> set[Stream]:
        wish = stream.wish
        if wish.workspace_id is None:
            return self._of_all
        return self._of_workspace[wish.workspace_id] if wish.job_id is None else self._of_job[wish.job_id]


def _full(detail: str) -> Problem:
    return Problem(429, "too-many", detail, hint="Close one, or try again later.", headers={"Retry-After": "15"})
