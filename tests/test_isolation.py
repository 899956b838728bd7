"""Jobs in threads and processes, with a real daemon: what they do to their place is their own loss."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fleet import Fleet, install_plugin, running_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

pytestmark = pytest.mark.slow


@asynccontextmanager
async def running(dsn: str, folder: Path, count: int = 1, **settings: str) -> AsyncIterator[Fleet]:
    """Daemons that have the plugin of harm."""
    install_plugin(folder / "site", "isolated", "isolated_plugin")
    async with running_fleet(dsn, folder, count, plugins__enabled='["fleet", "isolated"]', **settings) as fleet:
        yield fleet


async def enqueue(fleet: Fleet, job_type: str, **payload: object) -> UUID:
    """A job of that type."""
    job_id: UUID = await fleet.connection.fetchval("SELECT crmd.enqueue($1, $2::jsonb)", job_type, json.dumps(payload))
    return job_id


async def ended(fleet: Fleet, job_id: UUID) -> Any:  # noqa: ANN401 - a row with its columns decoded
    """What became of a job, once it is over."""
    await fleet.until("SELECT count(*) FROM crmd.archive WHERE id = $1", 1, job_id)
    row = await fleet.connection.fetchrow("SELECT * FROM crmd.jobs WHERE id = $1", job_id)
    assert row is not None
    return {key: json.loads(row[key] or "null") for key in ("errors", "result", "progress")} | {
        key: row[key] for key in ("status", "attempt", "crash_count")
    }


@pytest.mark.parametrize(
    ("how", "word", "sentence"),
    [
        ("segfault", "Crashed", "killed by SIGSEGV in "),
        ("exit", "Crashed", "its process ended with exit code 7 and no outcome"),
        ("memory", "OverLimit", "used more than 256 MiB of memory"),
        ("spin", "OverLimit", "used more than 1 s of processor time"),
    ],
)
async def test_harm_ends_its_own_process(crmd_dsn: str, tmp_path: Path, how: str, word: str, sentence: str) -> None:
    """Whatever a job does to its process fails its own attempt, in a sentence; the daemon and other jobs go on."""
    async with running(crmd_dsn, tmp_path) as fleet:
        harm = await enqueue(fleet, "does-harm", how=how)
        other = await enqueue(fleet, "marks")
        row = await ended(fleet, harm)
        assert (row["status"], row["errors"][-1]["class"]) == ("dead", word)
        assert sentence in row["errors"][-1]["message"]
        assert (await ended(fleet, other))["status"] == "completed"
        assert fleet.daemons[0].process.poll() is None
