"""`crmd jobs`: list, show and watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from crmd.cli.asking import uuid_of, workspace_of
from crmd.cli.attached import job_id_of, on_database
from crmd.cli.live import live
from crmd.cli.screen import emit_json, say, show_record, show_rows
from crmd.errors import ExitCode
from crmd.store import jobs, steps

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {
    "id": "id",
    "status": "status",
    "type": "type",
    "attempt": "attempt",
    "run_at": "due",
    "finished_at": "finished",
    "progress": "progress",
    "last_error": "last error",
}
STEP_COLUMNS = {"name": "step", "kind": "kind", "started_at": "began", "finished_at": "finished", "fence": "claim"}
LOOK_SECONDS = 0.5
ENDED = frozenset({"completed", "failed", "cancelled", "dead"})


def listed(arguments: Namespace) -> int:
    """List jobs, newest first."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = await jobs.list_jobs(
            pool,
            statuses=arguments.status,
            job_type=arguments.type,
            workspace_id=workspace_of(arguments.workspace),
            parent_id=uuid_of(arguments.batch, "a batch"),
            before_id=uuid_of(arguments.before, "a job"),
            limit=max(arguments.limit, 1),
        )
        shown = [dict(row) for row in rows] if arguments.is_json else [_brief(dict(row)) for row in rows]
        show_rows(shown, COLUMNS, is_json=arguments.is_json, empty="There are no such jobs.")
        return ExitCode.OK

    return on_database(arguments, work)


def show(arguments: Namespace) -> int:
    """Show one job with its attempts."""

    async def work(pool: Pool, _config: Config) -> int:
        row = await jobs.found(pool, await job_id_of(pool, arguments.id))
        kept = [dict(step) for step in await steps.list_steps(pool, row["id"])]
        if arguments.is_json:
            show_record({**row, "steps": kept}, is_json=True)
            return ExitCode.OK
        show_record({name: value for name, value in row.items() if value is not None}, is_json=False)
        if kept:
            show_rows(kept, STEP_COLUMNS, is_json=False, empty="")
        return ExitCode.OK

    return on_database(arguments, work)


def watch(arguments: Namespace) -> int:
    """Watch one job until it ends, or all until Ctrl-C."""

    async def work(pool: Pool, _config: Config) -> int:
        if arguments.id is None:
            return await _watch_all(pool)
        return await _watch_one(pool, await job_id_of(pool, arguments.id), is_json=arguments.is_json)

    return on_database(arguments, work)


async def _watch_one(pool: Pool, job_id: UUID, *, is_json: bool) -> int:
    with live() as screen:
        row: Mapping[str, Any] = dict(await jobs.found(pool, job_id))
        while row["status"] not in ENDED:
            screen.update(str(job_id)[:13], row["status"], row["progress"])
            await anyio.sleep(LOOK_SECONDS)
            row = dict(await jobs.found(pool, job_id))
    if is_json:
        emit_json(dict(row))
    else:
        show_record(_brief(row), is_json=False)
    return ExitCode.OK if row["status"] == "completed" else ExitCode.FAILED


async def _watch_all(pool: Pool) -> int:
    """A line per change: which job types stand where."""
    before = ""
    while True:
        rows = await jobs.counts(pool)
        now = "; ".join(f"{row['type']} {row['jobs']} {row['status']}" for row in rows) or "no jobs"
        if now != before:
            say(now)
            before = now
        await anyio.sleep(LOOK_SECONDS)


def _brief(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that people look at."""
    brief = {name: row.get(name) for name in COLUMNS}
    if row.get("held") is not None:
        brief["status"] = f"{row['status']} ({row['held']})"
    brief["progress"] = progress_text(row["progress"])
    brief["last_error"] = error_text(row)
    brief["attempt"] = f"{row['attempt']}/{row['max_attempts']}"
    return brief


def progress_text(progress: Mapping[str, Any] | None) -> str | None:
    """`120/400 reading`, or None."""
    if progress is None:
        return None
    total = progress.get("total")
    done = progress.get("done", 0)
    return f"{done}{'' if total is None else f'/{total}'} {progress.get('note', '')}".strip()


def error_text(row: Mapping[str, Any]) -> str | None:
    """The newest error in one line, or None."""
    error = row.get("last_error") or (row.get("errors") or [None])[-1]
    return None if error is None else f"{error.get('class')}: {error.get('message')}"
