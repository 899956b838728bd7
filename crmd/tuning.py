"""What operators have changed live, as a daemon works by it: pauses, weights and slots. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """One look at `crmd.tuning`.

    Attributes:
        paused: Keys that rest now: `queue:<name>`, `type:<name>`, `workspace/<id>`, or any key of a lane.
        weights: Shares of the turns, of those who have another than 1.
        slots: Of queues: running jobs in each daemon.
        local: Of limits that count inside each daemon.
    """

    paused: frozenset[str] = frozenset()
    weights: Mapping[str, float] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    local: Mapping[str, int] = field(default_factory=dict)

    @property
    def paused_types(self) -> list[str]:
        """The job types that rest."""
        return sorted(key.removeprefix("type:") for key in self.paused if key.startswith("type:"))


UNTUNED = Tuning()
