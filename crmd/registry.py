"""The loaded plugins and all that they declare, without clashes and in the order of what they require."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crmd.connections.provider import Provider
    from crmd.event_handler import SyncHandler
    from crmd.health_check import HealthCheck
    from crmd.job_type import JobType
    from crmd.projection import Projection


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a plugin that declares none."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A loaded plugin and all that it declares.

    Attributes:
        name: Of its entry point.
        package: Import name, whose `migrations/` are applied; empty for a plugin of one file.
        distribution: Name and version of what was installed.
    """

    name: str
    package: str
    distribution: str
    job_types: tuple[JobType, ...]
    settings_type: type[msgspec.Struct]
    requires: tuple[str, ...]
    providers: tuple[Provider, ...]
    health_checks: tuple[HealthCheck, ...]
    module: Any = field(repr=False)
    sync_handlers: tuple[SyncHandler, ...] = ()
    projections: tuple[Projection, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that cannot be used: its name, what was installed, and why in one sentence."""

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """What was loaded, in an order in which each plugin comes after those it requires."""

    plugins: tuple[Plugin, ...]
    broken: tuple[BrokenPlugin, ...]

    @property
    def job_types(self) -> dict[str, JobType]:
        """By name and alias."""
        found: dict[str, JobType] = {}
        for plugin in self.plugins:
            for job_type in plugin.job_types:
                found |= dict.fromkeys((job_type.name, *job_type.aliases), job_type)
        return found

    def declared(self) -> Iterator[JobType]:
        """Each job type once."""
        for plugin in self.plugins:
            yield from plugin.job_types

    @property
    def versions(self) -> dict[str, str]:
        """Distribution and version of each plugin."""
        return {plugin.name: plugin.distribution for plugin in self.plugins}

    def with_required(self, name: str) -> tuple[str, ...]:
        """A plugin and all that it requires, in the order in which they load."""
        wanted = {name}
        for plugin in reversed(self.plugins):  # each stands behind those that it requires
            if plugin.name in wanted:
                wanted.update(plugin.requires)
        return tuple(plugin.name for plugin in self.plugins if plugin.name in wanted)

    @property
    def sync_handlers(self) -> tuple[SyncHandler, ...]:
        """Of all plugins."""
        return tuple(handler for plugin in self.plugins for handler in plugin.sync_handlers)

    @property
    def projections(self) -> tuple[Projection, ...]:
        """Of all plugins."""
        return tuple(projection for plugin in self.plugins for projection in plugin.projections)

    @property
    def providers(self) -> dict[str, Provider]:
        """By name."""
        return {provider.name: provider for plugin in self.plugins for provider in plugin.providers}


def registry_of(loaded: Sequence[Plugin], broken: list[BrokenPlugin]) -> Registry:
    """Drop plugins that repeat a job name of an earlier one, or require what is not there; order the rest."""
    owners: ChainMap[str, Plugin] = ChainMap({})
    kept: dict[str, Plugin] = {}
    for plugin in loaded:
        words = [word for job_type in plugin.job_types for word in (job_type.name, *job_type.aliases)]
        words += [f"{projection.name} (projection)" for projection in plugin.projections]
        clash = next((word for word in words if word in owners), None)
        doubled = next((word for word in words if words.count(word) > 1), None)
        if clash is not None:
            other = owners[clash]
            reason = f"The job name {clash!r} is declared by {other.distribution} and by {plugin.distribution}."
            broken.append(BrokenPlugin(plugin.name, plugin.distribution, reason))
        elif doubled is not None:
            broken.append(
                BrokenPlugin(plugin.name, plugin.distribution, f"It declares the job name {doubled!r} twice.")
            )
        else:
            kept[plugin.name] = plugin
            owners.update(dict.fromkeys(words, plugin))
    return _ordered(kept, broken)


def _ordered(kept: dict[str, Plugin], broken: list[BrokenPlugin]) -> Registry:
    ordered: dict[str, Plugin] = {}
    waiting = dict(kept)
    while waiting:
        ready = [plugin for plugin in waiting.values() if all(name in ordered for name in plugin.requires)]
        if not ready:
            break
        for plugin in ready:
            ordered[plugin.name] = waiting.pop(plugin.name)
    for plugin in waiting.values():
        lacking = ", ".join(name for name in plugin.requires if name not in ordered)
        broken.append(BrokenPlugin(plugin.name, plugin.distribution, f"It requires {lacking}, which is not loaded."))
    return Registry(tuple(ordered.values()), tuple(broken))
