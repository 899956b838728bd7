"""The same beginning time after time: a database that is migrated once for some plugins, and restored for each run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from crmd.composition import beside, opened
from crmd.store.queries import load_queries
from crmd.testing.preparing import config_for, entries_of
from crmd.testing.workbench import workbench_on

if TYPE_CHECKING:
    import types
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from crmd.composition import Opened
    from crmd.config.loading import Config
    from crmd.plugins import Entry
    from crmd.testing.databases import TestServer
    from crmd.testing.workbench import Workbench

_SQL = load_queries("crmd.testing")


class Arena:
    """Makes the databases of a test; an async context manager.

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
        self._stack = contextlib.AsyncExitStack()
        self._ground: Opened | None = None
        self._is_restorable = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def without(self, plugin: str) -> Arena:
        """The same without one of the plugins."""
        entries = {name: entry for name, entry in self.entries.items() if name != plugin}
        return Arena(self.server, entries, self._state_dir)

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[Workbench]:
        """A workbench on a database in which nothing has happened yet. One at a time: it is the same one, restored.

        Where the server's role is no superuser, which alone may restore rows, each time makes a database.
        """
        if self._ground is None:
            self._ground = await self._stack.enter_async_context(self._opened())
            await self._ground.pools.control.execute(_SQL.clock_inject)
            await self._ground.pools.control.execute(_SQL.rows_save)
            self._is_restorable = bool(await self._ground.pools.control.fetchval(_SQL.is_superuser))
        elif self._is_restorable:
            await self._ground.pools.control.execute(_SQL.rows_restore)
        else:
            async with self._opened() as everything:
                yield await workbench_on(everything)
            return
        async with beside(self._ground) as everything:
            yield await workbench_on(everything)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Opened]:
        async with self.database() as config, opened(config, entries=self.entries) as everything:
            yield everything

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Config]:
        """The configuration of a database of its own, as `fresh` has it in the beginning; gone after the block."""
        name = await self.server.create(await self.template())
        try:
            yield self.config(name)
        finally:
            await self.server.drop(name)

    def config(self, database: str) -> Config:
        """The configuration that leads to a database of the server."""
        return config_for(self.server.dsn(database), self.entries, self._state_dir)

    async def ground_floor(self) -> str:
        """The template without any plugin: most of the migrations are crmd's own, and the same for all."""
        return await Arena(self.server, {}, self._state_dir).template()

    async def template(self) -> str:
        """The database that the others are cloned from, migrated for the plugins; made once per server."""
        key = " ".join(f"{name}={entry.value}" for name, entry in sorted(self.entries.items()))
        name = self.server.template(key)
        if name is None:
            name = await self.server.create(await self.ground_floor() if self.entries else "template0")
            async with opened(self.config(name), entries=self.entries):
                pass
            self.server.keep_template(key, name)
        return name
