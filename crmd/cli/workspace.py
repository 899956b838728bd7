"""`crmd workspace`: a tenant's rows to take away, and all of them gone."""

from __future__ import annotations

import hashlib
import os
import zipfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

import crmd
from crmd.cli.acting import acting, confirm
from crmd.cli.asking import workspace_of
from crmd.cli.attached import on_database
from crmd.cli.screen import say, show_record, show_rows
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.providing import known_plugins
from crmd.store import bulk, tenancy
from crmd.store.bulk import JobFilter
from crmd.store.payload_editing import revealed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Mapping
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.job_type import JobType
    from crmd.store.pools import Connection, Pool
    from crmd.store.tenancy import TenantTable

COLUMNS = {"table": "table", "rows": "rows"}
LOOK_SECONDS = 0.5
ROUNDS_MAX = 5
REASON = "the workspace is being erased"


def show(arguments: Namespace) -> int:
    """How many rows of a workspace there are, by table."""
    workspace_id = _workspace(arguments)

    async def work(pool: Pool, _config: Config) -> int:
        held = await _held(pool, workspace_id)
        shown = [{"table": table, "rows": rows} for table, rows in held.items()]
        show_rows(shown, COLUMNS, is_json=arguments.is_json, empty=f"There is nothing of workspace {workspace_id}.")
        return ExitCode.OK

    return on_database(arguments, work)


def export(arguments: Namespace) -> int:
    """Write all rows of a workspace into a zip file, as they were at one instant."""
    workspace_id = _workspace(arguments)
    path = Path(arguments.to or f"workspace-{workspace_id}.zip")
    if path.exists():
        raise UsageError(f"{path} is there already.", hint="Choose another name with --to, or move it away.")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"Nothing can be written into {path.parent}.", hint="Choose another folder with --to.")

    async def work(pool: Pool, config: Config) -> int:
        async with acting(pool, "workspace.export", workspace_id, workspace_id=workspace_id) as found:
            found |= {"rows": await _exported(pool, config, workspace_id, path)}
        show_record({"workspace_id": workspace_id, "file": str(path), **found}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def erase(arguments: Namespace) -> int:
    """Cancel what a workspace runs, and erase every row of it."""
    workspace_id = _workspace(arguments)

    async def work(pool: Pool, _config: Config) -> int:
        held = await _held(pool, workspace_id)
        shown = [{"table": table, "rows": rows} for table, rows in held.items()]
        if arguments.is_dry_run or not held:
            show_rows(shown, COLUMNS, is_json=arguments.is_json, empty=f"There is nothing of workspace {workspace_id}.")
            return ExitCode.OK
        confirm(arguments, f"Erase {sum(held.values()):,} rows of workspace {workspace_id} for ever?")
        async with acting(pool, "workspace.erase", workspace_id, workspace_id=workspace_id):
            erased = await _erased(pool, workspace_id, arguments.wait_seconds)
        show_record({"workspace_id": workspace_id, "erased": erased}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def _workspace(arguments: Namespace) -> UUID:
    workspace_id = workspace_of(arguments.workspace)
    if workspace_id is None:
        raise UsageError("No workspace is given.")
    return workspace_id


async def _held(pool: Pool, workspace_id: UUID) -> dict[str, int]:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await tenancy.enter(connection, workspace_id)
        found = [table for table in await tenancy.tables(connection) if table.is_erased]
        return await tenancy.counts(connection, workspace_id, found)


async def _exported(pool: Pool, config: Config, workspace_id: UUID, path: Path) -> int:
    """A file that is half written has another name, so nobody takes it for whole."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _private(partial), zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            manifest = await _written(pool, known_plugins(config).job_types, workspace_id, archive)
            archive.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return sum(entry["rows"] for entry in manifest["tables"].values())


def _private(path: Path) -> Any:  # noqa: ANN401 - an open file
    """What is exported is for one person's eyes."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb")


async def _written(
    pool: Pool, job_types: Mapping[str, JobType], workspace_id: UUID, archive: zipfile.ZipFile
) -> dict[str, Any]:
    manifest: dict[str, Any] = {"workspaceId": str(workspace_id), "crmd": crmd.__version__, "tables": {}}
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await tenancy.enter(connection, workspace_id)
        wanted = sorted(await tenancy.tables(connection), key=lambda table: table.name)
        for name, parts in groupby(wanted, key=lambda table: table.name):
            if name not in tenancy.NOT_EXPORTED:
                pages = _pages(connection, workspace_id, list(parts))
                entry = await _write_table(archive, "/".join(name), pages, job_types)
                if entry["rows"]:
                    manifest["tables"][".".join(name)] = entry
                    say(f"{'.'.join(name)}: {entry['rows']:,} rows")
    return manifest


async def _write_table(
    archive: zipfile.ZipFile, name: str, pages: AsyncIterator[list[Any]], job_types: Mapping[str, JobType]
) -> dict[str, Any]:
    """One file of JSON lines for a table and its partitions; none for one without rows."""
    digest, rows = hashlib.sha256(), 0
    page = await anext(pages, None)
    if page is not None:
        with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
            while page is not None:
                data = b"".join(msgspec.json.encode(revealed(row, job_types)) + b"\n" for row in page)
                digest.update(data)
                file.write(data)
                rows += len(page)
                page = await anext(pages, None)
    return {"rows": rows, "sha256": digest.hexdigest()}


async def _pages(connection: Connection, workspace_id: UUID, parts: list[TenantTable]) -> AsyncIterator[list[Any]]:
    for part in parts:
        async for page in tenancy.rows(connection, workspace_id, part):
            yield page


async def _erased(pool: Pool, workspace_id: UUID, wait_seconds: float) -> dict[str, int]:
    """Quiet first, then cancel, then erase; again if something was started meanwhile."""
    erased: dict[str, int] = {}
    for _ in range(ROUNDS_MAX):
        await tenancy.quiet(pool, workspace_id, REASON)
        await _stop_jobs(pool, workspace_id, wait_seconds)
        async with pool.acquire() as connection:
            for table in [table for table in await tenancy.tables(connection) if table.is_erased]:
                rows = await tenancy.erase(connection, workspace_id, table)
                if rows:
                    name = ".".join(table.name)
                    erased[name] = erased.get(name, 0) + rows
                    say(f"{name}: {erased[name]:,} rows")
        if not await _held(pool, workspace_id):
            await tenancy.end(pool, workspace_id)
            return erased
    raise CrmdError(
        f"Workspace {workspace_id} is written to while it is erased.", hint="Stop its front end; run it again."
    )


async def _stop_jobs(pool: Pool, workspace_id: UUID, wait_seconds: float) -> None:
    wanted = JobFilter(statuses=("pending", "scheduled", "processing"), workspace_id=workspace_id)
    async for ids in bulk.pages(pool, wanted):
        await bulk.cancel(pool, ids, REASON)
    with anyio.move_on_after(wait_seconds):
        while await tenancy.running(pool, workspace_id):  # noqa: ASYNC110 - they end in other processes
            await anyio.sleep(LOOK_SECONDS)
        return
    left = await tenancy.running(pool, workspace_id)
    raise CrmdError(
        f"{left} jobs of workspace {workspace_id} still run; nothing is erased yet.",
        hint="They were asked to stop. Run the command again, or give more time with --wait.",
        exit_code=ExitCode.TRY_AGAIN,
    )
