"""How fast jobs are enqueued: one by one, in bulk, with keys that are free, and with keys that are taken.

Every figure is taken on an embedded PostgreSQL that flushes each commit. `BENCH_JOBS` and `BENCH_BATCH` set the sizes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from crmd.embedded.supervisor import temporary_embedded
from crmd.store import jobs
from crmd.store.migrate import migrate, read_migrations
from crmd.store.pools import Server, open_pools

if TYPE_CHECKING:
    from crmd.store.pools import Pool

JOBS = int(os.environ.get("BENCH_JOBS", "100000"))
BATCH = int(os.environ.get("BENCH_BATCH", "1000"))
SINGLES = 2000
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
}
TYPES = """
INSERT INTO crmd.job_type (name, plugin, queue, keys, unique_scope) VALUES
    ('plain', 'bench', 'normal', '[]', NULL),
    ('limited', 'bench', 'normal', '[{"name": "type:limited:workspace", "per": "workspace"}]', NULL),
    ('unique', 'bench', 'normal', '[]', 'unfinished')
"""


async def bulk(pool: Pool, **options: Any) -> float:  # noqa: ANN401 - options of every kind
    """Jobs a second in batches."""
    batches = [[msgspec.json.encode({"number": start + n}) for n in range(BATCH)] for start in range(0, JOBS, BATCH)]
    began = time.perf_counter()
    for payloads in batches:
        await jobs.enqueue_many(pool, jobs.NewJobs(payloads=payloads, **options))
    return JOBS / (time.perf_counter() - began)


async def singles(pool: Pool, **options: Any) -> list[float]:  # noqa: ANN401 - options of every kind
    """Milliseconds of each of so many calls, one after the other."""
    taken = []
    for number in range(SINGLES):
        began = time.perf_counter()
        new = jobs.NewJobs(payloads=[msgspec.json.encode({"number": -number})], **options)
        await jobs.enqueue_many(pool, new)
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


def tell(what: str, figure: float, unit: str) -> None:
    """One line."""
    sys.stdout.write(f"{what:54} {figure:12,.2f} {unit}\n")
    sys.stdout.flush()


async def main() -> None:
    """Print the figures."""
    async with temporary_embedded(DURABLE) as server, open_pools(Server(dsn=server.dsn.reveal())) as pools:
        pool = pools.control
        async with pool.acquire() as connection:
            await migrate(connection, read_migrations("crmd", "crmd.store"))
            await connection.execute(TYPES)
        for what, options in (("", {}), (", a key that is free", {"type": "unique"})):
            taken = await singles(pool, **{"type": "plain", **options})
            tell(f"one by one{what}: median", statistics.median(taken), "ms")
            tell(f"one by one{what}: 99 of 100 within", taken[int(len(taken) * 0.99)], "ms")
        tell(f"in batches of {BATCH:,}", await bulk(pool, type="plain"), "/s")
        limited = {"type": "limited", "workspace_id": uuid4()}
        tell(f"in batches of {BATCH:,}, a limit per workspace", await bulk(pool, **limited), "/s")
        tell(f"in batches of {BATCH:,}, keys that are free", await bulk(pool, type="unique"), "/s")
        tell(f"in batches of {BATCH:,}, keys that are taken", await bulk(pool, type="unique"), "/s")
        if hasattr(jobs.NewJobs, "on_conflict"):
            replaced = await bulk(pool, type="unique", on_conflict="replace")
            tell(f"in batches of {BATCH:,}, taken keys replaced", replaced, "/s")


if __name__ == "__main__":
    asyncio.run(main())
