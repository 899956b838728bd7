"""The waits of a job: for a time, for an event, for its children. Each ends the attempt and frees the slot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import msgspec

from crmd.awaited import AwaitedEvent, ChildFailed, ChildOutcome
from crmd.errors import FailJob, LeaseLost
from crmd.outcome import Suspension
from crmd.store import families, steps
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from crmd.durable import NewChild
    from crmd.engine.relatives import Relatives
    from crmd.engine.run import Run
    from crmd.engine.steps import Steps
    from crmd.step_order import Place
    from crmd.store.pools import Connection, Pool

# A sleep up to this long keeps its slot: giving the job back and claiming it again costs more.
IN_PLACE_SECONDS = 1.0
# What gathered children may return together; the job that gathers keeps it all.
GATHERED_BYTES_MAX = 4 * 1024 * 1024


class Waiting:
    """What a job waits for.

    Args:
        run: The running job.
        pool: The plugins' pool.
        steps: The job's steps, of which each wait is one.
        relatives: Starts the children.
        as_engine: Gives a connection with the engine's rights in a transaction that only the lease's holder commits.
    """

    def __init__(
        self,
        run: Run,
        pool: Pool,
        steps: Steps,
        relatives: Relatives,
        as_engine: Callable[[], AbstractAsyncContextManager[Connection]],
    ) -> None:
        self._run = run
        self._pool = pool
        self._steps = steps
        self._relatives = relatives
        self._as_engine = as_engine

    async def sleep(self, seconds: float | None = None, *, until: datetime | None = None, name: str = "sleep") -> None:
        """See `crmd.Durable`."""
        if (seconds is None) == (until is None) or (until is not None and until.tzinfo is None):
            raise FailJob("A sleep has seconds, or an aware instant as until.")
        place = await self._steps.reach(name, "sleep")
        if place.stored is None:
            left = await steps.begin_sleep(self._pool, self._run.token, place, seconds, until)
        else:
            left = (place.stored.seconds_left or 0.0) - (time.monotonic() - self._steps.loaded_at)
        if left is None:
            raise self._lost()
        if left > IN_PLACE_SECONDS:
            raise Suspension(left)
        await anyio.sleep(max(left, 0.0))

    async def wait_for_event(
        self,
        event_type: str,
        *,
        match: Mapping[str, object] | None = None,
        timeout_seconds: float | None = None,
        name: str | None = None,
    ) -> AwaitedEvent | None:
        """See `crmd.Durable`."""
        place = await self._steps.reach(name or f"wait for {event_type}", "event")
        if place.stored is not None:
            return _event(place.stored.result)
        wanted = encode_json(dict(match or {}))
        row = await steps.wait(self._pool, self._run.token, place, event_type, wanted, timeout_seconds)
        if row is None:
            raise self._lost()
        if row["event"] is None and row["seconds"] != 0:
            raise Suspension(row["seconds"])
        return _event(row["event"])

    async def gather(
        self, children: Sequence[NewChild], *, needs_all: bool = True, name: str = "gather"
    ) -> list[ChildOutcome]:
        """See `crmd.Durable`."""
        place = await self._steps.reach(name, "gather")
        if place.stored is None:
            await self._start(place, children)
            raise Suspension(0, held="gather")
        outcomes = await self._gathered(place, place.stored.result or "[]")
        if needs_all and not all(outcome.is_completed for outcome in outcomes):
            raise ChildFailed(outcomes)
        return outcomes

    async def _start(self, place: Place, children: Sequence[NewChild]) -> None:
        """The children and the step that knows them are there together, or neither."""
        async with self._as_engine() as connection:
            ids = await self._relatives.start(connection, children)
            await self._steps.keep(connection, place, encode_json(ids), is_finished=False)

    async def _gathered(self, place: Place, stored: str) -> list[ChildOutcome]:
        """How the children ended: as it is kept, or, the first time, as the archive tells; else it waits again."""
        if place.stored is not None and place.stored.seconds_left is not None:
            return msgspec.json.decode(stored, type=list[ChildOutcome])
        ids = msgspec.json.decode(stored, type=list[UUID])
        rows = await families.children_stand(self._pool, ids, self._run.row["created_at"])
        if not all(row["is_over"] for row in rows):
            raise Suspension(0, held="gather")
        ended = {row["id"]: _outcome(row) for row in rows}
        outcomes = [ended.get(child_id) or _forgotten(child_id) for child_id in ids]
        data = encode_json(outcomes)
        if len(data) > GATHERED_BYTES_MAX:
            raise FailJob(
                f"What {len(ids)} children returned has {len(data):,} bytes; {GATHERED_BYTES_MAX:,} are the most. "
                "Let them store their data and return its id."
            )
        await self._steps.keep(self._pool, place, data)
        return outcomes

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"the lease of job {self._run.token.id} is lost")


def _event(stored: str | None) -> AwaitedEvent | None:
    return None if stored is None else msgspec.json.decode(stored, type=AwaitedEvent | None)


def _forgotten(child_id: UUID) -> ChildOutcome:
    """A child that was erased, or that retention has let go: how it ended nobody knows any more."""
    return ChildOutcome(id=child_id, status="cancelled", error="it is no longer kept")


def _outcome(row: Any) -> ChildOutcome:  # noqa: ANN401 - a row of children_stand.sql
    result = None if row["result"] is None else msgspec.json.decode(row["result"])
    return ChildOutcome(id=row["id"], status=row["status"], result=result, error=row["error"])
