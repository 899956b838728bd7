"""What the client asks for: batches of jobs of every kind. Pure: the same seed gives the same jobs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from crmd.chaos.workload.jobs import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMESPACE = UUID("6f1d2c0a-8f0e-5c0b-9b52-1f6a2f0c7a11")
WORKSPACES: tuple[UUID | None, ...] = (None, *(uuid5(NAMESPACE, f"workspace {number}") for number in range(4)))
ACCOUNTS = 6
# Shares of batches; those of single jobs, of parents and of steps are small, as each brings more work.
WEIGHTS = {
    "chaos-work": 60,
    "chaos-limited": 14,
    "chaos-single": 5,
    "chaos-doomed": 3,
    "chaos-parent": 4,
    "chaos-steps": 4,
    "chaos-send": 6,
    "chaos-long": 8,
}
FEW = {"chaos-parent": 2, "chaos-steps": 2, "chaos-single": 3, "chaos-long": 2, "chaos-send": 3, "chaos-doomed": 3}
# What people type, and what they are sent: none of it may change what becomes of a job.
TEXTS = (
    "",
    "Robert'); DROP TABLE crmd.job; --",
    "\u202e right to left \u2066",
    "zero\u200bwidth \ufeff and \U0001f9e8",
    "$1 %s {0} \\u0000 \\",
    '{"nested": "json"}',
    "long " * 400,
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that are enqueued by one call.

    Args:
        job_type: Of all of them.
        workspace_id: Of all of them.
        tasks: Their payloads.
        is_cancelled: Whether the client cancels them afterwards.
    """

    job_type: str
    workspace_id: UUID | None
    tasks: Sequence[Task]
    is_cancelled: bool = False

    @property
    def has_keys(self) -> bool:
        """Whether each is asked for under a key of its own; single jobs have one by their type."""
        return self.job_type != "chaos-single"


def batches(seed: int, size: int, mean_milliseconds: float) -> Iterator[Batch]:
    """Batches without end.

    Args:
        seed: Whatever.
        size: Jobs in a large one; jobs that bring more come in smaller ones.
        mean_milliseconds: How long they take on average.
    """
    chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
    number = 0
    while True:
        kind = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        count = min(size, FEW.get(kind, size))
        is_long = kind == "chaos-long"
        lasting = [_lasting(chance, mean_milliseconds, is_long=is_long) for _ in range(count)]
        tasks = [_task(chance, f"{seed}/{number + place}", kind, lasting[place]) for place in range(count)]
        number += count
        workspace_id = chance.choice(WORKSPACES)
        is_cancelled = is_long and chance.random() < 0.5  # noqa: PLR2004 - half of them
        yield Batch("chaos-work" if is_long else kind, workspace_id, tasks, is_cancelled)


def _lasting(chance: random.Random, mean_milliseconds: float, *, is_long: bool) -> int:
    return chance.randrange(1500, 3500) if is_long else int(chance.expovariate(1 / mean_milliseconds))


def _task(chance: random.Random, key: str, kind: str, milliseconds: int) -> Task:
    has_account = kind in {"chaos-limited", "chaos-single"}
    return Task(
        key=key,
        milliseconds=milliseconds,
        fails=chance.choices((0, 1, 3), (90, 8, 2))[0],
        snoozes=chance.choices((0, 1), (95, 5))[0],
        account=f"account {chance.randrange(ACCOUNTS)}" if has_account else "",
        text=chance.choice(TEXTS),
    )
