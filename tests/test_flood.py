"""A job that says too much: of its result, its log, its items and its progress a bounded part is kept, with a note."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from fleet import install_plugin, running_fleet

import crmd
from crmd.engine.job_log import LINES_MAX, JobLog

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing import Workbench

HUGE = 20_000_000
MANY = 20_000
ROW_BYTES_MAX = 64 * 1024
ERRORS_MAX = 20
APPEND = 'SELECT crmd.append_error($1::text::jsonb, \'{"class": "Wrong"}\')::text'
COUNT_WRITES = """
CREATE SEQUENCE public.writes;
CREATE FUNCTION public.count_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('public.writes'); RETURN NEW; END $$;
CREATE TRIGGER count_write AFTER UPDATE OF progress ON crmd.lease FOR EACH ROW EXECUTE FUNCTION public.count_write();
"""
BABBLES = """
import time
import anyio
import crmd

@crmd.job("babbles", queue="fast")
async def babbles(ctx: crmd.Context) -> int:
    until, told = time.monotonic() + 3, 0
    while time.monotonic() < until:
        told += 1
        ctx.progress(told)
        await anyio.sleep(0.001)
    return told
"""


@crmd.job("floods", max_attempts=1)
async def floods(ctx: crmd.Context) -> str:
    """Says a lot of everything."""
    for number in range(MANY):
        ctx.progress(number, MANY, f"{number} of them " + "n" * 1000)
        ctx.log.info("line %d %s", number, "l" * 3000)
    ctx.progress(MANY, MANY, "n" * HUGE)
    ctx.failed("i" * HUGE, "r" * HUGE)
    return "v" * HUGE


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def test_of_a_flood_a_bounded_part_is_kept(workbench: Workbench) -> None:
    """Megabytes of result, note, item and reason become one small row each; of the log the last lines are kept, cut."""
    log = JobLog()
    log.begin()
    try:
        done = await workbench.run_job("floods")
        await log.write_once(workbench._pool)
    finally:
        log.end()
    assert (done.status, done.result) == ("completed", {"truncated": True, "bytes": HUGE + 2})
    assert await workbench._pool.fetchval("SELECT max(octet_length(a::text)) FROM crmd.archive a") < ROW_BYTES_MAX
    assert await workbench._pool.fetchval("SELECT max(octet_length(i::text)) FROM crmd.item i") < ROW_BYTES_MAX
    said = await workbench._pool.fetch(
        "SELECT line ->> 'text' AS text FROM crmd.job_log, jsonb_array_elements(lines) WITH ORDINALITY l (line, place)"
        " ORDER BY id, place"
    )
    assert f"{MANY - LINES_MAX} earlier lines were dropped" in said[0]["text"]
    assert said[-1]["text"].startswith(f"line {MANY - 1} lll")
    assert len(said) == LINES_MAX + 1
    assert max(len(line["text"]) for line in said) <= 2000


async def test_of_its_errors_a_job_keeps_the_last(workbench: Workbench) -> None:
    """However often it fails, its record holds so many errors."""
    errors = "[]"
    for _ in range(ERRORS_MAX + 5):
        errors = await workbench._pool.fetchval(APPEND, errors)
    assert await workbench._pool.fetchval("SELECT jsonb_array_length($1::text::jsonb)", errors) == ERRORS_MAX


@pytest.mark.slow
async def test_progress_is_written_twice_a_second_at_most(crmd_dsn: str, tmp_path: Path) -> None:
    """However often a job of a daemon says how far it is, its row is written twice a second, rightly at the end."""
    install_plugin(tmp_path / "site", "babbler", "babbler_plugin")
    (tmp_path / "site" / "babbler_plugin.py").write_text(BABBLES, "utf-8")
    async with running_fleet(crmd_dsn, tmp_path, 1, plugins__enabled='["fleet", "babbler"]') as fleet:
        await fleet.connection.execute(COUNT_WRITES)
        await fleet.enqueue("babbles", 1)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", 1)
        [row] = await fleet.connection.fetch(
            "SELECT extract(epoch FROM finished_at - started_at)::float8 AS seconds,"
            " (progress ->> 'done')::int AS done, (result #>> '{}')::int AS told,"
            " (SELECT last_value FROM public.writes) AS writes FROM crmd.archive"
        )
    assert row["done"] == row["told"] > 100
    assert 1 <= row["writes"] <= 2 * row["seconds"] + 1
