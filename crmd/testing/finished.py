"""What became of a job, as a test looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a job.

    Attributes:
        status: As users see it; `pending` or `scheduled` when it is to run again.
        errors: Newest last.
    """

    id: UUID
    type: str
    status: str
    attempt: int
    result: Any
    errors: list[dict[str, Any]]
    progress: dict[str, Any] | None
    checkpoint: Any

    @property
    def message(self) -> str:
        """The newest error's sentence; empty when there is none."""
        return str(self.errors[-1]["message"]) if self.errors else ""


def finished_of(row: Any) -> Finished:  # noqa: ANN401 - a row of job_show.sql
    """From a job's row, whose JSON columns are bytes."""
    return Finished(
        row["id"],
        row["type"],
        row["status"],
        row["attempt"],
        _decoded(row["result"]),
        _decoded(row["errors"]) or [],
        _decoded(row["progress"]),
        _decoded(row["checkpoint"]),
    )


def _decoded(data: bytes | None) -> Any:  # noqa: ANN401 - any JSON value
    return None if data is None else msgspec.json.decode(data)
