"""Loads plugins: by name, each on its own, so that a broken one is named and the others go on."""

from __future__ import annotations

import difflib
import types
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from crmd import hookspecs
from crmd.errors import PluginError
from crmd.event_handler import SyncHandler
from crmd.job_type import JobType
from crmd.projection import Projection
from crmd.registry import BrokenPlugin, NoSettings, Plugin, registry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from crmd.registry import Registry
    from crmd.sample import Sample

GROUP = "crmd.plugins"
_KindT = TypeVar("_KindT")
PREFIX = "crmd_"
MARK = f"{hookspecs.PROJECT}_impl"  # what `crmd.hookimpl` leaves on a function
_HOOKS = {name for name in vars(hookspecs) if name.startswith(PREFIX)}


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

    Where two packages bring a plugin of one name, this is the first; `load` takes neither.
    """
    return {entry.name: entry for entry in reversed(list(entry_points(group=GROUP)))}


def _rivals(name: str) -> list[str]:
    """The installed packages that bring a plugin of this name."""
    return [distribution_of(entry) for entry in entry_points(group=GROUP, name=name)]


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
        if entries is None and len(rivals := _rivals(name)) > 1:
            reason = f"It is brought by {' and by '.join(rivals)}. Uninstall all but one."
            broken.append(BrokenPlugin(name, rivals[0], reason))
            continue
        try:
            loaded.append(_load(entry))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except PluginError as error:
            broken.append(BrokenPlugin(name, distribution_of(entry), str(error)))
        except BaseException as error:  # noqa: BLE001 - a plugin may even call sys.exit at import
            broken.append(BrokenPlugin(name, distribution_of(entry), f"It raised {type(error).__name__}: {error}"))
    return registry_of(loaded, broken)


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
        distribution=distribution_of(entry),
        job_types=tuple(job_type.owned_by(entry.name) for job_type in _job_types(module, hooks)),
        settings_type=next(iter(hooks.hook.crmd_settings()), NoSettings),
        requires=_flat(hooks.hook.crmd_requires()),
        providers=_flat(hooks.hook.crmd_providers()),
        health_checks=_flat(hooks.hook.crmd_health_checks()),
        module=module,
        sync_handlers=tuple(one.owned_by(entry.name) for one in _named(module, SyncHandler)),
        projections=tuple(replace(one, plugin=entry.name) for one in _named(module, Projection)),
    )


def requires_of(entry: Entry) -> tuple[str, ...]:
    """Names of the plugins that this one requires; none when it cannot be loaded, which `load` explains."""
    try:
        return _load(entry).requires
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException:  # noqa: BLE001 - told by `load`, with the plugin's name
        return ()


def samples_of(plugin: Plugin) -> tuple[Sample, ...]:
    """How the plugin's job types are to be tried; asked for by `crmd plugin check` alone, so that nobody else pays."""
    hooks = pluggy.PluginManager(hookspecs.PROJECT)
    hooks.add_hookspecs(hookspecs)
    hooks.register(plugin.module, plugin.name)
    return _flat(hooks.hook.crmd_samples())


def _job_types(module: types.ModuleType, hooks: pluggy.PluginManager) -> list[JobType]:
    found = [value for value in vars(module).values() if isinstance(value, JobType)]
    found += [job_type for job_type in _flat(hooks.hook.crmd_job_types()) if job_type not in found]
    return list({id(job_type): job_type for job_type in found}.values())


def _named(module: types.ModuleType, kind: type[_KindT]) -> list[_KindT]:
    """What of a kind has a name in the module, each once."""
    return list({id(value): value for value in vars(module).values() if isinstance(value, kind)}.values())


def _own_hooks(module: types.ModuleType) -> list[str]:
    """Functions that mean to be hooks: by their name, or by the mark of `crmd.hookimpl`."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and (name.startswith(PREFIX) or hasattr(value, MARK))
    ]


def _check_hooks(module: types.ModuleType) -> None:
    for name in _own_hooks(module):
        if name not in _HOOKS:
            near = difflib.get_close_matches(name, _HOOKS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The hooks are {', '.join(sorted(_HOOKS))}."
            raise PluginError(f"There is no hook {name}.", hint=hint)


def _flat(answers: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(item for answer in answers for item in answer)


def _missing(name: str, known: Mapping[str, Entry]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Install it with `pip install crmd-{name}`."
    return f"It is enabled, but no installed package declares it. {hint}"


def distribution_of(entry: Entry) -> str:
    """Name and version of the package that brings a plugin; of one that is not installed, its module's name."""
    dist = getattr(entry, "dist", None)
    return entry.value if dist is None else f"{dist.name} {dist.version}"
