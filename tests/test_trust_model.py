"""How long a daemon trusts its leases, as a small machine of ticks: renewals, suspensions, a reaper.

A daemon that still trusts its leases may call the outside; the others may take its jobs once its row has run out. The
two must never overlap, whatever is late, lost or suspended. Each guard in turn is left out to see what it is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE = 4
MARGIN = 1


class State(NamedTuple):
    """One daemon that holds a job, and what the database knows of it. All times in ticks.

    Attributes:
        lease_left: Until its row runs out.
        trust_left: Until it stops its jobs by itself.
        beat: How long ago a renewal was sent that is still on its way; None: none is.
        is_beat_answered: That one is on its way back.
        poised: Ticks since it looked whether it may call out, and has not called yet; None: it has not looked.
        is_taken: It was declared dead, and somebody else has its job.
    """

    lease_left: int = LEASE
    trust_left: int = LEASE - MARGIN
    beat: int | None = None
    is_beat_answered: bool = False
    poised: int | None = None
    is_taken: bool = False
    fault: str = ""


class Guards(NamedTuple):
    """What the daemon and the reaper heed. The real ones heed all of it."""

    calls_only_while_trusted: bool = True
    trust_counts_from_sending: bool = True
    clock_goes_on_in_suspension: bool = True
    keeps_a_margin: bool = True
    reaper_waits_for_the_lease: bool = True
    stands_still_at_most: int = MARGIN


def steps(state: State, guards: Guards) -> Iterator[State]:
    """Every state that one step can lead to."""
    yield from _time(state, guards)
    yield from _renews(state, guards)
    if state.poised is None and (state.trust_left > 0 or not guards.calls_only_while_trusted):
        yield state._replace(poised=0)
    if state.poised is not None:
        yield state._replace(poised=None, fault="two daemons at one job" if state.is_taken else "")
    if not state.is_taken and (state.lease_left == 0 or not guards.reaper_waits_for_the_lease):
        yield state._replace(is_taken=True)


def _time(state: State, guards: Guards) -> Iterator[State]:
    """A tick, and a tick of a suspended machine. A process that has looked calls within the margin."""
    beat = None if state.beat is None else min(state.beat + 1, LEASE)
    later = state._replace(lease_left=max(state.lease_left - 1, 0), beat=beat)
    aged = later._replace(trust_left=max(state.trust_left - 1, 0))
    if state.poised is None:
        yield aged
        yield aged if guards.clock_goes_on_in_suspension else later._replace(beat=state.beat)
    elif state.poised < guards.stands_still_at_most:
        yield aged._replace(poised=state.poised + 1)


def _renews(state: State, guards: Guards) -> Iterator[State]:
    """A renewal is sent, arrives, is answered; it is lost, or its answer is."""
    if state.beat is None:
        yield state._replace(beat=0, is_beat_answered=False)
        return
    yield state._replace(beat=None, is_beat_answered=False)
    if not state.is_beat_answered and not state.is_taken:
        yield state._replace(lease_left=LEASE, is_beat_answered=True)
    if state.is_beat_answered:
        age = state.beat if guards.trust_counts_from_sending else 0
        margin = MARGIN if guards.keeps_a_margin else 0
        yield state._replace(beat=None, is_beat_answered=False, trust_left=max(LEASE - margin - age, 0))


def walk(guards: Guards) -> tuple[int, str]:
    """Breadth-first through everything that can happen; answers how many states there are, and the first breach."""
    seen = {State()}
    frontier = [State()]
    while frontier:
        following = {after for state in frontier for after in steps(state, guards)} - seen
        faults = [state.fault for state in following if state.fault]
        if faults:
            return len(seen), faults[0]
        seen |= following
        frontier = list(following)
    return len(seen), ""


def test_no_daemon_calls_out_for_a_job_that_another_has() -> None:
    """With all guards, no late or lost renewal and no suspension lets two daemons act for one job at one time."""
    count, wrong = walk(Guards())
    assert wrong == ""
    assert count > 100


@pytest.mark.parametrize("guard", Guards._fields[:-1])
def test_each_guard_is_needed(guard: str) -> None:
    """Leave out one guard, and some order of events has two daemons at one job."""
    assert walk(Guards()._replace(**{guard: False}))[1] == "two daemons at one job"


def test_no_trust_covers_a_process_that_stands_still_before_it_calls() -> None:
    """A pause between the look and the call outlasts any margin: hence the ledger of effects, and fenced writes."""
    assert walk(Guards(stands_still_at_most=LEASE))[1] == "two daemons at one job"
