"""What grows has an end: every table of the core is swept, is dropped by days, or is as small as what it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

QUERIES = Path(crmd.__file__).parent / "store" / "queries"
# The function that counts ended jobs lets old figures go.
COUNTING = Path(crmd.__file__).parent / "store" / "migrations" / "0018_views.sql"
SWEEPS = (
    "upkeep_sweep", "job_log_sweep", "effect_sweep", "blame_sweep", "gate_sweep", "projection_forget",
    "projection_cleared", "daemon_bury", "failover_tell", "webhook_sweep", "api_answer_put", "api_job_made",
    "alerts_forget", "watching_put",
)  # fmt: skip
# As many rows as there are jobs in hand.
IN_HAND = {"job", "lease"}
# As many as there are plugins, job types, providers, limits, daemons, classes, or things that operators have made.
BOUNDED = {
    "migration", "job_type", "concurrency", "trigger", "event_function", "retry_budget", "quarantine", "retention",
    "event_horizon", "ended_until", "figures", "tuning", "template", "connection", "connection_secret", "cursor",
    "event_listener", "api_key", "webhook", "plugin_grade",
}  # fmt: skip
# What operators did is kept for as long as the database is.
KEPT = {"audit"}


async def test_every_table_that_grows_has_an_end(database: Pool) -> None:
    """A new table is swept by upkeep, partitioned by days, or named here with the reason why it stays small."""
    rows = await database.fetch(
        "SELECT relname, relkind = 'p' AS is_by_day FROM pg_class WHERE relnamespace = 'crmd'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    swept = {
        table
        for name in SWEEPS
        for table in re.findall(r"DELETE FROM crmd\.(\w+)", (QUERIES / f"{name}.sql").read_text("utf-8"))
    }
    swept |= set(re.findall(r"DELETE FROM crmd\.(\w+)", COUNTING.read_text("utf-8")))
    by_day = {row["relname"] for row in rows if row["is_by_day"]}
    assert {row["relname"] for row in rows} - by_day - swept - IN_HAND - KEPT == BOUNDED
