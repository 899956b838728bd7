"""The steps of one attempt: what earlier attempts have kept is handed out, what is new is done and kept."""

from __future__ import annotations

import contextlib
import inspect
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio

from crmd.engine import own_task
from crmd.engine.kept_result import decode_kept, encode_kept, returned_type
from crmd.errors import FailJob, LeaseLost
from crmd.step_order import StepOrder
from crmd.store import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from crmd.engine.run import Run
    from crmd.engine.transaction import JobTransaction
    from crmd.step_order import Place
    from crmd.store.pools import Connection, Pool

_inside: ContextVar[str | None] = ContextVar("crmd_step", default=None)


class Steps:
    """What a job does once.

    Args:
        run: The running job.
        pool: The plugins' pool.
        transaction: Opens a transaction of the job.
    """

    def __init__(
        self, run: Run, pool: Pool, transaction: Callable[[], AbstractAsyncContextManager[JobTransaction]]
    ) -> None:
        self._run = run
        self._pool = pool
        self._transaction = transaction
        self._order: StepOrder | None = None
        self._loading = anyio.Lock()
        self.loaded_at = 0.0

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        *args: object,
        type: Any = None,  # noqa: A002, ANN401 - see crmd.Durable
        was: str | None = None,
        is_transaction: bool = False,
    ) -> Any:  # noqa: ANN401 - what `function` returns
        """See `crmd.Durable`."""
        place = await self.reach(name, "step", was=was)
        kind = returned_type(function) if type is None else type
        if place.stored is not None:
            return decode_kept(place.name, place.stored.result or "null", kind)
        began = time.monotonic()
        with _within(place.name):
            if not is_transaction:
                return await self._done(self._pool, place, kind, await _called(function, *args), began)
            async with self._transaction() as tx:
                value = await _called(function, tx, *args)
                async with tx.as_engine() as connection:
                    return await self._done(connection, place, kind, value, began)

    async def reach(self, name: str, kind: str, *, was: str | None = None) -> Place:
        """The place of a call, with what an earlier attempt did there.

        Raises:
            FailJob: It is not the step that stood there, or it is inside another one.
        """
        if (outer := _inside.get()) is not None:
            raise FailJob(
                f"{name!r} is called inside step {outer!r}; a step is done or not, it has no steps of its own."
            )
        is_own = own_task.is_own()
        if self._order is None:
            async with self._loading:
                if self._order is None:
                    self._order = StepOrder(await self._load())
        return self._order.reach(name, kind, was=was, is_ordered=is_own)

    async def keep(
        self,
        connection: Connection | Pool,
        place: Place,
        data: bytes,
        *,
        took_seconds: float = 0.0,
        is_finished: bool = True,
    ) -> None:
        """Write what a step came to, under the token.

        Raises:
            LeaseLost: Another claim holds the job by now.
        """
        if not await steps.write(
            connection, self._run.token, place, data, took_seconds=took_seconds, is_finished=is_finished
        ):
            raise LeaseLost(f"the lease of job {self._run.token.id} is lost")

    async def _done(
        self,
        connection: Connection | Pool,
        place: Place,
        kind: Any,  # noqa: ANN401 - any annotation
        value: object,
        began: float,
    ) -> Any:  # noqa: ANN401 - the value as every attempt gets it
        data = encode_kept(place.name, value)
        read = decode_kept(place.name, data, kind)
        await self.keep(connection, place, data, took_seconds=time.monotonic() - began)
        return read

    async def _load(self) -> list[Any]:
        """A job's first claim has nothing to go on from, unless it was made to go on from another job's steps."""
        self.loaded_at = time.monotonic()
        row = self._run.row
        if self._run.token.fence == 1 and b'"fromStep"' not in (row["meta"] or b""):
            return []
        return await steps.load(self._pool, self._run.token.id)


async def _called(function: Callable[..., Any], *args: object) -> object:
    value = function(*args)
    return await value if inspect.isawaitable(value) else value


@contextlib.contextmanager
def _within(name: str) -> Iterator[None]:
    token = _inside.set(name)
    try:
        yield
    finally:
        _inside.reset(token)
