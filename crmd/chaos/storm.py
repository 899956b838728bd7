"""One run from its first daemon to its report: set up, storm, heal, wait until all is still, check."""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import asyncpg

import crmd
from crmd.chaos.client import Client
from crmd.chaos.fleet import CRMD, fleet_of
from crmd.chaos.gathering import in_server_time, ledger_marks, read_database, server_ahead_seconds
from crmd.chaos.history import Ack, History
from crmd.chaos.link import linked
from crmd.chaos.nemesis import Nemesis
from crmd.chaos.offering import WORKSPACES, batches
from crmd.chaos.plan import Fault, longest_silence_seconds, make_plan
from crmd.chaos.receiver import receiving
from crmd.chaos.report import Facts, make_report
from crmd.chaos.scratch import others_server, own_server
from crmd.chaos.watch import Watch
from crmd.chaos.workload.jobs import CHILDREN, LIMIT
from crmd.errors import CrmdError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd.chaos.fleet import Fleet
    from crmd.chaos.receiver import Receiver
    from crmd.chaos.report import Report
    from crmd.chaos.scratch import Scratch

_SQL = load_queries("crmd.chaos")
LEASE_SECONDS = 3.0
SLOTS = 12
POOL_MAX = 8
# The control pool, the plugins' pool, heartbeat and listener; and up to eight processes of suspects, two pools of two
# each.
CONNECTIONS_ALLOWED = 8 + POOL_MAX + 2 + 8 * 4
START_SECONDS = 90.0
QUIET_MORE_SECONDS = 1.0
CLIENTS = 3
BATCH = 12
# So many jobs may wait before the client holds back, in seconds of its rate.
BACKLOG_SECONDS = 10.0
SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is to be.

    Args:
        seconds: How long it storms.
        daemons: How many there are.
        seed: Of plan and workload.
        rate: Jobs that are offered a second.
        dsn: Somebody's server; None: one of our own, which may be stopped.
        word: Its password.
        command: How a daemon is started, without `run`.
        plan: Instead of the seed's own.
    """

    seconds: float = 60.0
    daemons: int = 3
    seed: int = 1
    rate: float = 150.0
    dsn: str | None = None
    word: str | None = field(default=None, repr=False)
    command: Sequence[str] = CRMD
    plan: Sequence[Fault] | None = None

    def planned(self) -> Sequence[Fault]:
        """The faults of the run."""
        if self.plan is not None:
            return self.plan
        return make_plan(self.seed, self.seconds, self.daemons, lease_seconds=LEASE_SECONDS, is_ours=self.dsn is None)


class Progress(Protocol):
    """Is told how far a run is."""

    def __call__(self, phase: str, watch: Watch, faults: int) -> None:
        """Show it."""


@dataclass(slots=True)
class _Run:
    """The parts of a run that is under way."""

    options: Options
    folder: Path
    scratch: Scratch
    fleet: Fleet
    clients: Sequence[Client]
    receiver: Receiver
    watch: Watch
    nemesis: Nemesis
    on_progress: Progress
    phase: str = "starting"
    settle_seconds: float = 0.0
    began_at: float = 0.0
    schedules: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Tell how far it is."""
        self.on_progress(self.phase, self.watch, len(self.nemesis.struck))


async def run_chaos(options: Options, on_progress: Progress) -> Report:
    """Run it.

    Raises:
        CrmdError: It could not begin: no daemon came up, or the server cannot be used.
    """
    plan = options.planned()
    place = own_server() if options.dsn is None else others_server(options.dsn, options.word)
    with tempfile.TemporaryDirectory(prefix="crmd-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        async with (
            place as scratch,
            receiving(options.seed) as receiver,
            linked(scratch.host, scratch.port) as door,
            anyio.create_task_group() as tasks,
        ):
            settings = _settings(folder, receiver.port, longest_silence_seconds(plan) + QUIET_MORE_SECONDS)
            clients = [Client(scratch.dsn_through(door.port)) for _ in range(CLIENTS)]
            watch = Watch(scratch.dsn)
            async with fleet_of(scratch, options.daemons, folder, settings, options.command, tasks) as fleet:
                nemesis = Nemesis(scratch, fleet, door, lambda is_segfault: _poisoned(clients[0], scratch, is_segfault))
                run = _Run(options, folder, scratch, fleet, clients, receiver, watch, nemesis, on_progress)
                await _prepare(run)
                await _storm(run, plan)
                await _settle(run)
            run.phase = "checking"
            run.show()
            history = await _history(run)
            tasks.cancel_scope.cancel()
        return make_report(history, _facts(run, plan))


