"""The configuration and the plugins of a test's database."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from crmd.config.loading import Config
from crmd.config.settings import Database, Plugins, Vault
from crmd.errors import UsageError
from crmd.plugins import ModuleEntry, installed
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from crmd.plugins import Entry

MASTER_KEY = "A" * 43 + "="


def entries_of(wanted: Iterable[str | types.ModuleType]) -> dict[str, Entry]:
    """Where the plugins of a test come from, by name.

    Args:
        wanted: Names of installed plugins, or modules that are plugins and need not be installed.

    Raises:
        UsageError: A name is not installed here.
    """
    known = installed()
    entries: dict[str, Entry] = {}
    for plugin in wanted:
        if isinstance(plugin, types.ModuleType):
            name = plugin.__name__.rpartition(".")[2].removeprefix("crmd_")
            entries[name] = ModuleEntry(name, plugin)
        elif plugin in known:
            entries[plugin] = known[plugin]
        else:
            raise UsageError(f"The plugin {plugin!r} is not installed here.")
    return entries


def config_for(dsn: str, enabled: Iterable[str], state_dir: Path) -> Config:
    """A configuration with that database and those plugins, and a key for secrets that are made up anyway."""
    return Config(
        state_dir=state_dir,
        database=Database(dsn=Secret(dsn)),
        plugins=Plugins(enabled=tuple(enabled)),
        vault=Vault(master_key=Secret(MASTER_KEY)),
    )
