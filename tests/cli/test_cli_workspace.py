from __future__ import annotations

import asyncio
import zipfile
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from crmd.cli.asking import workspace_of
from crmd.store.tenancy import TenantTable, in_order, tables

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.testing.workbench import Workbench
    from tests.cli.conftest import Run

# Tables of the core that hold nothing of any workspace: what plugins and operators declare, how daemons, providers and
# plugins stand, how far the fleet has come. A gate or a setting of one workspace has its id in its key, and goes last.
FLEET_WIDE = {
    "migration", "job_type", "concurrency", "trigger", "event_function", "event_listener", "gate", "tuning",
    "daemon", "bucket", "retry_budget", "blame", "quarantine",
    "retention", "event_horizon", "projection", "failover",
    "watching", "figures", "alert", "depth_minute", "ended_minute", "ended_hour", "ended_until",
    "plugin_grade",
}  # fmt: skip


@pytest.fixture
def filled(crmd: Run, monkeypatch: pytest.MonkeyPatch, crmd_config: Config) -> tuple[UUID, UUID]:
    """Two workspaces with jobs in every stage, logs, events, templates, people; the ids of both."""
    monkeypatch.setenv("CRMD__PLUGINS__ENABLED", "crm,trial")
    for name in ("acme", "globex"):
        crmd("run-once", "trial-talk", "--workspace", name)
        crmd("run-once", "trial-fail", "--workspace", name)
        crmd("run-once", "trial-family", "--workspace", name)
        crmd("enqueue", "trial-secret", "--in", "1h", "--workspace", name, "--payload", '{"count": 424242}')
        crmd("enqueue", "trial-greet", "--in", "1h", "--workspace", name, "--unique-key", "k")
        crmd("templates", "save", f"of-{name}", "trial-greet", "--workspace", name)
    ids = (workspace_of("acme"), workspace_of("globex"))
    assert crmd_config.database.dsn is not None
    asyncio.run(_people(crmd_config.database.dsn.reveal(), ids))
    return ids  # type: ignore[return-value]  # both names are given


async def _people(dsn: str, ids: tuple[UUID | None, ...]) -> None:
    connection = await asyncpg.connect(dsn)
    for workspace_id in ids:
        async with connection.transaction():
            await connection.execute("SELECT set_config('crmd.workspace_id', $1, true)", str(workspace_id))
            await connection.execute("INSERT INTO crm.workspace (workspace_id, name) VALUES ($1, 'x')", workspace_id)
            await connection.execute(
                "INSERT INTO crm.app_user (workspace_id, id, email) VALUES ($1, $2, 'a@example.org')",
                workspace_id,
                uuid4(),
            )
            await connection.execute("SELECT crmd.emit('contact.created', '{}', workspace_id => $1)", workspace_id)
            await connection.execute(
                "INSERT INTO crmd.delivery SELECT 'handler', e.id, e.emitted_at, e.seq, NULL, gen_random_uuid()"
                " FROM crmd.event e WHERE e.workspace_id = $1",  # its job is no longer kept
                workspace_id,
            )
            await connection.execute(
                "SELECT crmd.tune('workspace/' || $1, 'a big one', weight => 2)", str(workspace_id)
            )
    await connection.close()


async def _left(config: Config) -> tuple[int, int]:
    """Deliveries and live settings, of all workspaces."""
    assert config.database.dsn is not None
    connection = await asyncpg.connect(config.database.dsn.reveal())
    row = await connection.fetchrow("SELECT (SELECT count(*) FROM crmd.delivery), (SELECT count(*) FROM crmd.tuning)")
    await connection.close()
    assert row is not None
    return row[0], row[1]


def test_an_export_holds_every_row_of_the_workspace_and_no_other(
    crmd: Run, filled: tuple[UUID, UUID], tmp_path: Path
) -> None:
    """A zip of JSON lines with a manifest of counts and hashes; nothing of another workspace is in it."""
    acme, globex = filled
    path = tmp_path / "acme.zip"
    assert crmd("workspace", "export", "acme", "--to", str(path)).code == 0
    assert path.stat().st_mode & 0o077 == 0
    held = {row["table"]: row["rows"] for row in crmd("workspace", "show", "acme", "--json").json}
    with zipfile.ZipFile(path) as archive:
        manifest = msgspec.json.decode(archive.read("manifest.json"))
        everything = b"".join(archive.read(name) for name in archive.namelist())
    told = {name: entry["rows"] for name, entry in manifest["tables"].items()}
    assert {name: rows for name, rows in held.items() if name != "crmd.unique_key"} == {
        name: rows for name, rows in told.items() if name != "crmd.audit"
    }
    assert {"crmd.job", "crmd.archive", "crmd.event", "crmd.job_log", "crmd.template", "crm.app_user"} <= set(told)
    assert str(acme).encode() in everything
    assert b'{"count":424242}' in everything  # opened, since it is the tenant's own
    assert str(globex).encode() not in everything
    nowhere = crmd("workspace", "export", "acme", "--to", str(tmp_path / "missing" / "acme.zip"))
    assert "Nothing can be written into" in nowhere.err
    again = crmd("workspace", "export", "acme", "--to", str(path))
    assert "is there already" in again.err


def test_an_erased_workspace_leaves_nothing_and_touches_no_other(
    crmd: Run, filled: tuple[UUID, UUID], crmd_config: Config
) -> None:
    """Every row of the workspace goes, jobs that wait are cancelled before; the other workspace is as it was."""
    acme, _ = filled
    before = crmd("workspace", "show", "globex", "--json").json
    assert crmd("workspace", "erase", "acme").code == 2  # nobody to be asked
    assert crmd("workspace", "erase", "acme", "--dry-run", "--json").json
    assert crmd("workspace", "erase", "acme", "--yes", "--json").code == 0
    assert crmd("workspace", "show", "acme", "--json").json == []
    assert crmd("workspace", "show", "globex", "--json").json == before
    assert asyncio.run(_left(crmd_config)) == (1, 1)
    [entry] = [row for row in crmd("audit", "--action", "workspace.erase", "--json").json if row["outcome"] == "done"]
    assert entry["target"] == str(acme)


def test_tables_are_erased_before_those_they_refer_to() -> None:
    """Whoever refers to a row goes before it, or the erasing would fail."""
    child, parent = (TenantTable(oid, ("crm", f"t{oid}"), "", is_erased=True, place=0) for oid in (1, 2))
    assert in_order([parent, child], [(1, 2)]) == [child, parent]
    assert in_order([child, parent], [(1, 2)]) == [child, parent]


async def test_every_table_of_the_core_is_the_tenants_or_the_fleets(workbench: Workbench) -> None:
    """A table is either found by its workspace or listed as holding nothing of one: no new table is forgotten."""
    async with workbench.everything.pools.control.acquire() as connection:
        tenants = {table.name[1] for table in await tables(connection) if table.name[0] == "crmd"}
        every = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'crmd'::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition"
        )
    assert {row["relname"] for row in every} - tenants - {"test_clock"} == FLEET_WIDE
