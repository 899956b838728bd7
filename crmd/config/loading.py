"""From a file, an environment and flags to one `Config`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crmd.config import layers, search
from crmd.config.alert_settings import Alerts
from crmd.config.api_settings import Api
from crmd.config.settings import (
    DEFAULT_QUEUES,
    NAMED_SECTIONS,
    SECTIONS,
    Daemon,
    Database,
    JobOverride,
    Log,
    Plugins,
    Provider,
    Queue,
    RateLimit,
    Retention,
    Vault,
    Webhooks,
)
from crmd.config.tables import parameters, tables_of
from crmd.config.tracing_settings import Tracing
from crmd.config.validation import Problem, Table, check_table
from crmd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from crmd.config.layers import Entry, KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one daemon.

    Args:
        state_dir: `daemon.state_dir`, or the folder that systemd or XDG gives; absolute, perhaps not made yet.
        runtime_dir: Folder for sockets that ends with the daemon, when systemd or XDG gives one.
        path: The config file that was read; None without one.
        embedded: PostgreSQL parameters for the embedded server.
        plugin_tables: `[plugins.<name>]` as found, for `check_table` with the plugin's own settings class.
        entries: Where each given key was found; keys left to their default are not in it.
    """

    state_dir: Path
    runtime_dir: Path | None = None
    path: Path | None = None
    alerts: Alerts = field(default_factory=Alerts)
    api: Api = field(default_factory=Api)
    tracing: Tracing = field(default_factory=Tracing)
    database: Database = field(default_factory=Database)
    daemon: Daemon = field(default_factory=Daemon)
    log: Log = field(default_factory=Log)
    plugins: Plugins = field(default_factory=Plugins)
    retention: Retention = field(default_factory=Retention)
    vault: Vault = field(default_factory=Vault)
    webhooks: Webhooks = field(default_factory=Webhooks)
    queues: Mapping[str, Queue] = field(default_factory=lambda: dict(DEFAULT_QUEUES))
    jobs: Mapping[str, JobOverride] = field(default_factory=dict)
    limits: Mapping[str, RateLimit] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    embedded: Mapping[str, str] = field(default_factory=dict)
    plugin_tables: Mapping[str, Table] = field(default_factory=dict)
    entries: Mapping[KeyPath, Entry] = field(default_factory=dict)


def load_config(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]) -> Config:
    """The configuration, or one error that lists every problem with its place.

    Args:
        path: The config file (`--config`); None searches the usual places.
        environ: The process environment.
        overrides: Flags by dotted key, such as `{"log.level": "debug"}`; None values are ignored.

    Raises:
        ConfigError: something is wrong; its sentence holds one line per problem.
    """
    config, problems = check_config(path, environ, overrides)
    if config is None:
        raise ConfigError("\n".join(map(str, problems)), hint="Mend it and try again.")
    return config


def check_config(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[Config | None, list[Problem]]:
    """As `load_config`, with all problems as values; the Config is None when there are any.

    Raises:
        ConfigError: a file cannot be read or is not TOML, so that nothing can be checked.
    """
    file = search.find_config_file(path, environ)
    entries = layers.merged(
        [
            layers.flag_layer(overrides),
            layers.environment_layer(environ),
            layers.credential_layer(environ),
            layers.file_layer(file) if file else {},
        ]
    )
    tables, problems = tables_of(entries)
    values: dict[str, Any] = {"path": file, "entries": entries, "runtime_dir": search.runtime_dir(environ)}
    for section, kind in SECTIONS.items():
        values[section], found = check_table(kind, tables.get((section,)) or Table(section))
        problems += found
    for section, kind in NAMED_SECTIONS.items():
        values[section] = dict(DEFAULT_QUEUES) if section == "queues" else {}
        for name, table in tables.named(section):
            values[section][name], found = check_table(kind, table, values[section].get(name))
            problems += found
    values["embedded"], found = parameters(tables.get(("embedded",)))
    problems += found
    if problems:
        return None, problems
    values["plugin_tables"] = dict(tables.named("plugins"))
    state_dir = search.state_dir(values["daemon"].state_dir, environ, is_root=os.geteuid() == 0)
    return Config(state_dir=state_dir, **values), []
