"""Every statement fits the schema, and the hot ones use the index they rely on, however full the tables are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from crmd.store.leases import BEGINNING, claim_ready, new_claim_id
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.testing import Workbench

CORE = load_queries("crmd.store")
BUILT_IN = ("crm", "gmail", "contacts", "health")
NOBODY = UUID(int=0)
# Statements that make tables or take locks as they are prepared, or that belong to another role's session.
NOT_PREPARED = {"migration_ledger", "role_app", "role_engine", "lock_patience"}

# What the pool for work runs again and again, and the indexes that it has to keep to.
WORK = {
    "claim_ready": "job_ready job_pkey daemon_pkey",
    "next_due": "job_ready job_lane",
    "lanes_due": "job_lane",
    "lanes_critical": "job_lane_critical job_lane",
    "settle_done": "lease_pkey",
    "settle_ended": "lease_pkey waiting_pkey",
    "settle_returned": "lease_pkey waiting_met",
    "leases_hold": "lease_pkey",
    "families_hold": "family_pkey",
    "lease_progress": "lease_pkey",
    "item_outcomes": "lease_pkey",
}

SCANS = """
SELECT relid, seq_scan FROM pg_stat_xact_user_tables
WHERE relid = ANY ('{crmd.job, crmd.lease, crmd.archive}'::regclass[]) ORDER BY relid
"""

FILL = """
INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, lane)
SELECT crmd.uuid7(), t.due_at, t.due_at, t.due_at, 3, 'x', $3, 'normal', '{}', $4
FROM generate_series(1, $1), (SELECT clock_timestamp() + $2::text::interval AS due_at) t
"""


def _statements() -> Iterator[tuple[str, str]]:
    for name, text in CORE:
        if name not in NOT_PREPARED:
            yield name, text


@pytest.mark.crmd_plugins
async def test_core_statements_fit_the_schema(workbench: Workbench) -> None:
    """Each file of the core is one statement that PostgreSQL accepts, with the parameters that it names."""
    async with workbench.everything.pools.control.acquire() as connection:
        for name, text in _statements():
            try:
                statement = await connection.prepare(text)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")
            named = {int(number) for number in re.findall(r"\$(\d+)", _without_comments(text))}
            assert len(statement.get_parameters()) == max(named, default=0), name


@pytest.mark.crmd_plugins(*BUILT_IN)
async def test_plugins_statements_fit_the_schema(workbench: Workbench) -> None:
    """Each file of the built-in plugins is one statement that PostgreSQL accepts."""
    async with workbench.everything.pools.control.acquire() as connection:
        for plugin in BUILT_IN:
            package = f"crmd_{plugin}"
            if not (Path(importlib.import_module(package).__file__ or "").parent / "queries").is_dir():
                continue
            queries = load_queries(package)
            for name, text in queries:
                try:
                    await connection.prepare(text)
                except asyncpg.PostgresError as error:
                    pytest.fail(f"{package} {name}: {error}")


@pytest.mark.crmd_plugins
@pytest.mark.parametrize("depth", [100, 20_000])
async def test_claim_uses_its_index(workbench: Workbench, depth: int) -> None:
    """A claim reads what it takes, behind future jobs and with or without statistics."""
    pool = workbench.everything.pools.control
    await pool.execute(FILL, depth, "-1 minute", "fast", None)
    await pool.execute(FILL, depth * 3, "1 day", "fast", None)
    for analyzed in (False, True):
        if analyzed:
            await pool.execute("ANALYZE crmd.job")
        plan = await _plan(workbench, CORE.claim_ready, "fast", 50, NOBODY, *BEGINNING, workbench._daemon_id, [])
        if depth > 1_000:  # PostgreSQL 15 rather scans the few pages of a small table, and is right
            assert "job_ready" in _indexes(plan)
            assert "Seq Scan on job" not in _scans(plan)
        assert _rows_read(plan, "job_ready") <= 50


@pytest.mark.crmd_plugins
async def test_lanes_are_hopped_not_scanned(workbench: Workbench) -> None:
    """Finding due lanes costs a few rows a lane, however many jobs a lane has."""
    pool = workbench.everything.pools.control
    for lane in range(5):
        await pool.execute(FILL, 5_000, "-1 minute", "normal", f"type:x:workspace/{lane}")
    await pool.execute("ANALYZE crmd.job")
    plan = await _plan(workbench, CORE.lanes_due, "normal", "", 256)
    assert "job_lane" in _indexes(plan)
    assert _rows_read(plan, "job_lane") <= 20


@pytest.mark.crmd_plugins
async def test_a_claim_of_lanes_reads_what_it_takes(workbench: Workbench) -> None:
    """However much waits and runs in other lanes, a claim reads the jobs that it takes, and each of them twice."""
    pool = workbench.everything.pools.control
    for lane in range(5):
        await pool.execute(FILL, 5_000, "-1 minute", "normal", f"type:x:workspace/{lane}")
    await pool.execute("ANALYZE crmd.job; INSERT INTO crmd.concurrency (name, max) VALUES ('type:x:workspace', 5)")
    lanes = ["type:x:workspace/1", "type:x:workspace/3"]
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            CORE.claim_lanes, "normal", lanes, [9, 9], 50, NOBODY, workbench._daemon_id, [], [], []
        )
        assert len(rows) == 10
        read = await connection.fetchrow(
            "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'crmd.job'::regclass"
        )
    assert read is not None
    assert read["seq_scan"] == 0
    assert read["idx_tup_fetch"] <= 24


@pytest.mark.crmd_plugins
@pytest.mark.parametrize("depth", [0, 20_000])
async def test_work_is_planned_once_for_every_size(workbench: Workbench, depth: int) -> None:
    """What jobs pass through keeps to its index with the plan made first, that of empty tables included."""
    pools = workbench.everything.pools
    await pools.control.execute(FILL, depth, "-1 minute", "fast", None)
    async with pools.work.acquire() as connection:
        for name, indexes in WORK.items():
            text = getattr(CORE, name)
            count = max(int(number) for number in re.findall(r"\$(\d+)", _without_comments(text)))
            await connection.execute(f"PREPARE one AS {text}")
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE one ({', '.join(['NULL'] * count)})")
            await connection.execute("DEALLOCATE one")
            found = msgspec.json.decode(plan)[0]["Plan"]
            scans = {scan.partition(" on ")[0] for scan in _scans(found)} - {"ModifyTable"}
            assert scans <= {"Index Scan", "Index Only Scan"}, name
            assert _indexes(found) == set(indexes.split()), name


@pytest.mark.crmd_plugins
async def test_a_cancel_reads_no_table_whole(workbench: Workbench) -> None:
    """A cancel, and the heartbeat that takes it along, find what they look for by index, however much runs."""
    pool, daemon_id = workbench.everything.pools.control, workbench._daemon_id
    await pool.execute(FILL, 3_000, "-1 minute", "fast", None)
    rows = await claim_ready(pool, daemon_id, "fast", 3_000, BEGINNING, new_claim_id())
    await pool.execute("ANALYZE crmd.lease; ANALYZE crmd.job")
    async with pool.acquire() as connection, connection.transaction():
        before = await connection.fetch(SCANS)
        for row in rows[:8]:  # a function plans its first five times for the values at hand
            assert await connection.fetchval("SELECT crmd.cancel($1)", row["id"]) == "requested"
        assert len(await connection.fetchval(CORE.daemon_beat, daemon_id, 15.0)) == 8
        assert await connection.fetch(SCANS) == before


async def _plan(workbench: Workbench, query: str, *args: object) -> dict[str, Any]:
    """The plan as it was executed; what it did is rolled back."""
    async with workbench.everything.pools.control.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args)
        finally:
            await transaction.rollback()
    plan: dict[str, Any] = msgspec.json.decode(text)[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def _indexes(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in _nodes(plan) if "Index Name" in node}


def _scans(plan: dict[str, Any]) -> set[str]:
    return {f"{node['Node Type']} on {node['Relation Name']}" for node in _nodes(plan) if "Relation Name" in node}


def _rows_read(plan: dict[str, Any], index: str) -> int:
    nodes = [node for node in _nodes(plan) if node.get("Index Name") == index]
    return int(
        sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes)
    )


def _without_comments(text: str) -> str:
    return "\n".join(line.partition("--")[0] for line in text.splitlines())
