"""An engine that runs one job and its children, then stops; what `crmd run-once` waits for."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio

from crmd.cli.live import live
from crmd.cli.obstacle import doubt_error, obstacle_error
from crmd.cli.screen import say
from crmd.composition import engine_options
from crmd.engine.engine import Engine
from crmd.engine.handover import Claimed, HeldBack, claim_family, claim_now
from crmd.engine.local_limits import free_of
from crmd.errors import CrmdError
from crmd.lone_error import lone_error
from crmd.store import gates, jobs
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.cli.live import Screen
    from crmd.composition import Opened
    from crmd.engine.settler import Settled
    from crmd.store.jobs import NewJobs

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 1.0
ENDED = frozenset({"completed", "failed", "cancelled", "dead"})


class Once:
    """One job from its enqueue to its end.

    Args:
        everything: What the command opened.
        new: The job.
        is_patient: Wait for limits and gates instead of giving up.
    """

    def __init__(self, everything: Opened, new: NewJobs, *, is_patient: bool) -> None:
        self._everything = everything
        self._new = new
        self._is_patient = is_patient
        self._pool = everything.pools.control
        options = replace(engine_options(everything.config, everything.loaded), is_alone=True)
        self._engine = Engine(everything.services, options, on_settled=self._settled)
        self._parents: set[UUID] = set()
        self._moved = anyio.Event()
        self._is_interrupted = False

    async def run(self) -> Any:  # noqa: ANN401 - a row of job_show.sql
        """Run it; answers its row once it has ended.

        Raises:
            CrmdError: A limit or gate stands in the way, and the command is not to wait.
            KeyboardInterrupt: Ctrl-C; the job was given back in order.
        """
        stop, ready, left = anyio.Event(), anyio.Event(), anyio.Event()
        outcome: list[Any] = []
        with lone_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve, stop, ready, left)
                with anyio.CancelScope() as following:
                    tasks.start_soon(self._obey_signals, following)
                    await ready.wait()
                    outcome.append(await self._followed())
                stop.set()
                if self._is_interrupted:
                    self._engine.hurry()
                await left.wait()
                tasks.cancel_scope.cancel()
        if not outcome:
            raise KeyboardInterrupt
        if isinstance(outcome[0], CrmdError):
            raise outcome[0]
        return outcome[0]

    async def _serve(self, stop: anyio.Event, ready: anyio.Event, left: anyio.Event) -> None:
        await self._engine.run(stop, ready.set)
        left.set()

    async def _obey_signals(self, following: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self._is_interrupted = True
                following.cancel()

    async def _followed(self) -> Any:  # noqa: ANN401 - a row of job_show.sql, or the error to raise after the drain
        try:
            with live() as screen:
                return await self._follow(await self._claimed(screen), screen)
        except CrmdError as error:
            return error

    async def _claimed(self, screen: Screen) -> UUID:
        """Enqueue and claim the job, waiting for its turn if that is wanted."""
        while True:
            assert self._engine.daemon_id is not None  # noqa: S101 - the engine is ready
            answer = await claim_now(self._pool, self._engine.daemon_id, self._new, self._local_free())
            if isinstance(answer, Claimed):
                self._accept([answer.row])
                return answer.row["id"]  # type: ignore[no-any-return]  # rows are untyped; this column is a uuid
            if not self._is_patient:
                raise await obstacle_error(self._pool, answer)
            reason = f"{answer.key}: {answer.reason}" if isinstance(answer, HeldBack) else f"job {answer.id} runs"
            screen.update(self._new.type, f"waits for {reason}", None)
            await anyio.sleep(PATIENCE_SECONDS)

    async def _follow(self, root_id: UUID, screen: Screen) -> Any:  # noqa: ANN401 - a row of job_show.sql
        while True:
            self._moved = anyio.Event()
            try:
                row = await jobs.show(self._everything.pools.plugins, root_id)
                if row is None or row["status"] in ENDED:
                    return row or CrmdError(f"Job {root_id} is no longer kept.")
                await self._check_gates(row)
                screen.update(self._new.type, _state(row), row["progress"])
                if await self._claim_family(root_id):
                    continue
            except UNREACHABLE:
                say("The database does not answer; waiting for it. Ctrl-C gives up.")
                await anyio.sleep(PATIENCE_SECONDS)
            with anyio.move_on_after(LOOK_SECONDS):
                await self._moved.wait()

    async def _check_gates(self, row: Any) -> None:  # noqa: ANN401 - a row of job_show.sql
        """What waits for a person is not waited for, unless that is wanted."""
        if row["held"] == "reconcile" and not self._is_patient:
            raise doubt_error(row["id"])
        if self._is_patient or row["lane"] is None or row["status"] not in {"pending", "scheduled"}:
            return
        for key in row["lane"].split(" "):
            gate = await gates.closed(self._pool, key)
            if gate is not None and gate.wait_seconds is None:
                raise await obstacle_error(self._pool, HeldBack(key, gate.reason), waits=str(row["id"]))

    async def _claim_family(self, root_id: UUID) -> bool:
        executor = self._engine.executor
        if self._engine.daemon_id is None or (root_id in executor.runs and not self._family_runs()):
            return False
        running = {run.token.id for run in executor.runs.values() if run.has_children}
        slots = max(queue.free for queue in executor.queues.values())
        rows = await claim_family(
            self._pool,
            self._engine.daemon_id,
            root_id,
            list({root_id, *self._parents, *running}),
            slots=slots,
            local_free=self._local_free(),
        )
        self._accept(rows)
        return bool(rows)

    def _family_runs(self) -> bool:
        return bool(self._parents) or any(run.has_children for run in self._engine.executor.runs.values())

    def _accept(self, rows: Sequence[Any]) -> None:
        executor = self._engine.executor
        for row in rows:
            if row["queue"] not in executor.queues:
                executor.add_queue(row["queue"], 1)
            executor.accept(executor.queues[row["queue"]], [row], row["claim_id"])

    def _local_free(self) -> dict[str, int]:
        return free_of(self._engine.options.local_limits, self._engine.executor.runs.values())

    def _settled(self, batch: list[Settled]) -> None:
        self._parents |= {run.token.id for run, _ in batch if run.has_children}
        self._moved.set()


def _state(row: Any) -> str:  # noqa: ANN401 - a row of job_show.sql
    """What a person wants to know while waiting. The times are for the eye alone, so this machine's clock will do."""
    children = row["children"]
    if children is not None:
        done = children["total"] - children["pending"]
        return f"{done} of {children['total']} parts done"
    if row["status"] == "processing":
        return "running" if row["attempt"] <= 1 else f"attempt {row['attempt']} of {row['max_attempts']}"
    if waits := row["waits_for"]:
        return f"waits for {waits['event']}" if "event" in waits else f"waits ({', '.join(waits)})"
    seconds = max((row["run_at"] - datetime.now(UTC)).total_seconds(), 0)
    errors = row["errors"] or []
    reason = f" after {errors[-1].get('class')}: {errors[-1].get('message')}" if errors else ""
    return f"attempt {row['attempt'] + 1} of {row['max_attempts']} in {seconds:.0f} s{reason}"
