"""`crmd jobs logs`: what a job has logged, as it comes if wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio

from crmd.cli.attached import job_id_of, on_database
from crmd.cli.bulk import ENDED
from crmd.cli.screen import clean, emit_json, say
from crmd.errors import ExitCode
from crmd.store import job_log, jobs

if TYPE_CHECKING:
    from argparse import Namespace
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

LOOK_SECONDS = 0.5


def run(arguments: Namespace) -> int:
    """Print what a job has logged; with `--follow`, until it has ended."""

    async def work(pool: Pool, _config: Config) -> int:
        job_id = await job_id_of(pool, arguments.id)
        if arguments.is_followed and not arguments.is_json:
            return await _follow(pool, job_id)
        rows = await job_log.read(pool, job_id)
        if arguments.is_json:
            emit_json([{**line, "attempt": row["attempt"]} for row in rows for line in row["lines"]])
        elif not rows:
            say(f"Job {job_id} has logged nothing that is kept.")
        else:
            _print(rows)
        return ExitCode.OK

    return on_database(arguments, work)


async def _follow(pool: Pool, job_id: UUID) -> int:
    after = 0
    while True:
        has_ended = (await jobs.found(pool, job_id))["status"] in ENDED
        rows = await job_log.read(pool, job_id, after)
        if rows:
            _print(rows)
            after = rows[-1]["id"]
        if has_ended:
            return ExitCode.OK
        await anyio.sleep(LOOK_SECONDS)


def _print(rows: Any) -> None:  # noqa: ANN401 - rows of job_log_read.sql
    for row in rows:
        for line in row["lines"]:
            sys.stdout.write(f"{line['at']}  #{row['attempt']} {line['level']:<8} {clean(line['text'])}\n")
    sys.stdout.flush()
