"""Jobs that never end by themselves, and machines that stand still while a job runs."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

import crmd
from crmd.clock import boot_seconds
from crmd.engine import heartbeat, incarnation
from crmd.engine.executor import Executor
from crmd.engine.incarnation import Incarnation
from crmd.engine.settler import Settler
from crmd.outcome import Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
PORT = {"number": 0}
PATIENCE_SECONDS = 20.0
LIMIT_SECONDS_MAX = 900.0


@crmd.job("hangs", queue="fast", max_attempts=1)
async def hangs(ctx: crmd.Context) -> None:
    """Waits for an answer that never comes."""
    async with await anyio.connect_tcp("127.0.0.1", PORT["number"]) as stream:
        await stream.receive()


async def started(workbench: Workbench) -> tuple[Executor, Settler]:
    """A job that hangs in the only slot of its queue."""
    await workbench.enqueue("hangs")
    settler = Settler(workbench.everything.pools.control, lambda _: None)
    executor = Executor(workbench.everything.services, settler, {"fast": 1})
    rows = await workbench._claim()
    [run] = executor.accept(executor.queues["fast"], rows, rows[0]["claim_id"])
    await until(lambda: run.scope is not None)
    return executor, settler


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while not is_so():
            await anyio.lowlevel.checkpoint()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        PORT["number"] = server.getsockname()[1]
        yield


async def test_a_job_that_hangs_gives_its_slot_back(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that waits for a silent socket is cancelled at its type's time limit, which every type has."""
    assert hangs.timeout_seconds <= LIMIT_SECONDS_MAX
    with silence():
        executor, settler = await started(workbench)
        executor.stop_overdue()
        assert executor.queues["fast"].free == 0
        later = boot_seconds() + hangs.timeout_seconds + 1
        monkeypatch.setattr("crmd.engine.executor.boot_seconds", lambda: later)
        executor.stop_overdue()
        await until(lambda: executor.queues["fast"].free == 1)
        await settler.settle_once()
        await executor.close()
    [job_id] = await workbench.everything.pools.control.fetchval("SELECT array_agg(id) FROM crmd.archive")
    done = await workbench.finished(job_id)
    assert (done.status, done.errors[-1]["class"]) == ("dead", "Timeout")


async def test_a_machine_that_was_suspended_stops_its_jobs(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first look after a suspension longer than the lease, jobs are stopped before anything else is done."""
    assert incarnation.LOOK_SECONDS <= 1
    slept = 0.0
    monkeypatch.setattr(heartbeat, "boot_seconds", lambda: boot_seconds() + slept)
    with silence():
        executor, _ = await started(workbench)
        life = living(workbench, executor)
        await life.live_once()
        first = life.daemon_id
        [run] = executor.runs.values()
        slept = 61.0  # which a monotonic clock would not know of
        await life.live_once()
        assert run.stop is Stop.LEASE_LOST
        assert life.daemon_id != first
        await life.end()
        await executor.close()


def living(workbench: Workbench, executor: Executor) -> Incarnation:
    """The lives of a daemon with leases of a minute."""

    async def fence() -> None:
        executor.stop_all(Stop.LEASE_LOST)
        await until(lambda: not executor.runs)

    async def nothing() -> None:
        await anyio.lowlevel.checkpoint()

    def begun(_daemon_id: UUID) -> None:
        """Nobody claims here."""

    ended: Callable[[], Awaitable[None]] = fence
    return Incarnation(
        workbench.everything.pools, executor, version="test", queues=["fast"], lease_seconds=60.0,
        on_begun=begun, on_ended=ended, on_return=nothing,
    )  # fmt: skip


def test_boot_time_counts_suspension() -> None:
    """What a daemon measures is the clock that goes on while the machine is suspended, not the monotonic one."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= boot_seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME)
