"""What a run is to be, and how its daemons are set up for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd.chaos.fleet import CRMD
from crmd.chaos.plan import longest_silence_seconds, make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crmd.chaos.plan import Fault

LEASE_SECONDS = 3.0
SLOTS = 12
POOL_MAX = 8
# The control pool, the plugins' pool, heartbeat and listener; and up to eight processes of suspects, two pools of two
# each.
CONNECTIONS_ALLOWED = 8 + POOL_MAX + 2 + 8 * 4
QUIET_MORE_SECONDS = 1.0
SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is to be.

    Args:
        seconds: How long it storms.
        daemons: How many there are.
        seed: Of plan and workload.
        rate: Jobs that are offered a second.
        mean_milliseconds: How long jobs take on average; most are shorter.
        dsn: Somebody's server; None: one of our own, which may be stopped.
        word: Its password.
        command: How a daemon is started, without `run`.
        plan: Instead of the seed's own.
        folder: Where logs and ledger are kept; None: nowhere.
    """

    seconds: float = 60.0
    daemons: int = 3
    seed: int = 1
    rate: float = 150.0
    mean_milliseconds: float = 25.0
    dsn: str | None = None
    word: str | None = field(default=None, repr=False)
    command: Sequence[str] = CRMD
    plan: Sequence[Fault] | None = None
    folder: Path | None = None

    def planned(self) -> Sequence[Fault]:
        """The faults of the run."""
        if self.plan is not None:
            return self.plan
        return make_plan(self.seed, self.seconds, self.daemons, lease_seconds=LEASE_SECONDS, is_ours=self.dsn is None)

    def quiet_seconds(self) -> float:
        """How long nobody asks for what may still be under way: longer than anything is held up."""
        return longest_silence_seconds(self.planned()) + QUIET_MORE_SECONDS

    def settle_seconds(self) -> float:
        """How long it may take until everything has ended: a lease, and as long as two doubts in a row may last."""
        return LEASE_SECONDS + SETTLE_SECONDS + 3 * self.quiet_seconds()


def daemon_settings(folder: Path, receiver_port: int, quiet_seconds: float) -> Mapping[str, str]:
    """Settings of the daemons, as variables without `CRMD__`."""
    return {
        "DAEMON__LEASE_SECONDS": str(LEASE_SECONDS),
        "DAEMON__DRAIN_SECONDS": "0.5",
        "DATABASE__POOL_MAX": str(POOL_MAX),
        "QUEUES__NORMAL__SLOTS": str(SLOTS),
        "PLUGINS__CHAOS__LEDGER": str(folder / "ledger"),
        "PLUGINS__CHAOS__RECEIVER_PORT": str(receiver_port),
        "PLUGINS__CHAOS__QUIET_SECONDS": str(quiet_seconds),
    }
