"""Chaos with real daemons: it comes through as long as there is fencing, and is found out when there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from crmd.chaos.fleet import CRMD
from crmd.chaos.options import LEASE_SECONDS, Options
from crmd.chaos.plan import Fault
from crmd.chaos.storm import run_chaos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.chaos.report import Report

pytestmark = pytest.mark.slow

UNFENCED = (sys.executable, str(Path(__file__).with_name("unfenced.py")))
# One daemon sleeps until its lease is over and its jobs are taken, and goes on with them when it wakes.
SLEEP = Fault(1.2, "suspend", 0, LEASE_SECONDS + 1.8, 0)


async def run(command: Sequence[str]) -> Report:
    """A short run with jobs that are long enough to be met by the sleep."""
    options = Options(
        seconds=7.0, daemons=2, rate=80.0, mean_milliseconds=300.0, command=command, plan=(SLEEP,), seed=1
    )
    return await run_chaos(options, lambda *_: None)


async def test_chaos_finds_out_when_there_is_no_fencing() -> None:
    """With fencing the same run holds, without it stale writes get through, and it is told how that came."""
    reports: dict[str, Report] = {}

    async def one(name: str, command: Sequence[str]) -> None:
        reports[name] = await run(command)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "fenced", CRMD)
        tasks.start_soon(one, "unfenced", UNFENCED)
    fenced, unfenced = reports["fenced"], reports["unfenced"]
    assert [(verdict.code, verdict.breaches) for verdict in fenced.verdicts if not verdict.holds] == []
    assert fenced.jobs["completed"] > 100
    assert fenced.faults == {"suspend": 1}
    broken = {verdict.code for verdict in unfenced.verdicts if not verdict.holds}
    assert "I3" in broken  # and mostly C1, where the other daemon has come to write as well
    assert not unfenced.holds
    told = next(lines for name, lines in unfenced.timelines.items() if name.startswith(("I3", "C1")))
    assert any("suspend daemon 0" in line for line in told)
    assert any("write      " in line for line in told)
