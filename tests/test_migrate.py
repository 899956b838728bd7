from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import asyncpg
import pytest

from crmd.errors import CrmdError, PluginError
from crmd.store.migrate import LOCK_KEY, Migration, ledger, migrate, read_migrations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GOOD = Migration("sample", 1, "tables", "CREATE TABLE public.one (n integer)")
NEXT = Migration("sample", 2, "more", "CREATE TABLE public.two (n integer)")
BAD = Migration("sample", 3, "bad", "CREATE TABLE public.three (n integer); SELECT no_such_function()")


@pytest.fixture
async def connection(crmd_dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to an empty database."""
    opened = await asyncpg.connect(crmd_dsn)
    yield opened
    await opened.close()


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> str:
    """A package with these files in migrations/."""
    name = f"sample_{uuid4().hex}"
    migrations = folder / name / "migrations"
    migrations.mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    for file in names:
        (migrations / file).write_text(f"-- {file}\nSELECT 1")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return name


async def test_each_migration_is_applied_once(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """What is missing is applied in order and booked with its hash; a second round applies nothing."""
    assert await migrate(connection, [GOOD]) == [GOOD]
    assert await migrate(connection, [GOOD, NEXT]) == [NEXT]
    assert await migrate(connection, [GOOD, NEXT]) == []
    assert await ledger(connection) == {("sample", 1): GOOD.sha256, ("sample", 2): NEXT.sha256}


async def test_a_failed_migration_leaves_nothing(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """The one that fails is taken back as a whole and named; those before it stay."""
    with pytest.raises(CrmdError, match=r"0003_bad of sample failed: .*no_such_function"):
        await migrate(connection, [GOOD, NEXT, BAD])
    assert set(await ledger(connection)) == {("sample", 1), ("sample", 2)}
    assert await connection.fetchval("SELECT to_regclass('public.three')") is None
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_a_changed_migration_is_refused(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """A file that was applied and has another text now stops everything before anything is applied."""
    await migrate(connection, [GOOD])
    changed = Migration("sample", 1, "tables", GOOD.text + " ")
    with pytest.raises(CrmdError, match="0001_tables of sample was changed"):
        await migrate(connection, [changed, NEXT])
    assert set(await ledger(connection)) == {("sample", 1)}


async def test_a_database_never_set_up_has_an_empty_ledger(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Asking what was applied makes nothing and needs nothing."""
    assert await ledger(connection) == {}
    assert await connection.fetchval("SELECT to_regnamespace('crmd')") is None


async def test_daemons_that_start_together_take_turns(crmd_dsn: str) -> None:
    """Eight at once: each migration is applied by one of them, and the others find it done."""
    applied: list[Migration] = []

    async def start() -> None:
        opened = await asyncpg.connect(crmd_dsn, server_settings={"lock_timeout": "1ms", "statement_timeout": "5000"})
        try:
            applied.extend(await migrate(opened, [GOOD, NEXT]))
        finally:
            await opened.close()

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(start)
    assert sorted(applied, key=lambda migration: migration.number) == [GOOD, NEXT]


async def test_a_migration_has_all_the_time_it_needs(crmd_dsn: str) -> None:
    """Neither the session's bound for statements nor that for locks cuts a migration or the wait for another's."""
    opened = await asyncpg.connect(crmd_dsn, server_settings={"lock_timeout": "1ms", "statement_timeout": "1ms"})
    slow = Migration("sample", 1, "slow", "SELECT pg_sleep(0.05)")
    await opened.execute("SET statement_timeout = 1000")
    try:
        assert await migrate(opened, [slow]) == [slow]
    finally:
        await opened.close()


async def test_the_lock_is_given_back(crmd_dsn: str, connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """After a round, and after a failed one, the next daemon's turn comes at once."""
    for migrations in ([GOOD], [GOOD, NEXT, BAD]):
        try:
            await migrate(connection, migrations)
        except CrmdError:
            assert BAD in migrations
        other = await asyncpg.connect(crmd_dsn)
        assert await other.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY)
        await other.close()


def test_files_are_read_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and names come from the file's name; other files are none of ours."""
    name = package(tmp_path, monkeypatch, "0002_b.sql", "0001_a.sql", "notes.txt")
    assert [(m.namespace, m.number, m.name) for m in read_migrations("x", name)] == [("x", 1, "a"), ("x", 2, "b")]
    assert read_migrations("x", "") == []


@pytest.mark.parametrize(
    ("names", "word"),
    [(["1_a.sql"], "misnamed"), (["0001_A.sql"], "misnamed"), (["0002_a.sql"], "numbered"),
     (["0001_a.sql", "0003_c.sql"], "numbered"), (["0001_a.sql", "0001_b.sql"], "numbered")],
)  # fmt: skip
def test_gaps_and_misnamed_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], word: str
) -> None:
    """A number that is missing or doubled, or a name of another form, is the plugin's fault, told with the file."""
    name = package(tmp_path, monkeypatch, *names)
    with pytest.raises(PluginError, match=word):
        read_migrations("x", name)
