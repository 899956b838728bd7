"""`crmd jobs cancel` and `crmd jobs retry`: one job by its id, or many by a filter, with a dry run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from crmd.cli.acting import acting, confirm
from crmd.cli.asking import payload_of
from crmd.cli.attached import job_id_of, on_database
from crmd.cli.editing import checked_payload
from crmd.cli.screen import say, show_record, show_rows
from crmd.cli.selecting import check_choice, described, filter_of
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.store import bulk, dead_letters, jobs, steps

if TYPE_CHECKING:
    from argparse import Namespace
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.bulk import JobFilter
    from crmd.store.pools import Pool

ENDED = ("completed", "failed", "cancelled", "dead")
UNENDED = ("pending", "scheduled", "processing")
COLUMNS = {"type": "type", "status": "status", "jobs": "jobs", "oldest_at": "oldest", "newest_at": "newest"}


def cancel(arguments: Namespace) -> int:
    """Cancel a job and those below it, or all that a filter selects."""
    check_choice(arguments)

    async def work(pool: Pool, _config: Config) -> int:
        if arguments.id is None:
            return await _cancel_many(pool, arguments)
        return await _cancel_one(pool, arguments)

    return on_database(arguments, work)


def retry(arguments: Namespace) -> int:
    """Run an ended job again as a new one, or all that a filter selects."""
    check_choice(arguments)

    async def work(pool: Pool, config: Config) -> int:
        if arguments.id is None:
            return await _retry_many(pool, arguments)
        return await _retry_one(pool, config, arguments)

    return on_database(arguments, work)


async def _cancel_one(pool: Pool, arguments: Namespace) -> int:
    job_id = await job_id_of(pool, arguments.id)
    before = await jobs.found(pool, job_id)
    if before["status"] in ENDED:
        raise CrmdError(f"Job {job_id} has ended already: {before['status']}.")
    async with acting(pool, "jobs.cancel", job_id, workspace_id=before["workspace_id"], reason=arguments.reason):
        answer = await jobs.cancel(pool, job_id, arguments.reason)
    show_record({"id": job_id, "answer": answer}, is_json=arguments.is_json)
    return ExitCode.OK


async def _retry_one(pool: Pool, config: Config, arguments: Namespace) -> int:
    job_id = await job_id_of(pool, arguments.id)
    before = await jobs.found(pool, job_id)
    payload = None
    if arguments.payload is None and (before["meta"] or {}).get("isPayloadGone"):
        raise UsageError("Retention has let its payload go.", hint="Give one with --payload JSON.")
    if arguments.payload is not None:
        payload = checked_payload(config, before["type"], payload_of(arguments.payload))
    async with acting(
        pool, "jobs.retry", job_id, workspace_id=before["workspace_id"], is_payload_edited=payload is not None
    ) as found:
        again = await jobs.retry(pool, job_id, await _how(pool, job_id, arguments, payload))
        if again is None:
            raise CrmdError(f"Job {job_id} has not ended yet.", hint=f"Cancel it first: crmd jobs cancel {job_id}")
        if again.answer == "rejected":
            raise CrmdError(
                f"A full limit of {before['type']} rejects it.", hint="See `crmd limits`.", exit_code=ExitCode.TRY_AGAIN
            )
        found["newJobId"] = str(again.id)
    show_record({"id": again.id, "retried_from": job_id, "is_new": again.is_new}, is_json=arguments.is_json)
    return ExitCode.OK


async def _how(pool: Pool, job_id: UUID, arguments: Namespace, payload: object) -> jobs.Again:
    """How the job is run again; a step to go on from is one of those that it has kept."""
    if arguments.from_step is not None:
        names = [row["name"] for row in await steps.list_steps(pool, job_id)]
        if arguments.from_step not in names:
            raise UsageError(
                f"Job {job_id} has kept no step {arguments.from_step!r}.",
                hint=f"It has kept {', '.join(names)}; --resume goes on behind the last." if names else "It has none.",
            )
    return jobs.Again(
        payload=payload,
        is_failed_items=arguments.is_failed_items,
        is_resumed=arguments.is_resumed or arguments.from_step is not None,
        from_step=arguments.from_step,
    )


async def _cancel_many(pool: Pool, arguments: Namespace) -> int:
    wanted = await filter_of(pool, arguments, UNENDED)
    total = await _shown(pool, wanted, arguments, "cancel")
    if total == 0 or arguments.is_dry_run:
        return ExitCode.OK
    confirm(arguments, f"Cancel {total:,} jobs?")
    answers: Counter[str] = Counter()
    async with acting(pool, "jobs.cancel", reason=arguments.reason, filter=described(arguments)) as found:
        async for ids in bulk.pages(pool, wanted):
            answers.update(answer or "gone" for answer in await bulk.cancel(pool, ids, arguments.reason))
            say(f"{sum(answers.values()):,} of {total:,}")
        found.update(answers)
    show_record(dict(answers), is_json=arguments.is_json)
    return ExitCode.OK


async def _retry_many(pool: Pool, arguments: Namespace) -> int:
    if arguments.is_failed_items or arguments.is_resumed or arguments.from_step is not None:
        raise UsageError("Items and steps are those of one job.", hint="Name it by its id.")
    if arguments.payload is not None:
        raise UsageError("A payload is for one job.", hint="`crmd dead redrive --patch JSON` changes many.")
    wanted = await filter_of(pool, arguments, ENDED)
    total = await _shown(pool, wanted, arguments, "retry")
    if total == 0 or arguments.is_dry_run:
        return ExitCode.OK
    confirm(arguments, f"Run {total:,} jobs again?")
    done = 0
    async with acting(pool, "jobs.retry", per_second=arguments.per_second, filter=described(arguments)) as found:
        async for ids in bulk.pages(pool, wanted):
            done += len(await dead_letters.redrive(pool, ids, before=done, per_second=arguments.per_second))
            found["jobs"] = done
            say(f"{done:,} of {total:,}")
    show_record({"retried": done, "retried_before": total - done}, is_json=arguments.is_json)
    return ExitCode.OK


async def _shown(pool: Pool, wanted: JobFilter, arguments: Namespace, verb: str) -> int:
    """Say what the filter selects; answers how many."""
    rows = await bulk.counts(pool, wanted)
    total: int = sum(row["jobs"] for row in rows)
    if arguments.is_dry_run or total == 0:
        show_rows([dict(row) for row in rows], COLUMNS, is_json=arguments.is_json, empty="There are no such jobs.")
    if arguments.is_dry_run and total:
        say(f"Without --dry-run this would {verb} {total:,} jobs.")
    return total
