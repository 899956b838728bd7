"""What a daemon hands to the process that runs jobs of one plugin: its own configuration, as it stands in memory.

It goes through a pipe that nobody else can open, never through arguments or the environment, where other processes of
the machine could read it. So secrets may be in it; they are taken out of their wrapping here and nowhere else.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.config.loading import Config
    from crmd.engine.services import Services
    from crmd.registry import Registry
    from crmd.store.pools import Server


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that a child process needs to run jobs as its daemon would.

    Attributes:
        plugins: The job's plugin and those it requires, in the order in which they load.
        is_role_changed: As in `Services`.
        daemon_pid: Of the daemon, whose end is the child's.
        log_level: The least severity that the daemon takes of the child's log.
    """

    config: Config
    server: Server
    plugins: tuple[str, ...]
    is_role_changed: bool
    daemon_pid: int
    log_level: int


def blueprints(config: Config, services: Services, registry: Registry) -> Callable[[str], bytes]:
    """Makes the blueprint of a plugin's host, by the plugin's name."""
    return lambda plugin: packed(
        Blueprint(
            config=config,
            server=services.pools.server,
            plugins=registry.with_required(plugin),
            is_role_changed=services.is_role_changed,
            daemon_pid=os.getpid(),
            log_level=logging.getLogger("crmd.plugins").getEffectiveLevel(),
        )
    )


class _Unwrapping(pickle.Pickler):
    """Secrets refuse to be pickled; a pipe between a daemon and its own child is where they must be."""

    def reducer_override(self, obj: Any) -> Any:  # noqa: ANN401 - as pickle defines it
        return (Secret, (obj.reveal(),)) if isinstance(obj, Secret) else NotImplemented


def packed(blueprint: Blueprint) -> bytes:
    """The blueprint for the pipe."""
    stream = io.BytesIO()
    _Unwrapping(stream).dump(blueprint)
    return stream.getvalue()


def unpacked(octets: bytes) -> Blueprint:
    """The blueprint that the daemon sent."""
    blueprint: Blueprint = pickle.loads(octets)  # noqa: S301 - written by our own daemon, which could do worse
    return blueprint
