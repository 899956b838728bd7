"""Assertions about what was enqueued and emitted; one that fails lists what there was instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from crmd.job_type import JobType
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.testing")
NEAR = timedelta(seconds=1)
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits."""

    id: UUID
    type: str
    status: str
    payload: dict[str, Any]
    workspace_id: UUID | None
    run_at: datetime

    def __str__(self) -> str:
        """As a line of a failed assertion."""
        return f"{self.type} {_text(self.payload)} run_at={self.run_at.isoformat()} workspace={self.workspace_id}"


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event."""

    type: str
    data: dict[str, Any]

    def __str__(self) -> str:
        """As a line of a failed assertion."""
        return f"{self.type} {_text(self.data)}"


class Expecting:
    """What a workbench can be asked to hold.

    Args:
        pool: The control pool.
        job_types: The loaded job types by name and alias.
    """

    def __init__(self, pool: Pool, job_types: Callable[[], Mapping[str, JobType]]) -> None:
        self._pool = pool
        self._job_types = job_types

    async def all_enqueued(self, job_type: str | None = None) -> list[Waiting]:
        """The jobs that wait, oldest first; of one type, or of all."""
        rows = await self._pool.fetch(_SQL.waiting_jobs)
        found = [
            Waiting(
                row["id"],
                row["type"],
                row["status"],
                msgspec.json.decode(row["payload"]),
                row["workspace_id"],
                row["run_at"],
            )
            for row in rows
        ]
        return found if job_type is None else [job for job in found if job.type == self._name(job_type)]

    async def assert_enqueued(
        self,
        job_type: str,
        payload: Mapping[str, object] | None = None,
        *,
        workspace_id: UUID | None = None,
        run_at: datetime | None = None,
        count: int | None = None,
    ) -> list[Waiting]:
        """Hold that such a job waits; answers all that match.

        Args:
            job_type: Name or alias.
            payload: Wire names and values that its payload has, among others.
            workspace_id: Its workspace.
            run_at: When it is due, give or take a second.
            count: Exactly so many match; None: at least one.

        Raises:
            AssertionError: There is none, or another number; the text lists what waits.
        """
        __tracebackhide__ = True
        waiting = await self.all_enqueued()
        found = [job for job in waiting if self._fits(job, job_type, payload, workspace_id, run_at)]
        if len(found) == count or (count is None and found):
            return found
        wanted = f"{'a job' if count is None else f'{count} jobs'} {job_type} {_text(dict(payload or {}))}"
        raise AssertionError(f"Expected {wanted}, found {len(found)}. {_listed('job waits', waiting)}")

    async def refute_enqueued(
        self,
        job_type: str,
        payload: Mapping[str, object] | None = None,
        *,
        workspace_id: UUID | None = None,
        run_at: datetime | None = None,
    ) -> None:
        """Hold that no such job waits; the arguments are those of `assert_enqueued`.

        Raises:
            AssertionError: There is one; the text lists those that match.
        """
        __tracebackhide__ = True
        found = [job for job in await self.all_enqueued() if self._fits(job, job_type, payload, workspace_id, run_at)]
        if found:
            raise AssertionError(f"Expected no job {job_type}. {_listed('job matches', found)}")

    async def assert_emitted(
        self, event_type: str, data: Mapping[str, object] | None = None, *, count: int | None = None
    ) -> list[dict[str, Any]]:
        """Hold that such an event was emitted; answers the data of all that match.

        Args:
            event_type: Its type.
            data: Names and values that its data has, among others.
            count: Exactly so many match; None: at least one.

        Raises:
            AssertionError: There is none, or another number; the text lists what was emitted.
        """
        __tracebackhide__ = True
        rows = await self._pool.fetch(_SQL.events_all)
        emitted = [Emitted(row["type"], msgspec.json.decode(row["data"])) for row in rows]
        found = [event for event in emitted if event.type == event_type and _is_part(dict(data or {}), event.data)]
        if len(found) == count or (count is None and found):
            return [event.data for event in found]
        wanted = f"{'an event' if count is None else f'{count} events'} {event_type} {_text(dict(data or {}))}"
        raise AssertionError(f"Expected {wanted}, found {len(found)}. {_listed('event was emitted', emitted)}")

    def _name(self, word: str) -> str:
        known = self._job_types().get(word)
        return word if known is None else known.name

    def _fits(
        self,
        job: Waiting,
        job_type: str,
        payload: Mapping[str, object] | None,
        workspace_id: UUID | None,
        run_at: datetime | None,
    ) -> bool:
        return (
            job.type == self._name(job_type)
            and _is_part(_plain(dict(payload or {})), job.payload)
            and workspace_id in {None, job.workspace_id}
            and (run_at is None or abs(job.run_at - run_at) <= NEAR)
        )


def _is_part(wanted: Any, whole: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether every name of `wanted` has its value in `whole`, at every depth; lists must be equal."""
    if isinstance(wanted, dict) and isinstance(whole, dict):
        return all(name in whole and _is_part(value, whole[name]) for name, value in wanted.items())
    return bool(_plain(wanted) == whole)


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    return msgspec.to_builtins(value, str_keys=True)


def _text(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _listed(what: str, found: Sequence[object]) -> str:
    if not found:
        return f"No {what}."
    more = [] if len(found) <= SHOWN_MAX else [f"  … and {len(found) - SHOWN_MAX} more"]
    return "\n".join([f"Each {what}:", *(f"  {one}" for one in found[:SHOWN_MAX]), *more])
