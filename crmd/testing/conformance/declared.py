"""The rules that need no job to run: how a plugin declares itself, migrates, and guards its tables."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from crmd import plugins
from crmd.composition import opened
from crmd.errors import CrmdError
from crmd.model import NoPayload
from crmd.store.queries import load_queries
from crmd.testing.conformance.place import place_of_handler
from crmd.testing.conformance.rule import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.job_type import JobType
    from crmd.registry import Plugin
    from crmd.testing.arena import Arena

_SQL = load_queries("crmd.testing")


def loads(name: str, arena: Arena) -> tuple[Plugin | None, Finding]:
    """The plugin, if it can be used, and how the rule `loads` stands."""
    registry = plugins.load(tuple(arena.entries), arena.entries)
    broken = next((one for one in registry.broken if one.name == name), None)
    plugin = next((one for one in registry.plugins if one.name == name), None)
    if plugin is None:
        return None, Finding("loads", "fail", what="it is not loaded" if broken is None else broken.reason)
    return plugin, Finding("loads", "pass")


def declares(plugin: Plugin, arena: Arena) -> Iterator[Finding]:
    """Descriptions, settings, and that declaring has no memory."""
    again, _ = loads(plugin.name, arena)
    if again is None or _declared(again) != _declared(plugin):
        yield Finding("declares", "fail", what="loaded once more it declares something else")
    try:
        plugin.settings_type()
    except TypeError as error:
        yield Finding("declares", "fail", what=f"a setting has no default: {error}")
    for job_type in plugin.job_types:
        what = _undescribed(job_type)
        yield Finding("declares", "fail" if what else "pass", job_type.name, what, place_of_handler(job_type))


def _undescribed(job_type: JobType) -> str:
    if not job_type.description:
        return "the handler has no docstring, which is the job type's description"
    payload_type = job_type.payload_type
    own = inspect.getdoc(payload_type) if "__doc__" in vars(payload_type) else None
    if payload_type is not NoPayload and not own:
        return f"the payload {payload_type.__name__} has no docstring"
    return ""


def _declared(plugin: Plugin) -> list[bytes]:
    return [
        msgspec.json.encode([job_type.name, job_type.aliases, job_type.queue, job_type.schedule], enc_hook=repr)
        for job_type in plugin.job_types
    ]


async def migrates(plugin: Plugin, arena: Arena) -> Finding:
    """Migrate two new databases of one server: what a migration makes outside its database stands in its own way."""
    for _ in range(2):
        name = await arena.server.create(await arena.ground_floor())
        try:
            async with opened(arena.config(name), entries=arena.entries) as everything:
                broken = next((one for one in everything.loaded.registry.broken if one.name == plugin.name), None)
            if broken is not None:
                return Finding("migrates", "fail", what=broken.reason, place=f"{plugin.package}/migrations")
        except (CrmdError, asyncpg.PostgresError) as error:
            return Finding("migrates", "fail", what=str(error), place=f"{plugin.package}/migrations")
        finally:
            await arena.server.drop(name)
    return Finding("migrates", "pass")


async def guards_rows(plugin: Plugin, arena: Arena) -> list[Finding]:
    """Row-level security on each table with a workspace_id, for the owner as well."""
    async with arena.without(plugin.name) as others_alone, others_alone.fresh() as workbench:
        others = [row["name"] for row in await workbench.everything.pools.control.fetch(_SQL.snapshot_tables)]
    async with arena.fresh() as workbench:
        rows = await workbench.everything.pools.control.fetch(_SQL.tables_unguarded, others)
    place = f"{plugin.package}/migrations"
    found = [Finding("row-security", "fail", what=f"{row['name']}: {row['lacks']}", place=place) for row in rows]
    return found or [Finding("row-security", "pass")]
