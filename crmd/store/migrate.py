"""Brings a schema to the newest migration: numbered files, a hash ledger, one transaction each, one lock for all.

Migrations only go forward. A file that was applied never changes: its SHA-256 is kept, and another text under the same
number is refused. Each plugin has a namespace (and a schema) of its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg

from crmd.errors import CrmdError, PluginError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crmd.store.pools import Connection

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
# Any constant that is the same in every daemon; two daemons that start together take turns behind it.
LOCK_KEY = 0x63726D64_6D696772
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


async def migrate(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is missing, in the order given, and return what was applied.

    Raises:
        CrmdError: An applied file has changed, or a migration failed; the earlier ones stay applied.
    """
    queries = load_queries("crmd.store")
    await connection.fetch(queries.migration_patience, str(int(PATIENCE_SECONDS * 1000)))
    await connection.fetch(queries.migration_lock, LOCK_KEY, timeout=PATIENCE_SECONDS)
    try:
        await connection.execute(queries.migration_ledger)
        missing = _missing(migrations, await ledger(connection))
        for migration in missing:
            await _apply(connection, migration)
        return missing
    finally:
        await connection.fetch(queries.migration_unlock, LOCK_KEY)


async def ledger(connection: Connection) -> dict[tuple[str, int], str]:
    """What was applied: hashes by namespace and number; empty in a database that was never set up."""
    try:
        rows = await connection.fetch(load_queries("crmd.store").migration_list)
    except asyncpg.UndefinedTableError:
        return {}
    return {(row["namespace"], row["number"]): row["sha256"] for row in rows}


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


async def _apply(connection: Connection, migration: Migration) -> None:
    queries = load_queries("crmd.store")
    try:
        async with connection.transaction():
            await connection.execute(migration.text, timeout=PATIENCE_SECONDS)
            await connection.execute(
                queries.migration_record, migration.namespace, migration.number, migration.name, migration.sha256
            )
    except Exception as error:
        raise CrmdError(
            f"Migration {migration.number:04d}_{migration.name} of {migration.namespace} failed: {error}",
            hint="Nothing of it was kept; mend the cause and start again.",
        ) from error
