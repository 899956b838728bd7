"""Breaks a job at a chosen transaction, so that a test can show that the next attempt ends with the same rows."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.engine.job_context import JobContext

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Crashed(Exception):  # noqa: N818 - what a test does to a job, not a fault of it
    """Raised in place of going on."""


@dataclass(slots=True)
class CrashPlan:
    """The transaction to break, counted over all jobs from 1, and how many were begun so far."""

    at: int
    is_committed: bool
    seen: int = 0

    @property
    def is_hit(self) -> bool:
        """Whether the job was broken."""
        return self.seen >= self.at


@contextlib.contextmanager
def crashing(at: int, *, is_committed: bool) -> Iterator[CrashPlan]:
    """Break the job that begins transaction number `at`, just before its commit or just after it.

    Args:
        at: From 1, over all jobs that run inside the block.
        is_committed: Whether the transaction still counts.
    """
    plan = CrashPlan(at, is_committed)
    original = JobContext.transaction

    def transaction(context: JobContext, **workspace: Any) -> contextlib.AbstractAsyncContextManager[Any]:  # noqa: ANN401 - as JobContext takes it
        plan.seen += 1
        opened = original(context, **workspace)
        return _broken(opened, is_committed=plan.is_committed) if plan.seen == plan.at else opened

    JobContext.transaction = transaction  # type: ignore[method-assign, assignment]  # put back below
    try:
        yield plan
    finally:
        JobContext.transaction = original  # type: ignore[method-assign]  # as it was


@contextlib.asynccontextmanager
async def _broken(opened: contextlib.AbstractAsyncContextManager[Any], *, is_committed: bool) -> AsyncIterator[Any]:
    async with opened as tx:
        yield tx
        if not is_committed:
            raise Crashed("broken before its commit")
    raise Crashed("broken after its commit")
