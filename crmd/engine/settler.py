"""Writes what became of jobs: takes whatever is finished at that moment, in one transaction over its own connection.

It batches itself under load and adds no delay when idle. A batch that a bad row makes fail is halved until the bad row
stands alone; that one ends as failed, the others commit.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import anyio
import asyncpg

from crmd.clock import boot_seconds
from crmd.engine.connection_outcome import connection_outcomes
from crmd.engine.fault_record import record
from crmd.outcome import DONE, Ended, Fault, Forgotten, Outcome, Requeued
from crmd.store import connections, families, leases
from crmd.store.leases import EndedRow, RequeuedRow, Token
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from crmd.engine.run import Run
    from crmd.store.pools import Connection, Pool

    Settled: TypeAlias = tuple[Run, Outcome]

_LOG = logging.getLogger("crmd.engine")
BATCH_MAX = 1024


class Settler:
    """Holds what is finished and not yet written.

    Args:
        pool: The pool for work.
        on_settled: Told after each commit, with what was written.
    """

    def __init__(self, pool: Pool, on_settled: Callable[[list[Settled]], None]) -> None:
        self._pool = pool
        self._on_settled = on_settled
        self._finished: list[Settled] = []
        self._in_flight = 0
        self._arrived = anyio.Event()

    def add(self, run: Run, outcome: Outcome) -> float:
        """Take the outcome of a job; it is written by the next turn of the loop. Answers the boot time of it."""
        run.ended = now = boot_seconds()
        self._finished.append((run, outcome))
        if len(self._finished) == 1:
            self._arrived.set()
        return now

    @property
    def backlog(self) -> int:
        """Outcomes that are not committed yet."""
        return len(self._finished) + self._in_flight

    async def settle_once(self) -> float:
        """Wait until something is finished, and write it all. What an outage keeps from being written stays here."""
        if not self._finished:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        batch = self._finished[:BATCH_MAX]
        del self._finished[:BATCH_MAX]
        self._in_flight = len(batch)
        try:
            async with self._pool.acquire() as connection:
                await self._write(connection, batch)
        except BaseException:
            self._finished[:0] = batch
            raise
        finally:
            self._in_flight = 0
        self._on_settled(batch)
        return 0.0

    async def _write(self, connection: Connection, batch: list[Settled]) -> None:
        done = [run.token for run, outcome in batch if outcome is DONE and run.leaves_nothing]
        try:
            if len(done) == len(batch):
                lost = len(done) - await leases.settle_done(connection, done)
                if lost:
                    lost -= len(await leases.settle_ended(connection, _the_longer_way(done)))
            else:
                lost = await _write_together(connection, batch, done)
        except asyncpg.DeadlockDetectedError:  # undone to break a circle of waits; whom it waited for has gone on
            await self._write(connection, batch)
            return
        except UNREACHABLE:
            raise
        except asyncpg.PostgresError as error:
            await self._halve(connection, batch, error)
            return
        if lost:
            _LOG.warning("%d jobs had lost their lease when they ended; their outcome was not written", lost)

    async def _halve(self, connection: Connection, batch: list[Settled], error: asyncpg.PostgresError) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write(connection, batch[:middle])
            await self._write(connection, batch[middle:])
            return
        [(run, outcome)] = batch
        _LOG.error("the outcome of job %s cannot be stored (SQLSTATE %s)", run.token.id, error.sqlstate)
        if isinstance(outcome, Ended) and outcome.error and outcome.error.name == "Unstorable":
            # Nothing of this job can be written; were it tried for ever, no other outcome would be written any more.
            # Its lease stays until the audit gives it back.
            _LOG.critical("job %s is left as it is", run.token.id)
            return
        fault = Fault("Unstorable", f"the outcome could not be stored (SQLSTATE {error.sqlstate})")
        run.progress = None  # it may be what cannot be stored
        await self._write(connection, [(run, Ended("failed", error=fault))])


async def _write_together(connection: Connection, batch: list[Settled], done: list[Token]) -> int:
    """Write outcomes of all kinds in one transaction; answers how many had lost their lease."""
    others = [one for one in batch if not (one[1] is DONE and one[0].leaves_nothing)]
    async with connection.transaction():
        with_children = await _with_children(connection, others)
        await _hold_kin(connection, others, with_children)
        ended, requeued, parents = _rows(others, with_children)
        await _write_items(connection, others)
        moved: set[UUID] = set()
        moved_done = 0
        # Leases before families, as everybody takes them: see crmd.cancel.
        gathering = [row for row in requeued if row.held == "gather"]
        requeued = [row for row in requeued if row.held != "gather"]
        if done:
            moved_done = await leases.settle_done(connection, done)
            ended += _the_longer_way(done) if moved_done < len(done) else []
        if requeued:
            moved |= await leases.settle_requeued(connection, requeued)
        if ended:
            moved |= await leases.settle_ended(connection, ended)
        for parent in parents:
            moved |= {parent.token.id} if await families.settle_parent(connection, parent) else set()
        for row in gathering:
            moved |= {row.token.id} if await families.settle_gathering(connection, row) else set()
        # Connections behind leases, as a job's own transaction takes them.
        if outcomes := connection_outcomes(one for one in others if one[0].token.id in moved):
            await connections.mark_outcomes(connection, outcomes)
    return len({run.token for run, outcome in batch if not isinstance(outcome, Forgotten)}) - len(moved) - moved_done


def _the_longer_way(done: list[Token]) -> list[EndedRow]:
    """For those whose end somebody awaits, or whose lease is lost; what the short way has moved is not found again."""
    return [EndedRow(token, "completed") for token in done]


async def _write_items(connection: Connection, batch: list[Settled]) -> None:
    """What became of items that no progress write has taken yet; behind the settle the lease would be gone."""
    for run, outcome in batch:
        if run.progress is not None and run.progress.items and not isinstance(outcome, Forgotten):
            await leases.write_items(connection, run.token, run.progress.items)


async def _hold_kin(connection: Connection, batch: list[Settled], with_children: set[UUID]) -> None:
    """Lock what the batch shares with cancels of whole trees and with other settlers, in everybody's order."""
    parents = {run.token.id: run.claimed["parent_id"] for run, _ in batch}
    kin = [run.token for run, _ in batch if parents[run.token.id] is not None or run.token.id in with_children]
    if len(kin) > 1 or with_children:
        waiters = with_children | {parents[token.id] for token in kin} - {None}
        await leases.hold(connection, kin, list(waiters))


