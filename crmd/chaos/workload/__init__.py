"""The workload: a plugin as a third party would ship it, whose jobs note outside what they do inside.

The daemons of a chaos run load it, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd
from crmd.chaos.workload.jobs import doomed, limited, parent, send, single, steps, tick, work
from crmd.chaos.workload.settings import ChaosSettings

if TYPE_CHECKING:
    import msgspec

__all__ = ["doomed", "limited", "parent", "send", "single", "steps", "tick", "work"]


@crmd.hookimpl
def crmd_settings() -> type[msgspec.Struct]:
    """The table `[plugins.chaos]`."""
    return ChaosSettings
