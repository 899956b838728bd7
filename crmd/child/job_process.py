"""Runs one job in a process of its own, from its first message to its outcome.

The handler has the main thread to itself: another one listens to the daemon and tells it how far the job is, so that
progress is seen and a stop arrives whether the handler awaits or computes.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import pickle
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from crmd.child.line import Line
from crmd.child.log_handler import LineHandler
from crmd.composition import working
from crmd.engine import own_task
from crmd.engine.casualty import over_memory
from crmd.engine.confinement import confine, tie_to
from crmd.engine.handling import handle
from crmd.engine.pardon import Pardons
from crmd.engine.run import Run
from crmd.engine.wire import Begun, finished
from crmd.store.leases import Token
from crmd.store.pools import open_pools
from crmd.store.primary import Primary

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from crmd.blueprint import Blueprint
    from crmd.child.loading import Hosted
    from crmd.engine.services import Services
    from crmd.isolation import Isolation
    from crmd.job_type import JobType

# Of each of its two pools, opened when first needed: a job that leaves the database alone has no connection.
CONNECTIONS = 2


def run_job(sock: socket.socket, host_pid: int, blueprint: Blueprint, hosted: Hosted) -> None:
    """Run the job that the daemon names, tell what becomes of it, and end this process."""
    tie_to(host_pid)
    faulthandler.enable(file=sock.fileno(), all_threads=False)
    line = Line(sock)
    order: dict[str, Any] = pickle.loads(line.read())  # noqa: S301 - from our own daemon
    row = order["row"]
    job_type = hosted.loaded.job_types[row["type"]]
    confine(job_type.isolation.memory_mib, job_type.isolation.cpu_seconds, job_type.isolation.processes_max)
    run = Run(row, _told_of_memory(job_type), Token(row["id"], row["fence"], row["claim_id"]))
    _log_to(line, blueprint.log_level)
    line.begin(run)
    line.send(Begun())
    asyncio.run(_work(run, line, blueprint, hosted))


async def rehearse(blueprint: Blueprint, hosted: Hosted) -> None:
    """Open and close what a job opens: what is imported only then is imported once, in the host, not in each child."""
    with anyio.CancelScope():
        async with _services(blueprint, hosted):
            await anyio.lowlevel.checkpoint()


async def _work(run: Run, line: Line, blueprint: Blueprint, hosted: Hosted) -> None:
    async with _services(blueprint, hosted) as services:
        with anyio.CancelScope() as run.scope:
            own_task.begin()
            line.obeyed_in(asyncio.get_running_loop())
            outcome = await handle(run, services)
        line.end()
        line.send(finished(outcome, run))
    sys.stdout.flush()
    os._exit(0)  # tasks and threads that the plugin has left behind would hold up an exit in order


@contextlib.asynccontextmanager
async def _services(blueprint: Blueprint, hosted: Hosted) -> AsyncIterator[Services]:
    server = replace(blueprint.server, pool_max=CONNECTIONS, primary=Primary(may_cross=False))
    async with (
        open_pools(server, control_max=CONNECTIONS, is_probed=False) as pools,
        working(
            blueprint.config,
            hosted.loaded,
            pools,
            providers=hosted.providers,
            is_role_changed=blueprint.is_role_changed,
        ) as everything,
    ):
        everything.services.pardons = Pardons(0)  # a process lives for one attempt and remembers none
        yield everything.services


def _told_of_memory(job_type: JobType) -> JobType:
    """Its handler's MemoryError says what the bound was."""
    bounds: Isolation = job_type.isolation

    async def bounded(*arguments: object) -> Any:  # noqa: ANN401 - whatever the handler returns
        try:
            return await job_type.handler(*arguments)
        except MemoryError:
            raise over_memory(bounds) from None

    return replace(job_type, handler=bounded)


def _log_to(line: Line, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [LineHandler(line)]
    root.setLevel(level)