async def _with_children(connection: Connection, batch: list[Settled]) -> set[UUID]:
    """Which jobs of the batch have children. Those that an earlier attempt started count too, hence the question."""
    known = {run.token.id for run, _ in batch if run.has_children}
    asked = [run.token.id for run, _ in batch if not run.has_children and run.token.fence > 1]
    return known | await families.with_children(connection, asked) if asked else known


def _rows(batch: list[Settled], with_children: set[UUID]) -> tuple[list[EndedRow], list[RequeuedRow], list[EndedRow]]:
    ended: list[EndedRow] = []
    requeued: list[RequeuedRow] = []
    parents: list[EndedRow] = []
    for run, outcome in batch:
        progress = None if run.progress is None else run.progress.as_json()
        match outcome:
            case Ended(status, result, fault):
                assert result is None or isinstance(result, bytes)  # noqa: S101 - encoded by the executor
                row = EndedRow(run.token, status, result, record(fault, run), progress)
                is_parent = run.token.id in with_children and status == "completed"
                (parents if is_parent else ended).append(row)
            case Requeued(delay, is_attempt_given_back, snoozes, fault, held):
                error = record(fault, run)
                requeued.append(RequeuedRow(run.token, delay, is_attempt_given_back, snoozes, error, progress, held))
            case Forgotten():
                pass
    return ended, requeued, parents
