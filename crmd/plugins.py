"""Loads plugins: by name, each on its own, so that a broken one is named and the others go on."""

from __future__ import annotations

import difflib
import types
from collections import ChainMap
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pluggy

from crmd import hookspecs
from crmd.errors import PluginError
from crmd.job_type import JobType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from crmd.connections.provider import Provider
    from crmd.health_check import HealthCheck

GROUP = "crmd.plugins"
PREFIX = "crmd_"
_HOOKS = {name for name in vars(hookspecs) if name.startswith(PREFIX)}


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
    def providers(self) -> dict[str, Provider]:
        """By name."""
        return {provider.name: provider for plugin in self.plugins for provider in plugin.providers}


class Entry(Protocol):
    """Where a plugin comes from: an installed entry point, or a module at hand (`ModuleEntry`)."""

    @property
    def name(self) -> str:
        """Of the plugin."""

    @property
    def value(self) -> str:
        """Where its module is."""

    def load(self) -> Any:  # noqa: ANN401 - a module
        """Import it."""


@dataclass(frozen=True, slots=True)
class ModuleEntry:
    """A plugin that is at hand and need not be installed, as in a test of its own."""

    name: str
    module: types.ModuleType

    @property
    def value(self) -> str:
        """The module's name."""
        return self.module.__name__

    def load(self) -> types.ModuleType:
        """The module."""
        return self.module


def installed() -> dict[str, EntryPoint]:
    """Every installed plugin's entry point by name; nothing is imported.

    Two distributions with the same name keep the first; the loader names both when it is asked for.
    """
    return {entry.name: entry for entry in reversed(list(entry_points(group=GROUP)))}


def load(enabled: Sequence[str], entries: Mapping[str, Entry] | None = None) -> Registry:
    """Load the named plugins. Whatever goes wrong with one stays with it.

    Args:
        enabled: Names; nothing else is imported.
        entries: Entry points by name; None: those installed.
    """
    known: Mapping[str, Entry] = installed() if entries is None else entries
    broken: list[BrokenPlugin] = []
    loaded: list[Plugin] = []
    for name in enabled:
        entry = known.get(name)
        if entry is None:
            broken.append(BrokenPlugin(name, "not installed", _missing(name, known)))
            continue
        try:
            loaded.append(_load(entry))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except PluginError as error:
            broken.append(BrokenPlugin(name, _distribution(entry), str(error)))
        except BaseException as error:  # noqa: BLE001 - a plugin may even call sys.exit at import
            broken.append(BrokenPlugin(name, _distribution(entry), f"It raised {type(error).__name__}: {error}"))
    return _without_clashes(loaded, broken)


def _load(entry: Entry) -> Plugin:
    module = entry.load()
    _check_hooks(module)
    hooks = pluggy.PluginManager(hookspecs.PROJECT)
    hooks.add_hookspecs(hookspecs)
    for name in _own_hooks(module):
        hookspecs.hookimpl(getattr(module, name))
    try:
        hooks.register(module, entry.name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"A hook does not fit: {str(error).splitlines()[-1]}.") from error
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    return Plugin(
        name=entry.name,
        package=package,
        distribution=_distribution(entry),
        job_types=tuple(job_type.owned_by(entry.name) for job_type in _job_types(module, hooks)),
        settings_type=next(iter(hooks.hook.crmd_settings()), NoSettings),
        requires=_flat(hooks.hook.crmd_requires()),
        providers=_flat(hooks.hook.crmd_providers()),
        health_checks=_flat(hooks.hook.crmd_health_checks()),
        module=module,
    )


def _job_types(module: types.ModuleType, hooks: pluggy.PluginManager) -> list[JobType]:
    found = [value for value in vars(module).values() if isinstance(value, JobType)]
    found += [job_type for job_type in _flat(hooks.hook.crmd_job_types()) if job_type not in found]
    return list({id(job_type): job_type for job_type in found}.values())


def _own_hooks(module: types.ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if name.startswith(PREFIX) and isinstance(value, types.FunctionType)
    ]


def _check_hooks(module: types.ModuleType) -> None:
    for name in _own_hooks(module):
        if name not in _HOOKS:
            near = difflib.get_close_matches(name, _HOOKS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The hooks are {', '.join(sorted(_HOOKS))}."
            raise PluginError(f"There is no hook {name}.", hint=hint)


def _without_clashes(loaded: Sequence[Plugin], broken: list[BrokenPlugin]) -> Registry:
    """Drop plugins that repeat a job name of an earlier one, or require what is not there; order the rest."""
    owners: ChainMap[str, Plugin] = ChainMap({})
    kept: dict[str, Plugin] = {}
    for plugin in loaded:
        words = [word for job_type in plugin.job_types for word in (job_type.name, *job_type.aliases)]
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


def _flat(answers: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(item for answer in answers for item in answer)


def _missing(name: str, known: Mapping[str, Entry]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Install it with `pip install crmd-{name}`."
    return f"It is enabled, but no installed package declares it. {hint}"


def _distribution(entry: Entry) -> str:
    dist = getattr(entry, "dist", None)
    return entry.value if dist is None else f"{dist.name} {dist.version}"
