"""Goes through the phases on one database, with daemons that stay for as long as they can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speed.daemons import start_daemon, until_alive
from speed.rounds import tell
from speed.steady.outcome import account_of, measured_phase
from speed.steady.phases import PHASES, pass_through
from speed.steady.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.database import Ground
    from speed.steady.judging import Account, Measured
    from speed.steady.phases import Passed, Phase

SLOTS = {"QUEUES__FAST__SLOTS": "32"}
WARM_UP_SECONDS = 3.0


async def run_steady(
    ground: Ground, seconds: float, phases: Sequence[Phase] = PHASES
) -> tuple[list[Measured], Account]:
    """Every phase, each usually so many seconds long.

    Raises:
        BenchError: The jobs do not come to an end.
    """
    async with ground.fresh() as database:
        stage = Stage(database, SLOTS)
        try:
            stage.daemons.append(start_daemon(database, 0, **SLOTS))
            await until_alive(database, stage.daemons)
            return await _measured(stage, seconds, phases)
        finally:
            for daemon in stage.daemons:
                daemon.end()


async def _measured(stage: Stage, seconds: float, phases: Sequence[Phase]) -> tuple[list[Measured], Account]:
    passed: list[Passed] = []
    async with stage.offers.clients():
        await stage.offers.at_rate(phases[0].rate, min(WARM_UP_SECONDS, seconds))
        for phase in phases:
            passed.append(await pass_through(stage, phase, seconds))
            tell(f"{phase.name}: {passed[-1].last - passed[-1].first + 1:,} offered, backlog {passed[-1].backlog:,}")
        await stage.until_done()
        offers = stage.offers
        tell(f"{offers.offered:,} offered, {offers.refused:,} refused, {len(offers.unknown):,} of unknown outcome")
    account = await account_of(stage, passed)
    return [await measured_phase(stage, one) for one in passed], account
