"""What must hold of a run whatever was done to it: each invariant over the whole history. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from crmd.chaos.bounds import limit_breaches
from crmd.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from crmd.chaos.history import Claim, History

CRASHES_MAX = 3
# SIGTERM before the daemon could ask for it.
TOO_EARLY = {(-15, "stop"), (-15, "close")}
UNREACHABLE = int(ExitCode.UNREACHABLE)
# How many breaches of one invariant are told one by one.
TOLD_MAX = 20


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that must not be, and the job that it happened to; None where it is no single job's."""

    sentence: str
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one invariant: it holds when there is no breach."""

    code: str
    title: str
    breaches: tuple[Breach, ...]
    count: int

    @property
    def holds(self) -> bool:
        """Whether nothing spoke against it."""
        return self.count == 0


def check(history: History) -> list[Verdict]:
    """Every invariant, in its order."""
    verdicts = []
    for code, (title, find) in INVARIANTS.items():
        found = list(find(history))
        verdicts.append(Verdict(code, title, tuple(found[:TOLD_MAX]), len(found)))
    return verdicts


def claims_by_job(history: History) -> dict[UUID, list[Claim]]:
    """The claims of each job, by their fences."""
    by_job: dict[UUID, list[Claim]] = defaultdict(list)
    for claim in sorted(history.claims, key=lambda claim: claim.fence):
        by_job[claim.job_id].append(claim)
    return by_job


def _one_lease(history: History) -> Iterator[Breach]:
    yield from (Breach("was in two tables at once", job_id) for job_id in set(history.overlaps))
    for job_id, claims in claims_by_job(history).items():
        for earlier, later in pairwise(claims):
            if earlier.gone_at is None or later.claimed_at < earlier.gone_at:
                yield Breach(f"was claimed under fence {later.fence} while {earlier.fence} held it", job_id)


def _fences_grow(history: History) -> Iterator[Breach]:
    ended_at = {end.job_id: end for end in history.ends}
    for job_id, claims in claims_by_job(history).items():
        in_time = sorted(claims, key=lambda claim: claim.claimed_at)
        fences = [claim.fence for claim in in_time]
        if fences != sorted(set(fences)):
            yield Breach(f"was claimed under fences {fences}, which do not grow", job_id)
        end = ended_at.get(job_id)
        if end is not None and (end.fence != fences[-1] or end.finished_at < in_time[-1].claimed_at):
            yield Breach(f"ended under fence {end.fence}, and its last claim has {fences[-1]}", job_id)


def _writes_are_held(history: History) -> Iterator[Breach]:
    claimed = {(claim.job_id, claim.fence, claim.claim_id) for claim in history.claims}
    for write in history.writes:
        if (write.fence, write.claim_id) != (write.held_fence, write.held_claim_id):
            told = f"{write.name} was written under fence {write.fence} while {write.held_fence} held it"
            yield Breach(told, write.job_id)
        elif (write.job_id, write.fence, write.claim_id) not in claimed:
            yield Breach(f"{write.name} was written under a claim that nobody made", write.job_id)


def _writes_are_ordered(history: History) -> Iterator[Breach]:
    newest: dict[UUID, int] = {}
    for write in history.writes:
        if write.fence < newest.get(write.job_id, 0):
            yield Breach(f"{write.name} came under fence {write.fence} after {newest[write.job_id]}", write.job_id)
        newest[write.job_id] = max(newest.get(write.job_id, 0), write.fence)


def _one_end(history: History) -> Iterator[Breach]:
    counts = Counter(end.job_id for end in history.ends)
    yield from (Breach(f"ended {count} times", job_id) for job_id, count in counts.items() if count > 1)


def _tries_are_bounded(history: History) -> Iterator[Breach]:
    for end in history.ends:
        if end.attempt > end.max_attempts:
            yield Breach(f"had {end.attempt} attempts of {end.max_attempts}", end.job_id)
        if end.crash_count > CRASHES_MAX:
            yield Breach(f"brought {end.crash_count} processes down", end.job_id)


def _the_living_claim(history: History) -> Iterator[Breach]:
    for claim in history.claims:
        if claim.is_daemon_dead:
            yield Breach(f"was claimed under fence {claim.fence} by a daemon that was declared dead", claim.job_id)


def _ticks_fire_once(history: History) -> Iterator[Breach]:
    by_slot = Counter((tick.schedule_id, tick.due_at) for tick in history.ticks if tick.job_id is not None)
    yield from (Breach(f"{name} fired {count} times for one slot") for (name, _), count in by_slot.items() if count > 1)
    fired = {name for name, _ in by_slot}
    yield from (Breach(f"{name} never fired") for name in history.schedules if name not in fired)
    jobs = Counter(end.schedule_id for end in history.ends if end.schedule_id is not None)
    yield from (Breach(f"{name} has {count} jobs") for name, count in jobs.items() if count > 1)


def _the_accepted_exists(history: History) -> Iterator[Breach]:
    known = {end.job_id for end in history.ends} | {left.job_id for left in history.left}
    by_key: dict[str, set[UUID]] = defaultdict(set)
    for ack in history.acks:
        if ack.job_id not in known:
            yield Breach(f"{ack.job_type} {ack.key} was acknowledged and is nowhere", ack.job_id)
        if ack.key:
            by_key[ack.key].add(ack.job_id)
    yield from (Breach(f"the key {key} made {len(ids)} jobs", min(ids)) for key, ids in by_key.items() if len(ids) > 1)
    asked = Counter(end.key for end in history.ends if end.key in by_key)
    yield from (Breach(f"the key {key} has {count} jobs") for key, count in asked.items() if count > 1)


def _limits_hold(history: History) -> Iterator[Breach]:
    yield from (Breach(sentence, job_id) for sentence, job_id in limit_breaches(history.claims, history.bounds))


def _all_is_still(history: History) -> Iterator[Breach]:
    for left in history.left:
        yield Breach(f"{left.type} has not ended; it is in {left.place}", left.job_id)


def _tenants_are_apart(history: History) -> Iterator[Breach]:
    for write in history.writes:
        is_anothers = write.held_fence is not None and write.workspace_id != write.held_workspace_id
        if is_anothers or write.seen_count != 1:
            yield Breach(f"{write.name} saw {write.seen_count} tenants, for {write.workspace_id}", write.job_id)


def _the_outside_once(history: History) -> Iterator[Breach]:
    counts = Counter(taken.key for taken in history.taken)
    yield from (Breach(f"{key} was sent {count} times") for key, count in counts.items() if count > 1)
    for end in history.ends:
        if end.type == "chaos-send" and end.status == "completed" and end.key not in counts:
            yield Breach(f"{end.key} is said to be sent, and nobody took it", end.job_id)


def _every_end_is_right(history: History) -> Iterator[Breach]:
    written: dict[UUID, Counter[str]] = defaultdict(Counter)
    for write in history.writes:
        written[write.job_id][write.name] += 1
    children = Counter(end.parent_id for end in history.ends if end.parent_id is not None)
    for end in history.ends:
        allowed = history.ends_of.get(end.type, frozenset({"completed"}))
        if end.status not in allowed | ({"cancelled"} if end.job_id in history.cancels else frozenset()):
            yield Breach(f"{end.type} ended as {end.status}", end.job_id)
        if end.status != "completed":
            continue
        missing = history.writes_of.get(end.type, frozenset()) - written[end.job_id].keys()
        if missing:
            yield Breach(f"{end.type} completed without {', '.join(sorted(missing))}", end.job_id)
        if children[end.job_id] != history.children_of.get(end.type, 0):
            yield Breach(f"{end.type} has {children[end.job_id]} children", end.job_id)


def _nothing_doubled(history: History) -> Iterator[Breach]:
    counts = Counter((write.job_id, write.name) for write in history.writes)
    for (job_id, name), count in counts.items():
        if count > 1:
            yield Breach(f"{name} was written {count} times", job_id)


def _the_ledger_agrees(history: History) -> Iterator[Breach]:
    claimed = {(claim.job_id, claim.fence, claim.claim_id) for claim in history.claims}
    written = {(write.job_id, write.fence, write.name) for write in history.writes}
    begun: Counter[tuple[UUID, int]] = Counter()
    for mark in history.marks:
        if mark.stage == "begin":
            begun[mark.job_id, mark.fence] += 1
            if (mark.job_id, mark.fence, mark.claim_id) not in claimed:
                yield Breach(f"ran under fence {mark.fence}, which nobody claimed", mark.job_id)
        elif mark.stage == "written" and (mark.job_id, mark.fence, mark.name) not in written:
            yield Breach(f"{mark.name} was committed under fence {mark.fence}, and is gone", mark.job_id)
    yield from (Breach(f"ran {n} times under fence {key[1]}", key[0]) for key, n in begun.items() if n > 1)


def _nobody_gave_up(history: History) -> Iterator[Breach]:
    killing = {"kill": {-9}, "stop": {0}, "close": {0}}
    worked = {claim.pid for claim in history.claims}
    poisons = sum(struck.kind == "poison" for struck in history.struck)
    harmed = [death for death in history.deaths if not death.cause and death.code in {9, -11}]
    for death in history.deaths:
        if death.pid not in worked and (death.code == UNREACHABLE or (death.code, death.cause) in TOO_EARLY):
            continue  # it had not begun: there was no database, or Python itself was still being loaded
        if death.code not in killing.get(death.cause, ()) and death.code not in {9, -9, -11}:
            yield Breach(f"daemon {death.pid} ended with {death.code} ({death.cause or 'by itself'})")
    if len(harmed) > poisons:
        yield Breach(f"{len(harmed)} daemons crashed, and there were {poisons} jobs that do that")


INVARIANTS: dict[str, tuple[str, Callable[[History], Iterable[Breach]]]] = {
    "I1": ("a job has at most one lease, and is in one table", _one_lease),
    "I2": ("fences only grow, and what has ended never changes", _fences_grow),
    "I3": ("whatever is written, the holder of the lease wrote it", _writes_are_held),
    "I4": ("what a job writes is in the order of its claims", _writes_are_ordered),
    "I5": ("a job ends once", _one_end),
    "I6": ("attempts and crashes stay within their bounds", _tries_are_bounded),
    "I7": ("only the living claim", _the_living_claim),
    "I8": ("each slot of a schedule fires once", _ticks_fire_once),
    "I9": ("what was accepted is there, once per key", _the_accepted_exists),
    "I10": ("limits and unique keys hold at every instant", _limits_hold),
    "I11": ("when all is well again everything comes to its end", _all_is_still),
    "I12": ("no tenant sees another", _tenants_are_apart),
    "I13": ("what goes outside once goes once", _the_outside_once),
    "I14": ("every job ends as it should, with all that it was to do", _every_end_is_right),
    "C1": ("nothing that is written once is written twice", _nothing_doubled),
    "C2": ("what the ledger outside knows, the database knows", _the_ledger_agrees),
    "C3": ("no daemon ends by itself", _nobody_gave_up),
}
