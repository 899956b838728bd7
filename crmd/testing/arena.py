"""One fresh database after another, each migrated for the same plugins, with a workbench on it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crmd.composition import opened
from crmd.testing.preparing import config_for, entries_of
from crmd.testing.workbench import open_workbench

if TYPE_CHECKING:
    import types
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.plugins import Entry
    from crmd.testing.databases import TestServer
    from crmd.testing.workbench import Workbench


class Arena:
    """Makes the databases of a test, cloned from a template that is migrated once.

    Args:
        server: Where they are made.
        wanted: The plugins: names of installed ones, or modules.
        state_dir: For whatever the configuration wants to keep.
    """

    def __init__(
        self, server: TestServer, wanted: Iterable[str | types.ModuleType] | dict[str, Entry], state_dir: Path
    ) -> None:
        self.server = server
        self.entries = wanted if isinstance(wanted, dict) else entries_of(wanted)
        self._state_dir = state_dir

    def without(self, plugin: str) -> Arena:
        """The same without one of the plugins."""
        entries = {name: entry for name, entry in self.entries.items() if name != plugin}
        return Arena(self.server, entries, self._state_dir)

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[Workbench]:
        """A workbench on a database in which nothing has happened yet; gone after the block."""
        async with self.database() as config, open_workbench(config, self.entries) as workbench:
            yield workbench

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Config]:
        """The configuration of such a database."""
        name = await self.server.create(await self._template())
        try:
            yield self.config(name)
        finally:
            await self.server.drop(name)

    def config(self, database: str) -> Config:
        """The configuration that leads to a database of the server."""
        return config_for(self.server.dsn(database), self.entries, self._state_dir)

    async def _template(self) -> str:
        key = " ".join(f"{name}={entry.value}" for name, entry in sorted(self.entries.items()))
        name = self.server.template(key)
        if name is None:
            name = await self.server.create()
            async with opened(self.config(name), entries=self.entries):
                pass
            self.server.keep_template(key, name)
        return name
