"""How long small tenants wait behind a big one, and what a pause costs.

Every figure is taken on an embedded PostgreSQL that flushes each commit, with daemons started as users start them.
BENCH_PARTS names the parts to run. How fast jobs with limits are drained is a figure of `make bench`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from fleet import install_plugin

from crmd.embedded.supervisor import temporary_embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection = asyncpg.Connection[asyncpg.Record]

JOBS = int(os.environ.get("BENCH_JOBS", "100000"))
BIG = int(os.environ.get("BENCH_BIG", "1000000"))
PARTS = os.environ.get("BENCH_PARTS", "turns,pause").split(",")
SMALL_TENANTS = 99
SMALL_JOBS = 10
PAGE = 10_000
PATIENCE_SECONDS = 600
ENQUEUE = "SELECT count(*) FROM crmd.enqueue_many($1, array_fill('{}'::jsonb, ARRAY[$2::int]), $3::uuid)"
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}


def tenant(number: int) -> str:
    """A workspace's id."""
    return f"{number:032x}"


def say(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@asynccontextmanager
async def database() -> AsyncIterator[tuple[Connection, dict[str, str], Path]]:
    """A migrated database, the environment of daemons on it, and their folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_plugin(folder / "site", "bench", "fair_plugin")
        async with temporary_embedded(DURABLE) as server:
            dsn = server.dsn.reveal()
            environ = {
                **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
                "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(Path(__file__).parent)]),
                "CRMD__DATABASE__DSN": dsn,
                "CRMD__PLUGINS__ENABLED": '["bench"]',
                "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
            }
            migrate = [sys.executable, "-m", "crmd", "migrate"]
            await asyncio.to_thread(subprocess.run, migrate, env=environ, check=True, stdout=subprocess.DEVNULL)
            connection = await asyncpg.connect(dsn)
            yield connection, environ, folder
            await connection.close()


@asynccontextmanager
async def daemons(environ: dict[str, str], folder: Path, count: int) -> AsyncIterator[None]:
    """So many daemons."""
    with (folder / "daemons.log").open("ab") as log:
        command = [sys.executable, "-m", "crmd", "run"]
        processes = [
            await asyncio.create_subprocess_exec(*command, env=environ, stdout=log, stderr=log) for _ in range(count)
        ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await process.wait()


async def until(connection: Connection, query: str) -> None:
    """Wait until a query answers true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await connection.fetchval(query):
        if time.monotonic() > deadline:
            raise SystemExit(f"check failed: not within {PATIENCE_SECONDS} s: {query}")
        await asyncio.sleep(0.02)


async def turns() -> None:
    """A tenant with very many jobs, and then many tenants with few; the daemons work all the while."""
    async with database() as (connection, environ, folder):
        for _ in range(0, BIG, PAGE):
            await connection.fetch(ENQUEUE, "open", min(PAGE, BIG), tenant(1))
        await connection.execute("VACUUM ANALYZE crmd.job")
        async with daemons(environ, folder, 2):
            await until(connection, "SELECT count(*) > 1000 FROM (SELECT FROM crmd.archive LIMIT 1001) a")
            for number in range(SMALL_TENANTS):
                await connection.fetch(ENQUEUE, "open", SMALL_JOBS, tenant(number + 2))
            waiting = f"SELECT EXISTS (SELECT FROM crmd.job WHERE lane LIKE '%{tenant(1)[-12:]}')"
            is_big_waiting = await connection.fetchval(waiting)
            await until(
                connection,
                f"SELECT count(*) = {SMALL_TENANTS * SMALL_JOBS} FROM crmd.archive WHERE workspace_id <> '{tenant(1)}'",
            )
        row = await connection.fetchrow(
            "SELECT percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - "
            "created_at)::float8) AS waits FROM crmd.archive WHERE workspace_id <> $1", tenant(1),
        )  # fmt: skip
    assert row is not None, "an aggregate always answers a row"
    if not is_big_waiting:
        raise SystemExit("check failed: the big tenant was done before the small ones came")
    half, most, last = row["waits"]
    say(f"behind {BIG:,} jobs of one tenant, {SMALL_TENANTS} tenants with {SMALL_JOBS} each wait until theirs start:")
    say(f"p50 {half:.3f} s   p99 {most:.3f} s   longest {last:.3f} s")


async def pause() -> None:
    """A drain beside a million paused jobs: of a type without a workspace, which a pause gives a lane."""
    for waiting in (0, BIG):
        async with database() as (connection, environ, folder):
            for _ in range(0, waiting, PAGE):
                await connection.fetch(ENQUEUE, "keyed", PAGE, None)
            await connection.execute("SELECT crmd.pause('type:keyed', 'bench')")
            began = time.monotonic()
            while await connection.fetchval("SELECT crmd.relane(5000)"):
                pass
            relane_seconds = time.monotonic() - began
            for number in range(0, JOBS, PAGE):
                await connection.fetch(ENQUEUE, "open", PAGE, None if number % 2 else tenant(number + 1))
            await connection.execute("VACUUM ANALYZE crmd.job")
            async with daemons(environ, folder, 1):
                await until(connection, f"SELECT count(*) >= {JOBS} FROM crmd.archive")
            row = await connection.fetchrow(
                "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 AS seconds, "
                "(SELECT coalesce(sum(attempt + crash_count), 0) FROM crmd.job) AS spent FROM crmd.archive"
            )
        assert row is not None, "an aggregate always answers a row"
        if row["spent"]:
            raise SystemExit(f"check failed: paused jobs have spent {row['spent']} attempts")
        say(
            f"drain beside {waiting:9,} paused jobs  {JOBS / row['seconds']:10,.0f} /s   "
            f"they were given a lane in {relane_seconds:.1f} s, and spent no attempt"
        )


async def main() -> None:
    """Run the parts."""
    parts = {"turns": turns, "pause": pause}
    for name in PARTS:
        await parts[name]()


if __name__ == "__main__":
    asyncio.run(main())
