from __future__ import annotations

import dataclasses
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

import crmd
from crmd.plugins import ModuleEntry
from crmd.secret import Secret
from crmd.testing import open_workbench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config
    from crmd.testing import Workbench
    from crmd.testing.databases import TestServer

BUILT_IN = ("crm", "gmail", "contacts", "health")
OWNER = "crmd_test_owner"
TABLE = """
CREATE SCHEMA vault_of_all;
CREATE TABLE vault_of_all.note (workspace_id uuid NOT NULL, word text NOT NULL, PRIMARY KEY (workspace_id, word));
ALTER TABLE vault_of_all.note ENABLE ROW LEVEL SECURITY;
ALTER TABLE vault_of_all.note FORCE ROW LEVEL SECURITY;
CREATE POLICY note_workspace ON vault_of_all.note
    USING (workspace_id = crmd.workspace_id()) WITH CHECK (workspace_id = crmd.workspace_id());
SELECT crmd.grant_app('vault_of_all');
"""
# Schemas of plugins, and whether each table in them belongs to a workspace.
TABLES = """
SELECT n.nspname || '.' || c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy,
    NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT EXISTS (
        SELECT FROM pg_attribute k
        WHERE k.attrelid = c.oid AND k.attname = 'workspace_id' AND k.attnum = ANY (i.indkey))) AS is_unique_within
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'crmd' AND n.nspname !~ '^(pg_|information_schema)'
  AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND a.attnum > 0)
"""
VIEWS = """
SELECT n.nspname || '.' || c.relname AS name,
    coalesce('security_invoker=true' = ANY (c.reloptions), false) AS is_invoker
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v' AND n.nspname !~ '^(pg_|information_schema)'
"""


class Statement(crmd.Payload, frozen=True):
    """What a plugin would ask."""

    text: str


@crmd.job("ask", max_attempts=1)
async def ask(ctx: crmd.Context, payload: Statement) -> list[Any]:
    """Asks it in a transaction of its workspace."""
    async with ctx.transaction() as tx:
        return [list(row.values()) for row in await tx.fetch(payload.text)]


HERE = sys.modules[__name__]
NAME = "test_row_security"


@asynccontextmanager
async def superusers(config: Config, _server: TestServer) -> AsyncIterator[Workbench]:
    """The daemon connects as a superuser, whom no policy holds."""
    async with open_workbench(config, {NAME: ModuleEntry(NAME, HERE)}) as bench:
        yield bench


