"""A scheduled job is the job that crmd.enqueue_many would have made: two ways in, one kind of row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from crmd.engine.scheduler import schedule_once
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

SQL = load_queries("crmd.testing")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORKSPACE, USER, CONNECTION = (UUID(int=number) for number in (1, 2, 3))
PAYLOAD = {"connectionId": str(CONNECTION), "odd": "a b/c"}
KEYS = [
    {"name": "type:digest"},
    {"name": "type:digest:workspace", "per": "workspace"},
    {"name": "user", "per": "user"},
    {"name": "connection", "per": "connectionId"},
    {"name": "odd", "per": "odd"},
]
JOB_TYPES: dict[str, dict[str, Any]] = {
    "bare": {},
    "placed": {"queue": "slow", "priority": "critical", "max_attempts": 7},
    "lapsing": {"expires_seconds": 90.5, "priority": "low"},
    "versioned": {"payload_version": 3},
    "keyed": {"keys": KEYS},
    "keyed and more": {"keys": KEYS, "queue": "slow", "expires_seconds": 60.0, "payload_version": 2},
    "unique": {"unique_scope": "unfinished", "unique_fields": ["odd"], "unique_delay_seconds": 30.0, "keys": KEYS},
    "debounced": {
        "unique_scope": "waiting", "unique_on_conflict": "push_back", "unique_max_delay_seconds": 60.0,
        "expires_seconds": 5.0, "payload_version": 2,
    },
    "colliding": {"keys": [*KEYS, {"name": "one", "onFull": "reject_new"}], "expires_seconds": 60.0},
}  # fmt: skip
DECLARE = """
INSERT INTO crmd.job_type (name, plugin, aliases, queue, priority, max_attempts, keys, expires_seconds, payload_version,
    unique_scope, unique_fields, unique_on_conflict, unique_delay_seconds, unique_max_delay_seconds)
SELECT r.name, r.plugin, r.aliases, r.queue, r.priority, r.max_attempts, r.keys, r.expires_seconds, r.payload_version,
    r.unique_scope, r.unique_fields, r.unique_on_conflict, r.unique_delay_seconds, r.unique_max_delay_seconds
FROM jsonb_populate_record(NULL::crmd.job_type, $1::text::jsonb) r
"""
TICK = ("scheduleId", "dueAt", "timezone", "isBackfilled", "previousDueAt", "subject")


@pytest.fixture
async def frozen(database: Pool) -> Pool:
    """A database at a noon, with a limit that collides."""
    await database.execute(SQL.clock_inject)
    await database.execute(SQL.clock_freeze, NOW)
    await database.execute("INSERT INTO crmd.concurrency (name, max) VALUES ('one', 10)")
    return database


async def declare(pool: Pool, name: str = "digest", **options: Any) -> None:  # noqa: ANN401 - columns of crmd.job_type
    """Declare a job type."""
    row = {"name": name, "plugin": "test", "aliases": [], "queue": "normal", "priority": "normal", "max_attempts": 3}
    row |= {"keys": [], "payload_version": 1, **options}
    await pool.execute(DECLARE, msgspec.json.encode(row).decode())


async def the_job(pool: Pool) -> dict[str, Any]:
    """The one job there is, without what every job has of its own, and what only a tick gives it."""
    rows = await pool.fetch("SELECT * FROM crmd.job")
    await pool.execute("DELETE FROM crmd.job")
    await pool.execute("DELETE FROM crmd.unique_key")
    [row] = rows
    meta: Mapping[str, Any] = msgspec.json.decode(row["meta"] or "{}")
    job = {name: value for name, value in row.items() if name not in {"id", "meta"}}
    return {**job, "meta": {name: value for name, value in meta.items() if name not in TICK}}


async def fire(pool: Pool, job_type: str = "digest", overlap: str = "allow") -> None:
    """Schedule a job type for now, and let a daemon look."""
    await pool.execute(
        "SELECT crmd.schedule('s', $1, payload => $2::text::jsonb, workspace_id => $3, user_id => $4, at => $5,"
        " overlap => $6)",
        job_type,
        msgspec.json.encode(PAYLOAD).decode(),
        WORKSPACE,
        USER,
        NOW + timedelta(seconds=1),
        overlap,
    )
    await schedule_once(pool)
    await pool.execute(SQL.clock_freeze, NOW + timedelta(seconds=1))
    await schedule_once(pool)


@pytest.mark.parametrize("options", JOB_TYPES.values(), ids=JOB_TYPES)
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue_one"])
async def test_both_ways_in_make_one_kind_of_row(frozen: Pool, options: dict[str, Any], overlap: str) -> None:
    """For a job type with any of its options, a tick makes the row that an enqueue of the same payload makes."""
    await declare(frozen, **options)
    await fire(frozen, overlap=overlap)
    fired = await the_job(frozen)
    is_keyed = overlap != "allow" and "unique_scope" not in options
    await frozen.fetch(
        "SELECT crmd.enqueue_many('digest', ARRAY[$1::text::jsonb], $2, $3, crmd.clock(), unique_keys => $4)",
        msgspec.json.encode(PAYLOAD).decode(),
        WORKSPACE,
        USER,
        [f"schedule/{WORKSPACE}/s"] if is_keyed else None,
    )
    assert fired == await the_job(frozen)


async def test_a_name_wins_over_an_alias(frozen: Pool) -> None:
    """While a job type of the name stands, another one that was once called so does not get its ticks, too."""
    await declare(frozen)
    await declare(frozen, "summary", aliases=["digest"], queue="slow")
    await fire(frozen)
    assert (await the_job(frozen))["type"] == "digest"
    await frozen.execute("DELETE FROM crmd.job_type WHERE name = 'digest'")
    await frozen.execute("DELETE FROM crmd.schedule")
    await frozen.execute(SQL.clock_freeze, NOW)
    await frozen.execute("DELETE FROM crmd.tick")
    await fire(frozen)
    assert (await the_job(frozen))["type"] == "summary"


async def test_a_unique_name_wins_over_an_alias(frozen: Pool) -> None:
    """The same for job types whose jobs are enqueued one by one."""
    await declare(frozen, unique_scope="unfinished")
    await declare(frozen, "summary", aliases=["digest"], unique_scope="unfinished")
    await fire(frozen)
    assert (await the_job(frozen))["type"] == "digest"


async def test_no_clear_payload_becomes_a_job_of_a_sealed_type(frozen: Pool) -> None:
    """A schedule from before its job type sealed its payloads says so, however its jobs are made."""
    for options in ({}, {"unique_scope": "unfinished"}):
        await declare(frozen, **options)
        await frozen.execute("SELECT crmd.schedule('s', 'digest', payload => '{\"a\": 1}', at => crmd.clock())")
        await frozen.execute("UPDATE crmd.job_type SET is_payload_sealed = true")
        for _ in range(3):
            await schedule_once(frozen)
        assert await frozen.fetchval("SELECT count(*) FROM crmd.job") == 0
        assert "sealed" in await frozen.fetchval("SELECT error FROM crmd.schedule")
        await frozen.execute("TRUNCATE crmd.job_type, crmd.schedule, crmd.tick")
