"""Jobs with the largest payloads there are: what they hold is free when they end, however many of them come."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import install_plugin, running_fleet

import crmd
from crmd.engine.executor import Executor
from crmd.engine.settler import Settler
from crmd.stored_text import PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fleet import Daemon

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
JOBS = int(os.environ.get("CRMD_TEST_LARGE_JOBS", "3000"))
RESIDENT_MIB_MAX = 256
GROWTH_MIB_MAX = 16
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
ENQUEUE = "SELECT crmd.enqueue('carries', jsonb_build_object('load', repeat('x', $2))) FROM generate_series(1, $1)"
USE = "SELECT crmd.enqueue('uses', jsonb_build_object('how', $2::text)) FROM generate_series(1, $1)"
SOME = 10
CARRIES = """
import anyio
import crmd

class Load(crmd.Payload, frozen=True):
    load: str

@crmd.job("carries", queue="fast")
async def carries(ctx: crmd.Context, payload: Load) -> int:
    async with ctx.transaction() as tx:
        await tx.fetchval("SELECT 1")
    await anyio.sleep(0.05)  # so that many are held at a time
    return len(payload.load)
"""


class What(crmd.Payload, frozen=True):
    """Which part of its context a job uses."""

    how: str = ""


async def sent(effect: crmd.Effect) -> str:
    """Stands for what goes out."""
    return effect.key


@crmd.job("uses", queue="fast")
async def uses(ctx: crmd.Context, payload: What) -> None:
    """Uses that part, and rests, so that another drainer begins."""
    match payload.how:
        case "transaction":
            async with ctx.transaction() as tx:
                await tx.checkpoint("half")
        case "enqueue":
            await ctx.enqueue("uses", What())
        case "step":
            await ctx.step("one", anyio.sleep, 0)
        case "effect":
            await ctx.effect("mail", key=str(ctx.job.id), send=sent)
        case "emit":
            await ctx.emit("lead.created", {})
        case "progress":
            ctx.log.info("here")
            ctx.progress(1, 2)
    await anyio.sleep(0.01)


@pytest.fixture
def garbage() -> Iterator[Callable[[], list[object]]]:
    """Lets garbage lie from now on; what is answered tells what of crmd lies there."""
    gc.collect()
    gc.disable()

    def found() -> list[object]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return [one for one in gc.garbage if type(one).__module__.startswith("crmd.")]

    yield found
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize("how", ["nothing", "transaction", "enqueue", "step", "effect", "emit", "progress"])
async def test_an_ended_job_leaves_no_garbage(
    workbench: Workbench, garbage: Callable[[], list[object]], how: str
) -> None:
    """Whatever a handler uses, nothing of its job is left in a circle, where it would wait for the collector."""
    await workbench._pool.fetch(USE, SOME, how)
    settler = Settler(workbench._pool, lambda _: None)
    executor = Executor(workbench.everything.services, settler, {"fast": SOME})
    rows = await workbench._claim()
    executor.accept(executor.queues["fast"], rows, rows[0]["claim_id"])
    while executor.runs:
        await settler.settle_once()
    await workbench._pool.fetchval("SELECT 1")
    assert garbage() == []


@pytest.mark.slow
async def test_large_jobs_cost_a_bounded_memory(crmd_dsn: str, tmp_path: Path) -> None:
    """However many jobs of 256 KiB wait, a daemon stays below 256 MiB, whatever its slots are, and does not grow."""
    install_plugin(tmp_path / "site", "large", "large_plugin")
    (tmp_path / "site" / "large_plugin.py").write_text(CARRIES, "utf-8")
    settings = {"plugins__enabled": '["fleet", "large"]'}
    async with running_fleet(crmd_dsn, tmp_path, 1, **settings) as fleet:
        peaks = []
        for half in (1, 2):
            await fleet.connection.execute("SELECT crmd.pause('queue:fast', 'until all wait')")
            await fleet.connection.fetch(ENQUEUE, JOBS // 2, PAYLOAD_BYTES_MAX - 20)
            await fleet.connection.execute("SELECT crmd.resume('queue:fast')")
            await fleet.until(COMPLETED, half * (JOBS // 2))
            peaks.append(peak_mib(fleet.daemons[0]))
        print(f"{JOBS} jobs: {peaks} MiB at the most")  # noqa: T201 - for whoever asks for more of them
        assert peaks[1] < RESIDENT_MIB_MAX
        assert peaks[1] - peaks[0] < GROWTH_MIB_MAX


def peak_mib(daemon: Daemon) -> float:
    """The most that a process has held in memory at any time."""
    lines = Path(f"/proc/{daemon.pid}/status").read_text("utf-8").splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
