"""Fails a Patroni cluster over again and again under load, and holds what was lost against what was told.

Usage: PYTHONPATH=tests/engine:tests/failover python tests/failover/failing_over.py [failovers] [sync|async] [seed]
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
from asyncpg.connect_utils import SessionAttribute
from failover_verdict import Database, Ledger, Report, breaches
from fleet import Fleet, install_plugin
from patroni_cluster import Cluster, family, missing, send, walsenders

from crmd.embedded.account import server_account

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from patroni_cluster import Node

HERE = Path(__file__).parent
DAEMONS = 2
BATCH = 5
LOAD_SECONDS = 0.04
WAIT_SECONDS = 120.0
REPORTS = """
SELECT extract(epoch FROM kept_until)::float8 AS kept_until, extract(epoch FROM seen_at)::float8 AS seen_at,
    stopped::text[], claims_lost::text[] AS claims, outcomes_lost::text[] AS outcomes, jobs_lost::text[] AS jobs,
    is_complete
FROM crmd.failover WHERE timeline_after = $1
"""
ENQUEUE = (
    "SELECT crmd.enqueue('entry', jsonb_build_object('milliseconds', $2::integer))::text FROM generate_series(1, $1)"
)
LEFT = "SELECT (SELECT count(*) FROM crmd.job) + (SELECT count(*) FROM crmd.lease)"
ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


class Run:
    """The cluster, the daemons, the load and the ledger of one run."""

    def __init__(self, cluster: Cluster, fleet: Fleet, seed: int) -> None:
        self.cluster = cluster
        self.fleet = fleet
        self.random = random.Random(seed)  # noqa: S311 - a plan that can be repeated
        self.ledger = Ledger()
        self.reports: list[Report] = []
        self.faults: Counter[str] = Counter()
        self.back_seconds: list[float] = []

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection to the primary, as soon as there is one."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return await asyncpg.connect(
                    self.cluster.dsn, target_session_attrs=SessionAttribute.primary, timeout=3, command_timeout=5
                )
            except ERRORS:
                assert time.monotonic() < deadline, "there is no primary"
                await anyio.sleep(0.1)

    async def load(self, stop: anyio.Event) -> None:
        """Enqueue until told to stop; whatever was acknowledged is noted with the time."""
        while not stop.is_set():
            connection = await self.connect()
            with suppress(*ERRORS):
                while not stop.is_set():
                    rows = await connection.fetch(ENQUEUE, BATCH, self.random.choice((0, 5, 50, 400)))
                    self.ledger.acknowledged.update({row[0]: time.time() for row in rows})
                    await anyio.sleep(LOAD_SECONDS)
            connection.terminate()

    async def fail_over(self, number: int) -> None:
        """One failover by one of the faults; the next begins when both daemons have reported this one."""
        leader = await self.cluster.healthy(number)
        kinds: dict[str, Callable[[Node], Awaitable[None]]] = {
            "kill": self.kill, "lag": self.lag, "switch": self.switch, "etcd": self.pause_etcd,
        }  # fmt: skip
        kind = ("lag", "switch", "kill")[number - 1] if number <= 3 else self.random.choice(list(kinds))
        self.faults[kind] += 1
        before = await anyio.to_thread.run_sync(self.cluster.timeline)
        await kinds[kind](leader)
        after = await self.changed(before)
        lost = self.reports[-DAEMONS:]
        figures = {
            name: sum(len(getattr(one, name)) for one in lost) for name in ("stopped", "claims", "outcomes", "jobs")
        }
        say(f"{number}: {kind}, timeline {after}: {figures}, work went on after {self.back_seconds[-1]:.1f} s")

    async def changed(self, before: int) -> int:
        """Wait for the reports of both daemons on a newer timeline; answers which."""
        deadline = time.monotonic() + WAIT_SECONDS
        promoted = 0.0
        while time.monotonic() < deadline:
            connection = await self.connect()
            with suppress(*ERRORS):
                after = await connection.fetchval(
                    "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
                )
                if after > before:
                    promoted = promoted or time.monotonic()
                    rows = await connection.fetch(REPORTS, after)
                    if len(rows) == DAEMONS:
                        self.back_seconds.append(time.monotonic() - promoted)
                        self.reports += [_report(row) for row in rows]
                        connection.terminate()
                        return int(after)
            connection.terminate()
            await anyio.sleep(0.05)
        logs = "\n".join(daemon.text()[-1500:] for daemon in self.fleet.daemons)
        raise AssertionError(f"not every daemon has reported a timeline behind {before}\n{logs}")

    async def kill(self, leader: Node) -> None:
        """The whole PostgreSQL of the primary, with -9."""
        for process in family(leader.postmaster(self.cluster.folder)):
            send(process, signal.SIGKILL)

    async def lag(self, leader: Node) -> None:
        """The same while the standby has not got what was committed last."""
        for process in walsenders(leader.postmaster(self.cluster.folder)):
            send(process, signal.SIGSTOP)
        await anyio.sleep(self.random.uniform(0.3, 1.0))
        await self.kill(leader)

    async def switch(self, leader: Node) -> None:
        """In order, as for an upgrade of the machine."""
        await anyio.to_thread.run_sync(self.cluster.switch_over, leader)

    async def pause_etcd(self, leader: Node) -> None:
        """Nobody can be leader for a while; then the primary dies."""
        assert self.cluster.etcd is not None
        self.cluster.etcd.send_signal(signal.SIGSTOP)
        await anyio.sleep(self.random.uniform(4.0, 8.0))
        self.cluster.etcd.send_signal(signal.SIGCONT)
        await self.kill(leader)

    async def finish(self) -> Database:
        """Wait until every job has ended, or none ends any more; answers what is in the database."""
        await self.cluster.healthy()
        connection = await self.connect()
        least, deadline = await connection.fetchval(LEFT), time.monotonic() + WAIT_SECONDS
        while (left := await connection.fetchval(LEFT)) and time.monotonic() < deadline:
            if left < least:
                least, deadline = left, time.monotonic() + WAIT_SECONDS
            await anyio.sleep(0.2)
        rows = await connection.fetch("SELECT id::text, status FROM crmd.jobs")
        booked = await connection.fetch("SELECT job_id::text FROM ledger.entry")
        await connection.close()
        return Database({row["id"]: row["status"] for row in rows}, frozenset(row[0] for row in booked))


def _report(row: Any) -> Report:  # noqa: ANN401 - a row of crmd.failover
    return Report(
        row["kept_until"], row["seen_at"], frozenset(row["stopped"]), frozenset(row["claims"]),
        frozenset(row["outcomes"]), frozenset(row["jobs"]), row["is_complete"],
    )  # fmt: skip


async def main(failovers: int, *, is_sync: bool, seed: int) -> int:
    """Run; answers the exit code."""
    account = server_account(None)
    folder = Path(tempfile.mkdtemp(prefix="crmd-failover-"))
    os.chown(folder, account.uid, account.gid)
    install_plugin(folder / "site", "ledger", "ledger_plugin")
    shutil.copytree(HERE / "ledger_plugin", folder / "site" / "ledger_plugin")
    shutil.copy(HERE / "ledger_jobs.py", folder / "site")
    os.environ["LEDGER"] = str(folder / "ledger.txt")
    cluster = Cluster(folder, account, is_sync)
    fleet = Fleet("", folder, connection=None)  # type: ignore[arg-type]  # nobody looks on
    say(f"{failovers} failovers, {'synchronous' if is_sync else 'asynchronous'}, seed {seed}, in {folder}")
    try:
        cluster.start()
        await cluster.healthy()
        found = await _drive(Run(cluster, fleet, seed), failovers, is_sync=is_sync)
    finally:
        for daemon in fleet.daemons:
            daemon.process.kill()
        cluster.stop()
    if not found:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if found else 0


async def _drive(run: Run, failovers: int, *, is_sync: bool) -> list[str]:
    run.fleet.dsn = run.cluster.dsn
    for _ in range(DAEMONS):
        run.fleet.start(plugins__enabled='["ledger"]', daemon__lease_seconds="10", queues__fast__slots="50")
    run.fleet.connection = await run.connect()
    await run.fleet.ready(DAEMONS)
    run.fleet.connection.terminate()
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run.load, stop)
        for number in range(1, failovers + 1):
            await anyio.sleep(1.0)
            await run.fail_over(number)
        stop.set()
    database = await run.finish()
    run.ledger.read(await anyio.Path(os.environ["LEDGER"]).read_text())
    found = list(breaches(run.ledger, database, run.reports, is_sync=is_sync))
    lost = len(run.ledger.acknowledged.keys() - database.statuses.keys())
    again = sum(times > 1 for times in run.ledger.ended.values())
    say(f"{len(run.ledger.acknowledged)} jobs acknowledged, {failovers} failovers {dict(run.faults)}")
    say(f"{lost} lost, {again} ended twice, {len(found)} breaches")
    back = sorted(run.back_seconds)
    say(f"work went on after {back[len(back) // 2]:.1f} s at the median, {back[-1]:.1f} s at most")
    for sentence in found[:50]:
        say(sentence)
    return found


if __name__ == "__main__":
    if absent := missing():
        say(f"Not installed: {absent}. apt-get install etcd-server patroni postgresql-15")
        sys.exit(1)
    count, mode, planned = [*sys.argv[1:], "", "", ""][:3]
    if not (count or "3").isdecimal() or mode not in {"", "sync", "async"} or not (planned or "0").isdecimal():
        say("FAILOVERS= and SEED= are whole numbers, MODE= is sync or async.")
        sys.exit(2)
    failovers, seed = int(count or 3), int(planned or time.time_ns() % 10_000)
    sys.exit(anyio.run(lambda: main(failovers, is_sync=mode != "async", seed=seed)))
