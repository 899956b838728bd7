"""What everything is compared to: pgbench takes one row after the other off a bare queue, from eight clients."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

from crmd.embedded.binaries import find_binaries

if TYPE_CHECKING:
    from speed.database import Ground

CLIENTS = 8
ROWS_PER_SECOND_MAX = 60_000
QUEUE = """
CREATE TABLE bare (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, payload text NOT NULL);
INSERT INTO bare (payload) SELECT 'x' FROM generate_series(1, $1);
"""
TAKE = "DELETE FROM bare WHERE id = (SELECT id FROM bare ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);\n"


async def measure_baseline(ground: Ground, seconds: int) -> float:
    """Rows taken a second: claim and delete one row a transaction, each flushed, prepared statements."""
    async with ground.fresh(template="template0") as database:
        rows = seconds * ROWS_PER_SECOND_MAX
        for statement in QUEUE.replace("$1", str(rows)).strip().splitlines():
            await database.connection.execute(statement)
        await database.connection.execute("VACUUM ANALYZE bare")
        await database.connection.execute("CHECKPOINT")
        script = database.folder / "take.sql"
        script.write_text(TAKE)
        command = [find_binaries().program("pgbench"), "-n", "-c", str(CLIENTS), "-j", "2", "-M", "prepared"]
        command += ["-T", str(seconds), "-f", str(script), database.dsn]
        answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("tps")]
    return float(line.split()[2])
