"""Daemons, jobs and faults on simulated time: one seed is one order of everything, and every seed keeps the promises.

`make simulate SEEDS=1000000` plays more of them.
"""

from __future__ import annotations

import os

import pytest
from sim_store import Guards
from simulation import FAULTS, simulate

FIRST = int(os.environ.get("CRMD_SIMULATION_FIRST", "0"))
SEEDS = int(os.environ.get("CRMD_SIMULATION_SEEDS", "10000"))
SEEDS_PER_GUARD = 1500


@pytest.mark.slow
def test_every_seed_keeps_the_promises() -> None:
    """Crashes, pauses, cut links, lost answers, outages, clocks: nothing lost, doubled or written by a stale claim."""
    for seed in range(FIRST, FIRST + SEEDS):
        broken = simulate(seed)
        assert not broken, f"seed {seed}: {broken}. To repeat it: make simulate FIRST={seed} SEEDS=1"


def test_a_seed_is_one_order() -> None:
    """The same seed plays the same world, so that a failure can be repeated."""
    without = Guards(token_is_checked=False)
    broken = [simulate(seed, without) for seed in range(40)]
    assert any(broken)
    assert broken == [simulate(seed, without) for seed in range(40)]


@pytest.mark.parametrize(
    ("guard", "wrong", "faults"),
    [
        ("token_is_checked", "a stale claim", FAULTS),
        ("death_is_final", "a dead daemon lives again", FAULTS),
        ("dead_claim_nothing", "a dead daemon claimed", FAULTS),
        ("reaper_names_the_claim", "a live daemon's lease was reaped", FAULTS),
        ("lost_claims_are_found", "a job never ended", FAULTS),
        ("daemon_stops_by_itself", "two daemons at one job", ("cut", "cut")),
        ("sends_are_planned", "the outside was called twice", FAULTS),
        ("enqueues_have_keys", "a job was enqueued twice", FAULTS),
        ("cancel_outlives_the_reaper", "a cancelled job began again", FAULTS),
    ],
)
def test_each_guard_is_needed(guard: str, wrong: str, faults: tuple[str, ...]) -> None:
    """Take away one guard, and some seed breaks the promise that it keeps."""
    without = Guards(**{guard: False})
    assert any(wrong in simulate(seed, without, faults) for seed in range(SEEDS_PER_GUARD))
