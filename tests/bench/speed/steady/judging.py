"""What must hold of the phases, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.steady.phases import Passed, Phase

BACK_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A phase with what became of its jobs.

    Attributes:
        done: Jobs that had ended when it ended.
        waits_ms: From due to start: p50, p95, p99.
    """

    passed: Passed
    done: int
    waits_ms: tuple[float, float, float]

    @property
    def phase(self) -> Phase:
        """Which."""
        return self.passed.phase

    @property
    def offered(self) -> int:
        """How many jobs."""
        return self.passed.last - self.passed.first + 1

    @property
    def share_done(self) -> float:
        """Of what was offered."""
        return self.done / max(self.offered, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of everything in the end.

    Attributes:
        acknowledged: Jobs that the database took.
        lost: Those of them that did not end as completed.
        doubled: Jobs that ended more than once.
        run_again: Jobs that began more than once.
        without_excuse: Those of them whose daemon had not been killed while they ran.
        exits: Daemons that ended without having been killed.
        back_seconds: How long after its return the database was worked with as before; None: it was never away.
    """

    acknowledged: int
    lost: int
    doubled: int
    run_again: int
    without_excuse: int
    exits: int
    back_seconds: float | None


@dataclass(frozen=True, slots=True)
class Must:
    """Something that has to hold."""

    words: str
    holds: bool


def judge(measured: Sequence[Measured], account: Account) -> list[Must]:
    """Everything that has to hold, in the order of the phases."""
    musts: list[Must] = []
    for one in measured:
        phase = one.phase
        if phase.done_min is not None:
            words = f"{phase.name}: {one.share_done:.1%} of the offer done, at least {phase.done_min:.0%}"
            musts.append(Must(words, one.share_done >= phase.done_min))
        if phase.p99_max_ms is not None:
            words = f"{phase.name}: p99 {one.waits_ms[2]:.1f} ms, under {phase.p99_max_ms:.0f}"
            musts.append(Must(words, one.waits_ms[2] < phase.p99_max_ms))
    if account.back_seconds is not None:
        words = f"normal {account.back_seconds:.1f} s after the database is back, at most {BACK_SECONDS_MAX:.0f}"
        musts.append(Must(words, account.back_seconds <= BACK_SECONDS_MAX))
    counts = f"{account.run_again} jobs ran again, {account.without_excuse} of a daemon that was not killed then"
    return [
        *musts,
        Must(f"{account.exits} daemons ended by themselves, none may", account.exits == 0),
        Must(f"{account.lost} of {account.acknowledged:,} acknowledged jobs lost, none may be", account.lost == 0),
        Must(f"{account.doubled} jobs ended twice, none may", account.doubled == 0),
        Must(f"{counts}, none may be", account.without_excuse == 0),
    ]
