"""Rule `memory`: what a job leaves in the process from run to run, and how much it takes while it runs."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

from crmd.testing.conformance.place import place_of_handler, shown
from crmd.testing.conformance.rule import Finding

if TYPE_CHECKING:
    from crmd.testing.conformance.trial import Trial, Trials
    from crmd.testing.conformance.undisturbed import Undisturbed

WARM_RUNS = 2
RUNS = 4
KEPT_BYTES_MAX = 64 * 1024
PEAK_BYTES_MAX = 64 * 1024 * 1024


async def forgets(trials: Trials, base: Undisturbed) -> Finding:
    """Run it several times in one process, and count what its own code has allocated and not let go."""
    name = base.job_type.name
    async with trials.fresh() as trial:
        tracemalloc.start()
        try:
            kept, place, peak = await _measured(trial, trials.folder)
        finally:
            tracemalloc.stop()
    if peak > PEAK_BYTES_MAX:
        what = f"one run takes {peak / 1048576:.0f} MiB"
        return Finding("memory", "fail", name, what, place_of_handler(base.job_type))
    if kept > KEPT_BYTES_MAX:
        return Finding("memory", "fail", name, f"each run keeps {kept / 1024:.0f} KiB for good", place)
    return Finding("memory", "pass", name)


async def _measured(trial: Trial, folder: str) -> tuple[float, str, int]:
    """Bytes kept by a run, the place that keeps most, and the peak of a run."""
    for _ in range(WARM_RUNS):
        await _once(trial)
    before = _own(folder)
    tracemalloc.reset_peak()
    start, _ = tracemalloc.get_traced_memory()
    for _ in range(RUNS):
        await _once(trial)
    _, peak = tracemalloc.get_traced_memory()
    growth = {place: size - before.get(place, 0) for place, size in _own(folder).items()}
    most = max(growth, key=growth.__getitem__, default="")
    return sum(growth.values()) / RUNS, most, peak - start


async def _once(trial: Trial) -> None:
    await trial.enqueue()
    await trial.workbench.drain(is_time_moved=True)


def _own(folder: str) -> dict[str, int]:
    """What the plugin's own lines hold, by place."""
    gc.collect()
    statistics = tracemalloc.take_snapshot().statistics("lineno")
    return {
        f"{shown(one.traceback[0].filename, folder)}:{one.traceback[0].lineno}": one.size
        for one in statistics
        if one.traceback[0].filename.startswith(folder)
    }
