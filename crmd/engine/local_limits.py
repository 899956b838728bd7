"""Limits that count inside one daemon: what is free of them, by what runs here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crmd.engine.run import Run


def free_of(limits: Sequence[tuple[str, str, int]], runs: Iterable[Run]) -> dict[str, int]:
    """How many more jobs each limit allows; counted when it is asked for, since most jobs have none.

    Args:
        limits: Each as its name, its job type and how many of that may run.
        runs: What is claimed and has not ended.
    """
    if not limits:
        return {}
    taken = Counter(run.claimed["type"] for run in runs)
    return {name: max(most - taken[job_type], 0) for name, job_type, most in limits}
