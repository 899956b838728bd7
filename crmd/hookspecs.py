"""The hooks of a plugin, all of them. Each is synchronous and declares; handlers are async and do.

A plugin is a module (or package) named by an entry point in the group `crmd.plugins`. It implements a hook by a
function of the hook's name; most need none, since every `@crmd.job` in the module's namespace is found by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    import msgspec

    from crmd.connections.provider import Provider
    from crmd.health_check import HealthCheck
    from crmd.job_type import JobType
    from crmd.sample import Sample

PROJECT = "crmd"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def crmd_job_types() -> Iterable[JobType]:  # type: ignore[empty-body]  # a specification has no body
    """Job types that are made at run time; those in the module's namespace need no hook."""


@hookspec
def crmd_settings() -> type[msgspec.Struct]:  # type: ignore[empty-body]  # a specification has no body
    """The type of the plugin's table `[plugins.<name>]`; each field has a default."""


@hookspec
def crmd_requires() -> Iterable[str]:  # type: ignore[empty-body]  # a specification has no body
    """Names of plugins whose migrations must have run before this one's."""


@hookspec
def crmd_providers() -> Iterable[Provider]:  # type: ignore[empty-body]  # a specification has no body
    """Providers at which users may hold connections."""


@hookspec
def crmd_health_checks() -> Iterable[HealthCheck]:  # type: ignore[empty-body]  # a specification has no body
    """Checks for `crmd doctor`."""


@hookspec
def crmd_samples() -> Iterable[Sample]:  # type: ignore[empty-body]  # a specification has no body
    """How `crmd plugin check` is to try the plugin's job types; asked for by nothing else."""


@hookspec
def crmd_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the plugin's own sub-commands; each sets `run` to a function `(arguments) -> exit code`."""
