"""Brings a schema to the newest migration: numbered files, a hash ledger, one transaction each, one lock for all.

Migrations only go forward. A file that was applied never changes: its SHA-256 is kept, and another text under the same
number is refused. Each plugin has a namespace (and a schema) of its own.

Programs that do not know a migration work on beside it, since migrations add. One that they cannot work with is named
`NNNN_breaks_…`: it takes the jobs of all daemons back in its own transaction, and who does not know it does not start.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.errors import CrmdError, OutdatedError, PluginError
from crmd.store import leases
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from crmd.store.pools import Connection

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
# Any constant that is the same in every daemon; two daemons that start together take turns behind it.
LOCK_KEY = 0x63726D64_6D696772
BREAKS = "breaks_"
# How long a migration, or the wait for another daemon's, may take.
PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its namespace, number, name and text."""

    namespace: str
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Hash of the text, as kept in the ledger."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_breaking(self) -> bool:
        """Whether daemons that do not know it cannot work beside it."""
        return self.name.startswith(BREAKS)


def read_migrations(namespace: str, package: str) -> list[Migration]:
    """The files in `package`'s folder `migrations/`, by number; none when there is no such folder.

    Raises:
        PluginError: A file is misnamed, or a number is missing or doubled.
    """
    if not package:
        return []
    folder = resources.files(package) / "migrations"
    if not folder.is_dir():
        return []
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.match(entry.name)
        if match is None:
            raise PluginError(
                f"The migration {entry.name} of {package} is misnamed.",
                hint="Call it NNNN_name.sql, as 0001_tables.sql.",
            )
        found.append(Migration(namespace, int(match[1]), match[2], entry.read_text("utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise PluginError(
            f"The migrations of {package} are numbered {numbers}.", hint="Number them 1, 2, 3 … without a gap."
        )
    return found


@cache
def newest_known() -> int:
    """The number of the core's newest migration in this installation."""
    return max(migration.number for migration in read_migrations("crmd", "crmd.store"))


async def migrate(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is missing, in the order given, and return what was applied.

    Raises:
        OutdatedError: A newer installation has applied what breaks this one.
        CrmdError: An applied file has changed, or a migration failed; the earlier ones stay applied.
    """
    queries = load_queries("crmd.store")
    async with _turn(connection):
        await connection.execute(queries.migration_ledger)
        applied = await ledger(connection)
        _refuse_outdated(migrations, await connection.fetch(queries.migration_list))
    return [migration for migration in _missing(migrations, applied) if await _apply(connection, migration)]


@contextlib.asynccontextmanager
async def _turn(connection: Connection) -> AsyncIterator[None]:
    """A transaction that nobody else migrates beside, with all the time it needs.

    Neither lock nor patience belongs to the session, which behind a pooler is another one with each transaction.
    """
    queries = load_queries("crmd.store")
    async with connection.transaction():
        await connection.fetch(queries.migration_patience, str(int(PATIENCE_SECONDS * 1000)))
        await connection.fetch(queries.migration_lock, LOCK_KEY, timeout=PATIENCE_SECONDS)
        yield


async def ledger(connection: Connection) -> dict[tuple[str, int], str]:
    """What was applied: hashes by namespace and number; empty in a database that was never set up."""
    try:
        rows = await connection.fetch(load_queries("crmd.store").migration_list)
    except asyncpg.UndefinedTableError:
        return {}
    return {(row["namespace"], row["number"]): row["sha256"] for row in rows}


def _refuse_outdated(migrations: Iterable[Migration], applied: Iterable[Any]) -> None:
    newest: dict[str, int] = {}
    for migration in migrations:
        newest[migration.namespace] = max(newest.get(migration.namespace, 0), migration.number)
    for row in applied:
        namespace, number, name = row["namespace"], row["number"], row["name"]
        if number > newest.get(namespace, number) and name.startswith(BREAKS):
            raise OutdatedError(f"the migration {number:04d}_{name} of {namespace}")


def _missing(migrations: Iterable[Migration], applied: dict[tuple[str, int], str]) -> list[Migration]:
    missing = []
    for migration in migrations:
        known = applied.get((migration.namespace, migration.number))
        if known is None:
            missing.append(migration)
        elif known != migration.sha256:
            raise CrmdError(
                f"Migration {migration.number:04d}_{migration.name} of {migration.namespace} was changed after it had"
                " been applied.",
                hint="Restore the released file and put the change into a new migration.",
            )
    return missing


async def _apply(connection: Connection, migration: Migration) -> bool:
    """Whether it was us who applied it; another daemon may have done so since we looked."""
    queries = load_queries("crmd.store")
    try:
        async with _turn(connection):
            if not _missing([migration], await ledger(connection)):
                return False
            await connection.execute(migration.text, timeout=PATIENCE_SECONDS)
            await connection.execute(
                queries.migration_record, migration.namespace, migration.number, migration.name, migration.sha256
            )
            if migration.namespace == "crmd" and migration.is_breaking:
                await _retire(connection)
            return True
    except Exception as error:
        raise CrmdError(
            f"Migration {migration.number:04d}_{migration.name} of {migration.namespace} failed: {error}",
            hint="Nothing of it was kept; mend the cause and start again.",
        ) from error


async def _retire(connection: Connection) -> None:
    """End the life of every daemon and give its jobs back in order; those that know the migration begin another."""
    queries = load_queries("crmd.store")
    for daemon in await connection.fetch(queries.daemon_retire):
        rows = await connection.fetch(queries.daemon_leases, daemon["id"])
        tokens = [leases.Token(row["id"], row["fence"], row["claim_id"]) for row in rows]
        given_back = [leases.RequeuedRow(token, 0.0, is_attempt_given_back=True) for token in tokens]
        if given_back:
            await leases.settle_requeued(connection, given_back)
