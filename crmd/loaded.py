"""The plugins of a configuration, with their settings read and the operator's overrides in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd import plugins
from crmd.config.validation import Table, check_table, unknown_name
from crmd.overriding import overridden
from crmd.registry import BrokenPlugin, Plugin, Registry
from crmd.webhook_job import DELIVER_WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from crmd.config.loading import Config
    from crmd.job_type import JobType


@dataclass(frozen=True, slots=True)
class Loaded:
    """The plugins of a configuration, with their settings and the operator's overrides in place."""

    registry: Registry
    settings: Mapping[str, msgspec.Struct]
    job_types: Mapping[str, JobType]

    def declared(self) -> list[JobType]:
        """Each job type once."""
        return list({job_type.name: job_type for job_type in self.job_types.values()}.values())


def load_plugins(config: Config, entries: Mapping[str, plugins.Entry] | None = None) -> Loaded:
    """Load the enabled plugins and read their settings; one whose settings are wrong is broken like any other.

    Args:
        config: The configuration.
        entries: Where plugins come from; None: from what is installed.
    """
    registry = plugins.load(config.plugins.enabled, entries)
    settings: dict[str, msgspec.Struct] = {}
    broken = list(registry.broken)
    kept: list[Plugin] = []
    for plugin in registry.plugins:
        table = config.plugin_tables.get(plugin.name) or Table(f"plugins.{plugin.name}")
        value, problems = check_table(plugin.settings_type, table)
        if value is None:
            broken.append(BrokenPlugin(plugin.name, plugin.distribution, " ".join(map(str, problems))))
        else:
            settings[plugin.name] = value
            kept.append(plugin)
    registry = Registry(tuple(kept), tuple(broken))
    job_types = {
        name: overridden(job_type, config.jobs.get(job_type.name))
        for name, job_type in {**registry.job_types, DELIVER_WEBHOOK.name: DELIVER_WEBHOOK}.items()
    }
    return Loaded(registry, settings, job_types)


def check_names(config: Config, loaded: Loaded) -> list[str]:
    """One sentence for each name in the configuration that nothing answers to."""
    known = set(loaded.job_types)
    wrong = [f"jobs.{name}: {unknown_name('job type', name, known)}" for name in config.jobs if name not in known]
    enabled = set(config.plugins.enabled)
    wrong += [
        f"plugins.{name}: {unknown_name('plugin', name, enabled)}"
        for name in config.plugin_tables
        if name not in enabled
    ]
    providers = loaded.registry.providers
    wrong += [
        f"providers.{name}: {unknown_name('provider', name, providers)}"
        for name in config.providers
        if name not in providers and not loaded.registry.broken
    ]
    return wrong


def without(loaded: Loaded, plugin: Plugin, reason: str) -> Loaded:
    """The same, with one plugin broken after all."""
    registry = loaded.registry
    kept = tuple(other for other in registry.plugins if other is not plugin)
    broken = (*registry.broken, BrokenPlugin(plugin.name, plugin.distribution, reason))
    job_types = {name: known for name, known in loaded.job_types.items() if known.plugin != plugin.name}
    return Loaded(Registry(kept, broken), loaded.settings, job_types)
