"""The lease protocol as a small machine, walked through every interleaving of two workers, pauses and crashes.

The state is what the database and the workers know; each step is one statement of crmd/store/queries. What must hold is
checked in each state that can be reached, and each guard in turn is left out to see that its absence is found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = (0, 1)
CLAIMS_MAX = 3
ENDED = "ended"
WAITS = "waits"
RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Worker:
    """A daemon: which life it lives, the claim it believes to hold, and what it has prepared but not sent."""

    life: int = 0
    claim: int | None = None
    fence: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """One job, its lease, the daemons' rows, and what has been written.

    Attributes:
        holder: The life whose daemon row the lease names.
        dead: Lives that were declared dead, for good.
        seen: The reaper's reading: the claim that it means to give back.
        effects: The claims whose effect committed, in order.
        by: The claim that ended the job.
    """

    status: str = WAITS
    fence: int = 0
    claim: int = 0
    holder: tuple[int, int] | None = None
    claims_made: int = 0
    workers: tuple[Worker, ...] = (Worker(), Worker())
    dead: frozenset[tuple[int, int]] = frozenset()
    seen: tuple[int, int] | None = None
    effects: tuple[int, ...] = ()
    by: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Guards:
    """What the statements check. The real ones check all of it."""

    settle_names_the_claim: bool = True
    effect_holds_the_lease: bool = True
    beat_heeds_death: bool = True
    reap_names_the_claim: bool = True
    claim_asks_if_alive: bool = True


def steps(state: State, guards: Guards) -> Iterator[State]:
    """Every state that one statement can lead to."""
    for place in WORKERS:
        yield from worker_steps(state, place, guards)
    yield from reaper_steps(state, guards)


def worker_steps(state: State, place: int, guards: Guards) -> Iterator[State]:
    """What one worker may do next; to pause is to do nothing while others do."""
    worker = state.workers[place]
    me = (place, worker.life)
    if worker.claim is None:
        if (
            state.status == WAITS
            and state.claims_made < CLAIMS_MAX
            and (not guards.claim_asks_if_alive or me not in state.dead)
        ):
            yield claimed(state, place, worker)
    else:
        is_mine = (state.claim, state.fence) == (worker.claim, worker.fence)
        if state.status == RUNS and (is_mine or not guards.effect_holds_the_lease):
            yield replace(state, effects=(*state.effects, worker.claim))
        if state.status == RUNS and (is_mine or not guards.settle_names_the_claim):
            yield with_worker(
                replace(state, status=ENDED, holder=None, by=state.claim if is_mine else -1),
                place,
                replace(worker, claim=None),
            )
            if is_mine:
                yield with_worker(replace(state, status=WAITS, holder=None), place, replace(worker, claim=None))
        if not is_mine or state.status != RUNS:  # told that it has lost its lease, it drops the job
            yield with_worker(state, place, replace(worker, claim=None))
    if me in state.dead and not guards.beat_heeds_death:
        yield replace(state, dead=state.dead - {me})
    if worker.life == 0:  # a crash, or the next life after a death: the claim is forgotten
        yield with_worker(state, place, Worker(life=1))


def claimed(state: State, place: int, worker: Worker) -> State:
    """The job under a new token: one more on the fence, a claim id that never was before."""
    claim = state.claims_made + 1
    fence = state.fence + 1
    taken = replace(state, status=RUNS, fence=fence, claim=claim, claims_made=claim, holder=(place, worker.life))
    return with_worker(taken, place, replace(worker, claim=claim, fence=fence))


def reaper_steps(state: State, guards: Guards) -> Iterator[State]:
    """Declares a silent daemon dead, reads whose leases are to be recovered, and gives back what it read."""
    if state.holder is not None and state.holder not in state.dead:
        yield replace(state, dead=state.dead | {state.holder})
    if state.status == RUNS and state.holder in state.dead and state.seen is None:
        yield replace(state, seen=(state.claim, state.fence))
    if state.seen is not None:
        if state.status == RUNS and (state.seen == (state.claim, state.fence) or not guards.reap_names_the_claim):
            live = state.holder not in state.dead
            fault = "a live daemon's lease was reaped" if live else state.fault
            yield replace(state, status=WAITS, holder=None, seen=None, fault=fault)
        else:
            yield replace(state, seen=None)


def with_worker(state: State, place: int, worker: Worker) -> State:
    """The state with one worker changed."""
    workers = list(state.workers)
    workers[place] = worker
    return replace(state, workers=tuple(workers))


def breach(state: State) -> str:
    """What does not hold in this state; "" when all does."""
    if state.fault:
        return state.fault
    if state.by == -1:
        return "a stale claim ended the job"
    if list(state.effects) != sorted(state.effects):
        return "an effect of an older claim after a newer one's"
    if state.status == ENDED and state.effects and state.by is not None and state.effects[-1] > state.by:
        return "ended by an older claim than the last effect's"
    if (state.status == RUNS) != (state.holder is not None):
        return "a lease without a running job"
    return ""


def walk(guards: Guards, effects_max: int = 2) -> tuple[int, str]:
    """Breadth-first through everything that can happen; answers how many states there are, and the first breach."""
    seen = {State()}
    frontier = [State()]
    while frontier:
        following = []
        for state in frontier:
            for after in steps(state, guards):
                if after in seen or len(after.effects) > effects_max:
                    continue
                if wrong := breach(after) or breach_of_step(state, after):
                    return len(seen), wrong
                seen.add(after)
                following.append(after)
        frontier = following
    return len(seen), ""


def breach_of_step(before: State, after: State) -> str:
    """What may not happen from one state to the next."""
    if before.status == ENDED and after.status != ENDED:
        return "an ended job came back"
    if after.fence < before.fence:
        return "the fence went back"
    if before.dead - after.dead:
        return "a daemon that was declared dead lives again"
    if after.claims_made > before.claims_made and after.holder in after.dead:
        return "a dead daemon claimed"
    return ""


def test_no_interleaving_breaks_the_protocol() -> None:
    """With all guards, no order of claims, pauses, crashes and reaps writes anything by a stale claim."""
    count, wrong = walk(Guards())
    assert wrong == ""
    assert count > 1_000


@pytest.mark.parametrize(
    ("guard", "wrong"),
    [
        ("settle_names_the_claim", "a stale claim ended the job"),
        ("effect_holds_the_lease", "an effect of an older claim after a newer one's"),
        ("beat_heeds_death", "a daemon that was declared dead lives again"),
        ("reap_names_the_claim", "a live daemon's lease was reaped"),
        ("claim_asks_if_alive", "a dead daemon claimed"),
    ],
)
def test_each_guard_is_needed(guard: str, wrong: str) -> None:
    """Leave out one guard, and some interleaving shows why it is there."""
    assert walk(replace(Guards(), **{guard: False}))[1] == wrong
