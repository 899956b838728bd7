"""How one engine behaves: what the composition root reads from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd.engine.upkeep import Keep

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How one engine behaves.

    Attributes:
        slots: Running jobs per queue.
        local_limits: Of job types inside this daemon: name of the limit, job type, most.
        is_alone: Run only what is handed over, as `crmd run-once` does: no claims, no schedules, no reaping.
    """

    version: str
    slots: Mapping[str, int]
    lease_seconds: float = 30.0
    drain_seconds: float = 20.0
    poll_max_seconds: float = 5.0
    keep: Keep = field(default_factory=Keep)
    local_limits: tuple[tuple[str, str, int], ...] = ()
    is_alone: bool = False