@asynccontextmanager
async def owners(config: Config, server: TestServer) -> AsyncIterator[Workbench]:
    """The daemon connects as an ordinary role that owns its database."""
    name = await server.create()
    admin = await asyncpg.connect(server.dsn())
    try:
        await admin.execute(f"DROP ROLE IF EXISTS {OWNER}")
        await admin.execute(f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER PASSWORD 'word'")
        await admin.execute(f"ALTER DATABASE {name} OWNER TO {OWNER}")
        parts = urlsplit(server.dsn(name))
        dsn = urlunsplit(parts._replace(netloc=f"{OWNER}:word@" + parts.netloc.rpartition("@")[2]))
        database = msgspec.structs.replace(config.database, dsn=Secret(dsn))
        own = dataclasses.replace(config, database=database)
        async with open_workbench(own, {NAME: ModuleEntry(NAME, HERE)}) as bench:
            yield bench
    finally:
        await server.drop(name)
        await admin.execute(f"DROP ROLE IF EXISTS {OWNER}")
        await admin.close()


@pytest.mark.crmd_plugins(*BUILT_IN)
async def test_every_table_of_workspaces_is_held_by_policies(workbench: Workbench) -> None:
    """Each plugin's table with a workspace forces its policies on its owner too, and its keys name the workspace."""
    rows = await workbench._pool.fetch(TABLES)
    assert len(rows) >= 5
    assert [row["name"] for row in rows if not (row["is_forced"] and row["has_policy"])] == []
    assert [row["name"] for row in rows if not row["is_unique_within"]] == []


@pytest.mark.crmd_plugins(*BUILT_IN)
async def test_every_view_asks_as_its_reader(workbench: Workbench) -> None:
    """No view reads with its owner's rights, past the policies."""
    rows = await workbench._pool.fetch(VIEWS)
    assert rows
    assert [row["name"] for row in rows if not row["is_invoker"]] == []


@pytest.mark.crmd_plugins(*BUILT_IN)
async def test_plugins_have_no_rights_on_what_is_the_engines(workbench: Workbench) -> None:
    """The role of plugins cannot read, write or empty any table of the engine but what is named here."""
    rights = await workbench._pool.fetch(
        """
        SELECT c.relname, p.word
        FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(word)
        WHERE c.relnamespace = 'crmd'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND has_table_privilege('crmd_app', c.oid, p.word)
        """
    )
    found = {(row["relname"], row["word"]) for row in rights if row["relname"] != "test_clock"}
    cursors = {("cursor", word) for word in ("SELECT", "INSERT", "UPDATE", "DELETE")}
    seen = {("connection", "SELECT"), ("connections", "SELECT"), ("effect", "SELECT")}
    events = {("event", "SELECT"), ("workspace_events", "SELECT")}
    assert found == {*seen, *events, *cursors}


@pytest.mark.crmd_plugins(HERE)
@pytest.mark.parametrize("connected_as", [superusers, owners])
async def test_no_row_of_another_workspace(crmd_config: Config, crmd_server: TestServer, connected_as: Any) -> None:  # noqa: ANN401 - one of the two above
    """A job reads and writes the rows of its own workspace and of no other, whoever the daemon connects as."""
    async with connected_as(crmd_config, crmd_server) as bench:
        await bench._pool.execute(TABLE)
        mine, others = uuid4(), uuid4()
        for workspace_id, word in ((mine, "mine"), (others, "theirs")):
            done = await bench.run_job("ask", {"text": insert(workspace_id, word)}, workspace_id=workspace_id)
            assert done.result == [[word]], done.errors
        assert await asked(bench, mine, "SELECT word FROM vault_of_all.note") == [["mine"]]
        assert await asked(bench, mine, "UPDATE vault_of_all.note SET word = word || '!' RETURNING word") == [["mine!"]]
        assert await asked(bench, mine, "DELETE FROM vault_of_all.note WHERE word = 'theirs' RETURNING word") == []
        forged = await bench.run_job("ask", {"text": insert(others, "forged")}, workspace_id=mine)
        assert (forged.status, forged.errors[-1]["sqlstate"]) == ("dead", "42501")
        assert await asked(bench, others, "SELECT word FROM vault_of_all.note") == [["theirs"]]


@pytest.mark.crmd_plugins(HERE)
async def test_a_plugin_cannot_reach_the_queue_or_secrets(workbench: Workbench) -> None:
    """A plugin's statement on the engine's tables is refused, and the refusal is all that its job keeps."""
    for table in ("connection_secret", "lease", "job", "unique_key", "daemon", "bucket"):
        done = await workbench.run_job("ask", {"text": f"SELECT count(*) FROM crmd.{table}"})
        assert (done.status, done.errors[-1]["sqlstate"]) == ("dead", "42501"), table


@pytest.mark.crmd_plugins(HERE)
async def test_plugins_see_what_is_named_of_the_core(workbench: Workbench) -> None:
    """Of all that the core keeps, and comes to keep, plugins read what is named here, row by row, and write cursors."""
    rows = await workbench._pool.fetch(OPEN_TABLES)
    found = {row["relname"]: row["may_write"] for row in rows if row["relname"] != "test_clock"}
    reads = ("connection", "connections", "event", "workspace_events", "effect")
    assert found == dict.fromkeys(reads, False) | {"cursor": True}
    assert [row["relname"] for row in rows if row["is_table"] and not row["is_held"] and row["relname"] in found] == []


OPEN_TABLES = """
SELECT c.relname, has_table_privilege('crmd_app', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS may_write,
    c.relkind IN ('r', 'p') AS is_table, c.relrowsecurity AS is_held
FROM pg_class c
WHERE c.relnamespace = 'crmd'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND has_table_privilege('crmd_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
"""


async def asked(bench: Workbench, workspace_id: UUID, text: str) -> object:
    """What a job of a workspace is answered."""
    done = await bench.run_job("ask", {"text": text}, workspace_id=workspace_id)
    assert done.status == "completed", done.errors
    return done.result


def insert(workspace_id: UUID, word: str) -> str:
    """A statement that writes a row for a workspace."""
    return f"INSERT INTO vault_of_all.note VALUES ('{workspace_id}', '{word}') RETURNING word"
