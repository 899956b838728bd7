"""Loads the plugin of a child process: itself and what it requires; the other plugins only if a job asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from crmd.errors import PluginError
from crmd.loaded import Loaded
from crmd.providing import known_plugins, providers_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.blueprint import Blueprint
    from crmd.connections.provider import Provider

_ValueT = TypeVar("_ValueT")


class Widening(Mapping[str, _ValueT]):
    """Looks in a few first, and only for a name that is not there in all: a job may enqueue for another plugin.

    Args:
        near: What is loaded.
        far: Loads the rest; called once a name is missing.
    """

    def __init__(self, near: Mapping[str, _ValueT], far: Callable[[], Mapping[str, _ValueT]]) -> None:
        self._near = near
        self._far = far

    def __getitem__(self, name: str) -> _ValueT:
        return self._near[name] if name in self._near else self._far()[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._near, **self._far()})

    def __len__(self) -> int:
        return len({**self._near, **self._far()})


@dataclass(frozen=True, slots=True)
class Hosted:
    """What a child process has loaded, and the addresses of providers."""

    loaded: Loaded
    providers: Mapping[str, Provider]


def load(blueprint: Blueprint) -> Hosted:
    """The job's plugin with what it requires.

    Raises:
        PluginError: It cannot be used here.
    """
    config = blueprint.config
    own = known_plugins(replace(config, plugins=msgspec.structs.replace(config.plugins, enabled=blueprint.plugins)))
    for broken in own.registry.broken:
        raise PluginError(f"The plugin {broken.name} cannot be used in a child process: {broken.reason}")

    @cache
    def every() -> Loaded:
        return known_plugins(config)

    return Hosted(
        Loaded(own.registry, own.settings, Widening(own.job_types, lambda: every().job_types)),
        Widening(providers_of(config, own.registry), lambda: providers_of(config, every().registry)),
    )
