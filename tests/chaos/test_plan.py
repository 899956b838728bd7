"""The plan of faults: a pure function of its seed that does everything it may, and nothing that it may not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from crmd.chaos.plan import (
    KINDS,
    LINK_KINDS,
    LONG_STOP_SECONDS,
    QUIET_END_SECONDS,
    SERVER_KINDS,
    WHOLE_KINDS,
    longest_silence_seconds,
    make_plan,
)

SEEDS = range(50)


def test_the_same_seed_is_the_same_plan() -> None:
    """A plan can be repeated, and another seed makes another one."""
    first = make_plan(7, 60, 3, lease_seconds=3, is_ours=True)
    assert first == make_plan(7, 60, 3, lease_seconds=3, is_ours=True)
    assert first != make_plan(8, 60, 3, lease_seconds=3, is_ours=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_stays_inside(seed: int) -> None:
    """Each fault hits somebody who exists, begins in order and is over before the plan is."""
    plan = make_plan(seed, 45, 3, lease_seconds=3, is_ours=True)
    assert list(plan) == sorted(plan, key=lambda fault: fault.at_seconds)
    for fault in plan:
        assert 0 <= fault.target < 3 + (fault.kind in LINK_KINDS)
        assert fault.seconds >= 0
        assert fault.at_seconds + fault.seconds <= 45
        assert fault.at_seconds <= 45 - QUIET_END_SECONDS
    assert longest_silence_seconds(plan) <= 9.0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_minute_has_every_kind(seed: int) -> None:
    """Whatever chance says, a run of a minute does everything once."""
    assert {fault.kind for fault in make_plan(seed, 60, 3, lease_seconds=3, is_ours=True)} == set(KINDS)


def test_ten_minutes_have_five_hundred_faults_and_a_long_stop() -> None:
    """A long run has one stop of the database for half a minute, and about a fault a second."""
    for seed in SEEDS:
        plan = make_plan(seed, 600, 3, lease_seconds=3, is_ours=True)
        assert len(plan) >= 530
        assert sum(fault.seconds == LONG_STOP_SECONDS for fault in plan) == 1


def test_what_concerns_all_is_done_alone() -> None:
    """Nothing else begins while the server, a backend or the clock is not as it should be."""
    plan = make_plan(3, 600, 3, lease_seconds=3, is_ours=True)
    for fault, following in pairwise(plan):
        if fault.kind in WHOLE_KINDS:
            assert following.at_seconds > fault.at_seconds + fault.seconds


def test_somebody_elses_server_is_left_alone() -> None:
    """On a server that is not ours nothing is stopped or frozen."""
    for seed in SEEDS:
        plan = make_plan(seed, 400, 3, lease_seconds=3, is_ours=False)
        assert not {fault.kind for fault in plan} & SERVER_KINDS
