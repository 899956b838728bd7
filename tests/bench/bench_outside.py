"""What it costs to go outside in order: effects a second, and units taken a second with and without taking ahead."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

import crmd
from crmd.config.loading import load_config
from crmd.embedded.supervisor import temporary_embedded
from crmd.engine.job_context import JobContext
from crmd.engine.run import Run
from crmd.http.limiter import Limiter, Rate
from crmd.plugins import ModuleEntry
from crmd.store import leases
from crmd.store.leases import Token
from crmd.testing.workbench import open_workbench

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.config.loading import Config
    from crmd.testing import Workbench

EFFECTS = int(os.environ.get("BENCH_EFFECTS", "2000"))
TAKES = int(os.environ.get("BENCH_TAKES", "5000"))
TASKS = 8
NAME = "bench_outside"


@crmd.job("bench-send")
async def bench_send(ctx: crmd.Context) -> None:
    """Never runs here: the bench works in its name."""


async def _per_second(count: int, step: Callable[[int], Awaitable[object]]) -> float:
    begun = time.perf_counter()

    async def work(first: int) -> None:
        for number in range(first, count, TASKS):
            await step(number)

    async with anyio.create_task_group() as tasks:
        for first in range(TASKS):
            tasks.start_soon(work, first)
    return count / (time.perf_counter() - begun)


async def _take(limiter: Limiter, rate: Rate, _number: int) -> object:
    return await limiter.acquire(f"b{rate.burst}", rate, 1)


async def _context(bench: Workbench) -> JobContext:
    job_id = (await bench.enqueue("bench-send")).id
    [row] = await leases.claim_one(bench._pool, bench._daemon_id, job_id, uuid4())
    run = Run(row, bench_send, Token(row["id"], row["fence"], row["claim_id"]))
    return JobContext(run, bench.everything.services)


async def _measure(config: Config) -> None:
    entries = {NAME: ModuleEntry(NAME, sys.modules[__name__])}
    async with open_workbench(config, entries) as bench:
        contexts = [await _context(bench) for _ in range(TASKS)]

        async def send(_: crmd.Effect) -> dict[str, int]:
            return {"id": 1}

        async def effect(number: int) -> object:
            return await contexts[number % TASKS].effect("mail", key=f"k{number}", send=send)

        sys.stdout.write(f"effects, new:        {await _per_second(EFFECTS, effect):8.0f} a second\n")
        sys.stdout.write(f"effects, known:      {await _per_second(EFFECTS, effect):8.0f} a second\n")
        limiter = Limiter(bench._pool)
        for words, rate in (("one by one", Rate(1e7, burst=1e6)), ("taken ahead", Rate(1e7, burst=1e7))):
            speed = await _per_second(TAKES, partial(_take, limiter, rate))
            sys.stdout.write(f"units, {words:12}: {speed:8.0f} a second\n")


async def main() -> None:
    """Measure on an embedded server that flushes each commit."""
    async with temporary_embedded({"fsync": "on", "synchronous_commit": "on"}) as server:
        overrides = {"database.dsn": server.dsn.reveal(), "plugins.enabled": [NAME]}
        await _measure(load_config(None, {}, overrides))


if __name__ == "__main__":
    anyio.run(main)
