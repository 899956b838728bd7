"""`crmd dead`: dead letters by cause, the letters of one cause, and their redrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting, confirm
from crmd.cli.asking import payload_of, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.screen import say, show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.providing import known_plugins
from crmd.store import dead_letters
from crmd.store.dead_letters import DeadFilter
from crmd.store.payload_editing import editing

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.payload_editing import Edit
    from crmd.store.pools import Pool

GROUPS = {
    "cause": "cause",
    "jobs": "jobs",
    "type": "type",
    "status": "status",
    "class": "error",
    "gist": "gist",
    "last_at": "newest",
    "newest_id": "for instance",
}
LETTERS = {
    "id": "id",
    "type": "type",
    "status": "status",
    "finished_at": "ended",
    "class": "error",
    "message": "message",
}
EMPTY = "There are no dead letters."


def listed(arguments: Namespace) -> int:
    """List dead letters by cause, the most frequent first."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = await dead_letters.groups(pool, _wanted(arguments), max(arguments.limit, 1))
        show_rows([dict(row) for row in rows], GROUPS, is_json=arguments.is_json, empty=EMPTY)
        return ExitCode.OK

    return on_database(arguments, work)


def show(arguments: Namespace) -> int:
    """Show the letters of one cause."""

    async def work(pool: Pool, _config: Config) -> int:
        rows: list[dict[str, Any]] = []
        async for page in dead_letters.pages(pool, _wanted(arguments)):
            rows += [dict(row) for row in page]
            if len(rows) >= arguments.limit:
                break
        show_rows(rows[: arguments.limit], LETTERS, is_json=arguments.is_json, empty=EMPTY)
        return ExitCode.OK

    return on_database(arguments, work)


def redrive(arguments: Namespace) -> int:
    """Set dead letters going again: those of one cause, of one job type, or all."""
    if arguments.cause is None and arguments.type is None and not arguments.is_all:
        raise UsageError("Nothing is selected.", hint="Give a cause from `crmd dead`, --type JOB or --all.")
    if arguments.per_second is not None and arguments.per_second <= 0:
        raise UsageError("--per-second is more than 0.")
    patch = None if arguments.patch is None else payload_of(arguments.patch, "patch")

    async def work(pool: Pool, config: Config) -> int:
        wanted = _wanted(arguments)
        edit = editing(patch, known_plugins(config).job_types)
        total = await _checked(pool, wanted, edit)
        if total == 0 or arguments.is_dry_run:
            show_record({"redriven": 0, "would_redrive": total}, is_json=arguments.is_json)
            return ExitCode.OK
        confirm(arguments, f"Redrive {total:,} jobs?")
        given = {"type": wanted.type, "per_second": arguments.per_second, "patched": sorted(patch or ())}
        async with acting(pool, "dead.redrive", wanted.cause, **given) as found:
            done = await _redriven(pool, wanted, edit, arguments.per_second, found)
        left = {"left": total - done} if done < total else {}
        show_record({"redriven": done, **left}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def _wanted(arguments: Namespace) -> DeadFilter:
    return DeadFilter(
        statuses=tuple(arguments.status or ("dead", "failed")),
        type=arguments.type,
        workspace_id=workspace_of(arguments.workspace),
        cause=getattr(arguments, "cause", None),
        days=arguments.days,
    )


async def _checked(pool: Pool, wanted: DeadFilter, edit: Edit) -> int:
    """How many there are; each edited payload is checked before the first is redriven.

    Raises:
        UsageError: One would not fit its job type.
    """
    total = 0
    async for page in dead_letters.pages(pool, wanted):
        total += len([edit(row) for row in page])
    return total


async def _redriven(pool: Pool, wanted: DeadFilter, edit: Edit, per_second: float | None, found: dict[str, Any]) -> int:
    """How many were set going again; of a stopped command the audit keeps how many by then."""
    done = 0
    async for page in dead_letters.pages(pool, wanted):
        ids, payloads = [row["id"] for row in page], [edit(row) for row in page]
        done += len(await dead_letters.redrive(pool, ids, payloads, before=done, per_second=per_second))
        found["jobs"] = done
        say(f"{done:,} redriven")
    return done
