"""One run from its first daemon to its report: set up, storm, heal, wait until all is still, check."""

from __future__ import annotations

import contextlib
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg

import crmd
from crmd.chaos.client import Client
from crmd.chaos.fleet import fleet_of
from crmd.chaos.history import Ack
from crmd.chaos.link import linked
from crmd.chaos.nemesis import Nemesis
from crmd.chaos.offering import WORKSPACES, batches
from crmd.chaos.options import daemon_settings
from crmd.chaos.receiver import receiving
from crmd.chaos.report import make_report
from crmd.chaos.running import Run, facts_of, history_of
from crmd.chaos.scratch import others_server, own_server
from crmd.chaos.watch import Watch
from crmd.errors import CrmdError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crmd.chaos.options import Options
    from crmd.chaos.plan import Fault
    from crmd.chaos.report import Report
    from crmd.chaos.running import Progress
    from crmd.chaos.scratch import Scratch

_SQL = load_queries("crmd.chaos")
START_SECONDS = 90.0
CLIENTS = 3
BATCH = 12
# So many jobs may wait before the client holds back, in seconds of its rate.
BACKLOG_SECONDS = 2.0


async def run_chaos(options: Options, on_progress: Progress) -> Report:
    """Run it.

    Raises:
        CrmdError: It could not begin: no daemon came up, or the server cannot be used.
    """
    plan = options.planned()
    place = own_server() if options.dsn is None else others_server(options.dsn, options.word)
    with _folder(options) as folder:
        async with (
            place as scratch,
            receiving(options.seed) as receiver,
            linked(scratch.host, scratch.port) as door,
            anyio.create_task_group() as tasks,
        ):
            settings = daemon_settings(folder, receiver.port, options.quiet_seconds())
            clients = [Client(scratch.dsn_through(door.port)) for _ in range(CLIENTS)]
            watch = Watch(scratch.dsn)
            async with fleet_of(scratch, options.daemons, folder, settings, options.command, tasks) as fleet:
                nemesis = Nemesis(scratch, fleet, door, lambda is_segfault: _poisoned(clients[0], scratch, is_segfault))
                run = Run(options, folder, scratch, fleet, clients, receiver, watch, nemesis, on_progress)
                await _prepare(run)
                await _storm(run, plan)
                await _settle(run)
            run.phase = "checking"
            run.show()
            history = await history_of(run)
            tasks.cancel_scope.cancel()
        return make_report(history, facts_of(run))


@contextlib.contextmanager
def _folder(options: Options) -> Iterator[Path]:
    if options.folder is not None:
        yield options.folder
        return
    with tempfile.TemporaryDirectory(prefix="crmd-chaos-", ignore_cleanup_errors=True) as name:
        yield Path(name)


async def _prepare(run: Run) -> None:
    """Wait for the daemons, and make what the run keeps beside their tables."""
    with anyio.move_on_after(START_SECONDS):
        while await _alive(run.scratch.dsn) < run.options.daemons:
            run.show()
            await anyio.sleep(0.1)
        connection = await asyncpg.connect(run.scratch.dsn)
        try:
            await connection.execute(_SQL.schema)
            await connection.execute(_SQL.guard, [one for one in WORKSPACES if one is not None])
            await _schedule(run, connection)
        finally:
            await connection.close()
        return
    logs = "\n".join(place.log.read_text()[-400:] for place in run.fleet.places if place.log.exists())
    raise CrmdError(f"The daemons did not start within {START_SECONDS:g} s. {logs}".rstrip())


async def _schedule(run: Run, connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """A schedule for each second of the storm, which fires once."""
    now = datetime.now(UTC)
    count = int(run.options.seconds)
    new = [
        crmd.NewSchedule(
            name=f"chaos-{number}",
            job_type="chaos-tick",
            when=crmd.At(at=now + timedelta(seconds=number + 1)),
            payload={"key": f"tick {number}"},
        )
        for number in range(count)
    ]
    run.schedules = await crmd.schedule(connection, *new)


async def _storm(run: Run, plan: Sequence[Fault]) -> None:
    run.phase, run.began_at = "storm", time.time()
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run.watch.look_on, run.show)
        await _offer(run, tasks, stop)
        try:
            async with anyio.create_task_group() as storm:
                storm.start_soon(run.nemesis.carry_out, plan, _ignored)
                await anyio.sleep(run.options.seconds)
        finally:
            await run.nemesis.heal()
        stop.set()
        with anyio.move_on_after(START_SECONDS):  # what was offered is to be acknowledged
            while any(client.is_busy for client in run.clients):  # noqa: ASYNC110 - the clients end by themselves
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


def _ignored(_: Fault) -> None:
    """The watch shows how many there were."""


async def _offer(run: Run, tasks: anyio.abc.TaskGroup, stop: anyio.Event) -> None:
    offered = batches(run.options.seed, BATCH, run.options.mean_milliseconds)
    pause_seconds = CLIENTS * BATCH * 0.8 / run.options.rate
    most = run.options.rate * BACKLOG_SECONDS
    for client in run.clients:
        tasks.start_soon(client.offer, offered, pause_seconds, stop, lambda: run.watch.backlog < most)


async def _settle(run: Run) -> None:
    """All is well again: within a lease and ten seconds, and as long as doubts may last, everything has to end."""
    run.phase = "settling"
    bound = run.options.settle_seconds()
    begun = time.monotonic()
    while time.monotonic() - begun < bound:
        await run.watch.execute(_SQL.released)
        if await run.watch.look() and run.watch.backlog == 0:
            break
        run.show()
        await anyio.sleep(0.2)
    run.settle_seconds = time.monotonic() - begun


async def _poisoned(client: Client, scratch: Scratch, is_segfault: bool) -> None:  # noqa: FBT001 - one of two ways
    """Enqueue a job that ends its process, past the links: the fault is the job, not its way."""
    with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(scratch.dsn, timeout=5)
        try:
            key = f"poison {time.time():.6f}"
            made = await crmd.enqueue(connection, "chaos-poison", {"key": key, "isSegfault": is_segfault})
            client.acks.append(Ack(key, made.id, "chaos-poison", time.time()))
        finally:
            await connection.close()


async def _alive(dsn: str) -> int:
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            count: int = await connection.fetchval(_SQL.daemons_alive)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return 0  # not there yet, or not migrated
    return count