async def _prepare(run: _Run) -> None:
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


async def _schedule(run: _Run, connection: asyncpg.Connection[asyncpg.Record]) -> None:
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


async def _storm(run: _Run, plan: Sequence[Fault]) -> None:
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


async def _offer(run: _Run, tasks: anyio.abc.TaskGroup, stop: anyio.Event) -> None:
    offered = batches(run.options.seed, BATCH)
    pause_seconds = CLIENTS * BATCH * 0.8 / run.options.rate
    most = run.options.rate * BACKLOG_SECONDS
    for client in run.clients:
        tasks.start_soon(client.offer, offered, pause_seconds, stop, lambda: run.watch.backlog < most)


async def _settle(run: _Run) -> None:
    """All is well again: within a lease and ten seconds, and as long as doubts may last, everything has to end."""
    run.phase = "settling"
    bound = LEASE_SECONDS + SETTLE_SECONDS + 2 * (longest_silence_seconds(run.options.planned()) + QUIET_MORE_SECONDS)
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


async def _history(run: _Run) -> History:
    parts = await read_database(run.scratch.dsn)
    ahead_seconds = await server_ahead_seconds(run.scratch.dsn)
    completed, dead = frozenset({"completed"}), frozenset({"dead"})
    return History(
        **parts,
        began_at=run.began_at,
        lease_seconds=LEASE_SECONDS,
        acks=[ack for client in run.clients for ack in client.acks],
        marks=ledger_marks(run.folder / "ledger"),
        taken=run.receiver.taken,
        struck=in_server_time(run.nemesis.struck, ahead_seconds),
        deaths=run.fleet.deaths,
        overlaps=run.watch.overlaps,
        schedules=run.schedules,
        cancels=frozenset().union(*(client.cancels for client in run.clients)),
        bounds={"type:chaos-limited:account": LIMIT},
        children_of={"chaos-parent": CHILDREN},
        writes_of={
            **dict.fromkeys(("chaos-work", "chaos-limited", "chaos-single", "chaos-tick"), frozenset({"work"})),
            **dict.fromkeys(("chaos-parent", "chaos-send"), frozenset({"work"})),
            "chaos-steps": frozenset({"first", "second"}),
        },
        ends_of={"chaos-work": completed, "chaos-doomed": dead, "chaos-poison": dead},
    )


def _facts(run: _Run, plan: Sequence[Fault]) -> Facts:
    return Facts(
        seed=run.options.seed,
        seconds=run.options.seconds,
        settle_seconds=run.settle_seconds,
        connections_most=max(place.link.connections_most for place in run.fleet.places),
        connections_allowed=CONNECTIONS_ALLOWED,
        doubts=sum(client.doubts for client in run.clients),
        skipped=run.nemesis.skipped,
        plan=[str(fault) for fault in plan],
    )


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


def _settings(folder: Path, receiver_port: int, quiet_seconds: float) -> Mapping[str, str]:
    return {
        "DAEMON__LEASE_SECONDS": str(LEASE_SECONDS),
        "DAEMON__DRAIN_SECONDS": "1",
        "DATABASE__POOL_MAX": str(POOL_MAX),
        "QUEUES__NORMAL__SLOTS": str(SLOTS),
        "PLUGINS__CHAOS__LEDGER": str(folder / "ledger"),
        "PLUGINS__CHAOS__RECEIVER_PORT": str(receiver_port),
        "PLUGINS__CHAOS__QUIET_SECONDS": str(quiet_seconds),
    }
