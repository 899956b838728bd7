"""The lease protocol as a small machine of two workers, a reaper and a database that may fail over once.

The state is what the database and the workers know; each step is one statement of crmd/store/queries, or something that
happens to a process or to the server. `Guards` names what the statements check, so that a walk can leave one out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = (0, 1)
CLAIMS_MAX = 3
STALE = -1
WAITS, RUNS, ENDED = "waits", "runs", "ended"

Life = tuple[int, int]
Token = tuple[int, ...]


class Claim(NamedTuple):
    """What a worker believes to hold. The serial number tells claims apart for the checks; no statement sees it."""

    serial: int
    token: Token


class Worker(NamedTuple):
    """A daemon: which life it lives, the claims its tasks hold, and one whose answer was lost on the way."""

    life: int = 0
    held: tuple[Claim, ...] = ()
    unknown: Claim | None = None


class Database(NamedTuple):
    """One job with its lease, the daemons' rows, and what has been written: all that a failover can take back.

    Attributes:
        living: Lives that are registered and were not declared dead.
        effects: The claims whose effect committed, in order.
        by: The claim that ended the job; STALE: not the current one.
    """

    status: str = WAITS
    fence: int = 0
    claim: Claim | None = None
    holder: Life | None = None
    living: frozenset[Life] = frozenset({(0, 0), (1, 0)})
    effects: tuple[int, ...] = ()
    by: int | None = None


class State(NamedTuple):
    """Everything. `standby` is what a lagging standby has; `seen` is the token that the reaper means to give back."""

    database: Database = Database()
    workers: tuple[Worker, ...] = (Worker(), Worker())
    claims_made: int = 0
    seen: Token | None = None
    standby: Database | None = None
    failovers: int = 0
    fault: str = ""


class Guards(NamedTuple):
    """What the statements check, and of what a token is made. The real ones check all of it.

    Attributes:
        failovers_max: How often a lagging standby may be promoted.
        effects_max: How many effects a walk looks at; it bounds the walk.
    """

    settle_names_the_claim: bool = True
    effect_holds_the_lease: bool = True
    beat_heeds_death: bool = True
    reap_names_the_claim: bool = True
    claim_asks_if_alive: bool = True
    lost_answer_is_looked_up: bool = True
    token: Literal["claim id", "number", "process"] = "claim id"
    failovers_max: int = 0
    effects_max: int = 2


def steps(state: State, guards: Guards) -> Iterator[State]:
    """Every state that one step can lead to."""
    for place in WORKERS:
        yield from _claims(state, place, guards)
        for claim in state.workers[place].held:
            yield from _works(state, place, claim, guards)
        yield from _lives(state, place, guards)
    yield from _reaps(state, guards)
    yield from _fails_over(state, guards)


def _claims(state: State, place: int, guards: Guards) -> Iterator[State]:
    """A claim whose answer comes, one whose answer is lost, and the look for that one."""
    worker, database = state.workers[place], state.database
    me = (place, worker.life)
    if worker.unknown is not None:
        is_ours = database.status == RUNS and database.claim == worker.unknown
        held = (*worker.held, worker.unknown) if is_ours else worker.held
        yield _with_worker(state, place, worker._replace(unknown=None, held=held))
        return
    is_refused = guards.claim_asks_if_alive and me not in database.living
    if database.status != WAITS or state.claims_made == CLAIMS_MAX or is_refused or len(worker.held) > 1:
        return
    claim = Claim(state.claims_made + 1, _token(guards, database.fence + 1, place, state.claims_made + 1))
    fault = "" if me in database.living else "a dead daemon claimed"
    taken = state._replace(
        database=database._replace(status=RUNS, fence=database.fence + 1, claim=claim, holder=me),
        claims_made=claim.serial,
        fault=fault,
    )
    yield _with_worker(taken, place, worker._replace(held=(*worker.held, claim)))
    yield _with_worker(taken, place, worker._replace(unknown=claim if guards.lost_answer_is_looked_up else None))


def _token(guards: Guards, fence: int, place: int, serial: int) -> Token:
    match guards.token:
        case "claim id":
            return fence, serial  # random, and made before the statement: it never was before, whatever is lost
        case "process":
            return fence, place
        case "number":
            return (fence,)


def _works(state: State, place: int, claim: Claim, guards: Guards) -> Iterator[State]:
    """What a task that holds a claim may do next; to pause is to do nothing while others do."""
    worker, database = state.workers[place], state.database
    dropped = worker._replace(held=tuple(one for one in worker.held if one != claim))
    is_current = database.claim is not None and database.claim.token == claim.token
    may_write = is_current or not guards.effect_holds_the_lease
    if database.status == RUNS and may_write and len(database.effects) < guards.effects_max:
        yield state._replace(database=database._replace(effects=(*database.effects, claim.serial)))
    if database.status == RUNS and (is_current or not guards.settle_names_the_claim):
        by = claim.serial if database.claim == claim else STALE
        ended = database._replace(status=ENDED, holder=None, claim=None, by=by)
        yield _with_worker(state._replace(database=ended), place, dropped)
        yield _with_worker(state._replace(database=_given_back(database)), place, dropped)
    if not is_current or database.status != RUNS:  # told that it has lost its lease, it drops the job
        yield _with_worker(state, place, dropped)


def _lives(state: State, place: int, guards: Guards) -> Iterator[State]:
    """A renewal after death, and a crash or the next life after a death: what was held is forgotten."""
    worker, database = state.workers[place], state.database
    me = (place, worker.life)
    if me not in database.living and not guards.beat_heeds_death:
        back = database._replace(living=database.living | {me})
        yield state._replace(database=back, fault="a daemon that was declared dead lives again")
    if worker.life == 0:
        born = database._replace(living=database.living | {(place, 1)})
        yield _with_worker(state._replace(database=born), place, Worker(life=1))


def _reaps(state: State, guards: Guards) -> Iterator[State]:
    """Declares a silent daemon dead, reads whose leases are to be recovered, and gives back what it read."""
    database = state.database
    if database.holder is not None and database.holder in database.living:
        yield state._replace(database=database._replace(living=database.living - {database.holder}))
    if database.status == RUNS and database.holder not in database.living and state.seen is None and database.claim:
        yield state._replace(seen=database.claim.token)
    if state.seen is None:
        return
    is_current = database.claim is not None and state.seen == database.claim.token
    if database.status != RUNS or (guards.reap_names_the_claim and not is_current):
        yield state._replace(seen=None)
        return
    fault = "a live daemon's lease was reaped" if database.holder in database.living else ""
    yield state._replace(database=_given_back(database), seen=None, fault=fault)


def _fails_over(state: State, guards: Guards) -> Iterator[State]:
    """A standby falls behind; later it is promoted, and what was committed in between is gone.

    Connections don't outlive it, so a reaper begins anew: it gives back over the one that it has read by.
    """
    if state.failovers == guards.failovers_max:
        return
    if state.standby is None:
        yield state._replace(standby=state.database)
    elif state.standby != state.database:
        yield state._replace(database=state.standby, standby=None, seen=None, failovers=state.failovers + 1)


def _given_back(database: Database) -> Database:
    return database._replace(status=WAITS, holder=None, claim=None)


def _with_worker(state: State, place: int, worker: Worker) -> State:
    workers = (worker, state.workers[1]) if place == 0 else (state.workers[0], worker)
    return state._replace(workers=workers)


def breach(state: State) -> str:
    """What does not hold in this state; "" when all does."""
    database = state.database
    if state.fault:
        return state.fault
    if database.by == STALE:
        return "a stale claim ended the job"
    tokens = [claim.token for worker in state.workers for claim in worker.held]
    if len(tokens) != len(set(tokens)):
        return "two live claims share a token"
    if list(database.effects) != sorted(database.effects):
        return "an effect of an older claim after a newer one's"
    if database.by is not None and database.effects and database.effects[-1] > database.by:
        return "ended by an older claim than the last effect's"
    if (database.status == RUNS) != (database.holder is not None):
        return "a lease without a running job"
    if database.status == RUNS and _is_nobodys(state):
        return "a living daemon's lease that nobody runs"
    return ""


def _is_nobodys(state: State) -> bool:
    """Whether a lease is kept alive by a life that neither runs it nor will look for it; no reaper ever comes."""
    holder, claim = state.database.holder, state.database.claim
    if holder is None or state.failovers or holder not in state.database.living:
        return False
    worker = state.workers[holder[0]]
    return worker.life == holder[1] and claim not in (*worker.held, worker.unknown)


def breach_of_step(before: State, after: State) -> str:
    """What may not happen from one state to the next. A failover may take back what it will."""
    if after.failovers > before.failovers:
        return ""
    if before.database.status == ENDED and after.database.status != ENDED:
        return "an ended job came back"
    if after.database.fence < before.database.fence:
        return "the fence went back"
    return ""
