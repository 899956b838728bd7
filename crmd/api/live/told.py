"""What watchers were told of each job, so that nothing is told twice, and who is looked for when it is not found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.api.live.event import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any
    from uuid import UUID

# A job is told of at most ten times a second.
PAUSE_SECONDS = 0.1
# An ended job may be found again for so long by looks that overlap.
KEPT_SECONDS = 120.0


@dataclass(slots=True)
class Word:
    """The last that was told of a job.

    Attributes:
        workspace_id: Of the job.
        version: Of its row; -1: a new stream has begun with it, and nothing was told since.
        status: That was told.
        told_at: On the monotonic clock.
    """

    workspace_id: UUID | None
    version: int
    status: str
    told_at: float

    @property
    def is_unfinished(self) -> bool:
        """Whether something is still to come."""
        return self.status not in ENDED


class Told:
    """The last word of each job that anybody watches."""

    def __init__(self) -> None:
        self._words: dict[UUID, Word] = {}

    def get(self, job_id: UUID) -> Word | None:
        """The last word of a job."""
        return self._words.get(job_id)

    def begin(self, unfinished: Mapping[UUID, UUID | None]) -> None:
        """A new stream has begun with these jobs, by workspace; who watched before was not told, so they stay news."""
        for job_id, workspace_id in unfinished.items():
            self._words.setdefault(job_id, Word(workspace_id, -1, "pending", 0.0))

    def is_news(self, job_id: UUID, version: int) -> bool:
        """Whether a row of this version may not have been told; a job that falls due changes without a new version."""
        word = self._words.get(job_id)
        return word is None or word.version != version or word.status == "scheduled"

    def note(self, row: Mapping[str, Any], now: float) -> bool:
        """Note what is told; False: it was told already."""
        word = self._words.get(row["id"])
        if word is not None and (word.version, word.status) == (row["version"], row["status"]):
            return False
        self._words[row["id"]] = Word(row["workspace_id"], row["version"], row["status"], now)
        return True

    def forget(self, job_id: UUID) -> Word | None:
        """What was told of a job that is no more."""
        return self._words.pop(job_id, None)

    def free_at(self, job_id: UUID) -> float:
        """When it may be told of again."""
        word = self._words.get(job_id)
        return 0.0 if word is None else word.told_at + PAUSE_SECONDS

    def unfinished(self) -> list[UUID]:
        """Jobs of which something is still to come, those first that were told least lately."""
        words = sorted((word.told_at, job_id) for job_id, word in self._words.items() if word.is_unfinished)
        return [job_id for _, job_id in words]

    def sweep(self, now: float, is_watched: Callable[[UUID | None], bool]) -> None:
        """Forget what nobody watches any more, and what has long ended."""
        self._words = {
            job_id: word
            for job_id, word in self._words.items()
            if is_watched(word.workspace_id) and (word.is_unfinished or now - word.told_at < KEPT_SECONDS)
        }

    def clear(self) -> None:
        """Forget all."""
        self._words.clear()
