"""The client: enqueues behind a link that fails like the others, and asks again, by the same keys, when in doubt."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import asyncpg

import crmd
from crmd.chaos.history import Ack
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from crmd.chaos.offering import Batch

KEY_SECONDS = 86_400.0
PATIENCE_SECONDS = 4.0
AGAIN_SECONDS = 0.1
CANCEL_SECONDS = 0.3


@dataclass(slots=True)
class Client:
    """One of those that ask, with a connection of its own: what it asked for and was answered.

    Args:
        dsn: Through a link.

    Attributes:
        acks: Every answer.
        cancels: The jobs that it asked to cancel.
        doubts: How often it did not know and asked again.
        is_busy: Whether it still offers.
    """

    dsn: str = field(repr=False)
    acks: list[Ack] = field(default_factory=list)
    cancels: set[UUID] = field(default_factory=set)
    doubts: int = 0
    is_busy: bool = False
    _connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def offer(
        self, offered: Iterator[Batch], pause_seconds: float, stop: anyio.Event, has_room: Callable[[], bool]
    ) -> None:
        """Enqueue batch after batch while there is room for more, until told to stop."""
        self.is_busy = True
        try:
            while not stop.is_set():
                if has_room():
                    await self.enqueue(next(offered))
                await anyio.sleep(pause_seconds)
        finally:
            self.is_busy = False

    async def enqueue(self, batch: Batch) -> None:
        """Enqueue a batch, as often as it takes until it is acknowledged."""
        while True:
            try:
                await self._enqueue(batch)
            except (*UNREACHABLE, asyncpg.PostgresError):
                self.doubts += 1
                self._drop()
                await anyio.sleep(AGAIN_SECONDS)
            else:
                return

    async def cancel(self, ids: list[UUID]) -> None:
        """Ask for jobs to be cancelled; a doubt leaves it at that, since either end is right then."""
        self.cancels.update(ids)
        try:
            connection = await self._connected()
            for job_id in ids:
                await crmd.cancel(connection, job_id, "chaos")
        except (*UNREACHABLE, asyncpg.PostgresError):
            self.doubts += 1
            self._drop()

    async def _enqueue(self, batch: Batch) -> None:
        connection = await self._connected()
        if batch.has_keys:
            keys = [task.key for task in batch.tasks]
            answers = await crmd.enqueue_many(
                connection,
                batch.job_type,
                batch.tasks,
                unique_keys=keys,
                unique_scope="for",
                unique_seconds=KEY_SECONDS,
                workspace_id=batch.workspace_id,
            )
        else:
            keys = [""] * len(batch.tasks)
            answers = await crmd.enqueue_many(connection, batch.job_type, batch.tasks, workspace_id=batch.workspace_id)
        now = time.time()
        self.acks += [Ack(key, answer.id, batch.job_type, now) for key, answer in zip(keys, answers, strict=True)]
        if batch.is_cancelled:
            await anyio.sleep(CANCEL_SECONDS)
            await self.cancel([answer.id for answer in answers])

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self.dsn, timeout=PATIENCE_SECONDS, command_timeout=PATIENCE_SECONDS
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
