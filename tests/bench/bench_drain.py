"""How fast one daemon drains typed no-op jobs, beside what pgbench reaches with a bare queue in the same run.

Every figure is taken on an embedded PostgreSQL that flushes each commit. The daemon is started as users start it. No
figure is printed unless each job was done exactly once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from fleet import install_plugin

from crmd.embedded.binaries import find_binaries
from crmd.embedded.supervisor import temporary_embedded
from crmd.store import jobs
from crmd.store.pools import Server, open_pools

JOBS = int(os.environ.get("BENCH_JOBS", "50000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CLIENTS = 8
BASELINE_SECONDS = 5
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}
QUEUE = """
CREATE TABLE bare (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, payload text NOT NULL);
INSERT INTO bare (payload) SELECT 'x' FROM generate_series(1, 400000);
VACUUM ANALYZE bare;
"""
TAKE = "DELETE FROM bare WHERE id = (SELECT id FROM bare ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n"


def baseline(dsn: str, folder: Path) -> float:
    """Transactions a second of pgbench: claim and delete one row, eight clients."""
    subprocess.run([_program("psql"), "-q", "-X", dsn, "-f", "-"], input=QUEUE, text=True, check=True)
    script = folder / "take.sql"
    script.write_text(TAKE)
    command = [_program("pgbench"), "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(BASELINE_SECONDS), "-M", "prepared"]
    answer = subprocess.run([*command, "-f", str(script), dsn], capture_output=True, text=True, check=True)
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("tps")]
    return float(line.split()[2])


async def drain(dsn: str, folder: Path) -> dict[str, float]:
    """Enqueue, start a daemon, and wait until all is done; figures from the database's clock."""
    environ = _environment(dsn, folder)
    await asyncio.to_thread(_migrate, environ)
    enqueue_seconds = await _enqueue(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute("VACUUM ANALYZE crmd.job")
    wal = await connection.fetchval("SELECT pg_current_wal_lsn()")
    begun_at = await connection.fetchval("SELECT clock_timestamp()")
    daemon = _start(environ, folder)
    try:
        await _until_done(connection)
        row = await connection.fetchrow(
            "SELECT count(DISTINCT id) AS jobs, sum(attempt) AS attempts, min(started_at) AS first, "
            "max(finished_at) AS last FROM crmd.archive WHERE status = 'completed'"
        )
        wal_bytes = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)", wal)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
        await connection.close()
    assert row is not None, "an aggregate always answers a row"
    if (row["jobs"], row["attempts"]) != (JOBS, JOBS):
        raise SystemExit(f"check failed: {row['jobs']} jobs done in {row['attempts']} attempts, not {JOBS} once each")
    return {
        "drain": JOBS / (row["last"] - row["first"]).total_seconds(),
        "enqueue": JOBS / enqueue_seconds,
        "first_claim": (row["first"] - begun_at).total_seconds(),
        "wal": float(wal_bytes) / JOBS,
    }


def _migrate(environ: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "crmd", "migrate"], env=environ, check=True, stdout=subprocess.DEVNULL)


def _start(environ: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "daemon.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "crmd", "run"], env=environ, stdout=log, stderr=log)


async def _enqueue(dsn: str) -> float:
    async with open_pools(Server(dsn=dsn)) as pools:
        began = time.perf_counter()
        for start in range(0, JOBS, 1000):
            payloads = [msgspec.json.encode({"number": start + n}) for n in range(1000)]
            await jobs.enqueue_many(pools.control, jobs.NewJobs(type="no-op", payloads=payloads))
        return time.perf_counter() - began


async def _until_done(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM crmd.job) OR EXISTS (SELECT FROM crmd.lease)"):
            return
        await asyncio.sleep(0.05)
    raise SystemExit("check failed: the jobs were not done within 300 s")


def _environment(dsn: str, folder: Path) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(Path(__file__).parent)]),
        "CRMD__DATABASE__DSN": dsn,
        "CRMD__PLUGINS__ENABLED": '["bench"]',
        "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
    }


def _program(name: str) -> str:
    return str(find_binaries().program(name))


async def main() -> dict[str, object]:
    """Print the table; `BENCH_JSON=path` keeps the figures as well."""
    figures: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_plugin(folder / "site", "bench", "no_op_plugin")
        for number in range(ROUNDS):
            async with temporary_embedded(DURABLE) as server:
                dsn = server.dsn.reveal()
                rate = baseline(dsn, folder)
                figures.append({"baseline": rate, **await drain(dsn, folder)})
            sys.stderr.write(f"round {number + 1} of {ROUNDS} done\n")
    median = {key: statistics.median(one[key] for one in figures) for key in figures[0]}
    sys.stdout.write(
        f"pgbench, claim and delete one row, {CLIENTS} clients   {median['baseline']:10,.0f} /s   1.0 x\n"
        f"drain of {JOBS:,} typed no-op jobs, one daemon  {median['drain']:10,.0f} /s   "
        f"{median['drain'] / median['baseline']:.1f} x\n"
        f"enqueue in batches of 1,000                   {median['enqueue']:10,.0f} /s   "
        f"{median['enqueue'] / median['baseline']:.1f} x\n"
        f"start of the process to its first claim       {median['first_claim']:10.2f} s\n"
        f"WAL a job, claim to settled                   {median['wal']:10,.0f} bytes\n"
    )
    return {"jobs": JOBS, "rounds": figures, "median": median}


if __name__ == "__main__":
    taken = asyncio.run(main())
    if target := os.environ.get("BENCH_JSON"):
        Path(target).write_text(json.dumps(taken, indent=1))
