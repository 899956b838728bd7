"""The checker on made-up histories: one that is right passes, and each breach is caught by its invariant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from crmd.chaos.bounds import most_at_once
from crmd.chaos.checker import INVARIANTS, check
from crmd.chaos.history import Ack, Birth, Claim, Death, End, History, Left, Struck, Taken, Tick, Write
from crmd.chaos.peace import Peace
from crmd.chaos.recovery import percentile, recoveries
from crmd.chaos.report import Facts, make_report
from crmd.chaos.succession import Succession, slowest
from crmd.chaos.timeline import timeline
from crmd.chaos.workload.mark import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

JOB, OTHER, CHILD, WORKSPACE = (UUID(int=number) for number in (1, 2, 3, 9))
FIRST, SECOND, THIRD, FOURTH = (UUID(int=number) for number in (101, 102, 103, 104))
LANE = "type:limited:account/a type:limited"


def claim(job_id: UUID, fence: int, claim_id: UUID, at: float, gone_at: float | None, **more: Any) -> Claim:  # noqa: ANN401 - any field
    """A claim by process 10."""
    fields = {"pid": 10, **more}
    return Claim(job_id=job_id, fence=fence, claim_id=claim_id, claimed_at=at, gone_at=gone_at, **fields)


def write(number: int, job_id: UUID, name: str, fence: int, claim_id: UUID, at: float) -> Write:
    """What the holder wrote."""
    return Write(
        id=number,
        job_id=job_id,
        name=name,
        fence=fence,
        claim_id=claim_id,
        held_fence=fence,
        held_claim_id=claim_id,
        workspace_id=WORKSPACE,
        held_workspace_id=WORKSPACE,
        seen_count=1,
        written_at=at,
    )


def end(job_id: UUID, fence: int, at: float, **more: Any) -> End:  # noqa: ANN401 - any field
    """A job that completed."""
    fields = {"type": "work", "status": "completed", "attempt": 1, "max_attempts": 3, "crash_count": 0, **more}
    return End(job_id=job_id, fence=fence, finished_at=at, **fields)


def right() -> History:
    """A run of three jobs: one that was taken over after its daemon was killed, its child, and one that sends."""
    return History(
        began_at=100.0,
        claims=[
            claim(JOB, 1, FIRST, 100.0, 104.0, lane=LANE),
            claim(JOB, 2, SECOND, 104.5, 106.0, lane=LANE, pid=11),
            claim(OTHER, 1, THIRD, 104.5, 105.0, lane=LANE, unique_key="k"),
            claim(CHILD, 1, FOURTH, 106.0, 107.0, pid=11),
        ],
        writes=[
            write(1, JOB, "work", 2, SECOND, 105.5),
            write(2, OTHER, "work", 1, THIRD, 104.8),
            write(3, CHILD, "work", 1, FOURTH, 106.5),
        ],
        ends=[
            end(OTHER, 1, 105.0, type="chaos-send", key="b", schedule_id="s"),
            end(JOB, 2, 106.0, type="parent", key="a"),
            end(CHILD, 1, 107.0, parent_id=JOB),
        ],
        acks=[Ack("a", JOB, "parent", 99.9), Ack("a", JOB, "parent", 100.1), Ack("b", OTHER, "chaos-send", 100.2)],
        marks=[
            Mark("begin", JOB, 1, FIRST, 10, 100.1),
            Mark("begin", JOB, 2, SECOND, 11, 104.6),
            Mark("written", JOB, 2, SECOND, 11, 105.6, "work"),
        ],
        ticks=[Tick("s", 103.0, OTHER)],
        taken=[Taken("b", 104.7)],
        struck=[Struck("kill", 0, 10, 100.5, 100.5), Struck("cut", 1, 11, 102.0, 102.0)],
        births=[Birth(10, 99.0), Birth(11, 99.5)],
        deaths=[Death(10, 100.5, -9, "kill", 0), Death(11, 110.0, 0, "close", 1)],
        schedules=["s"],
        bounds={"type:limited:account": 2},
        children_of={"parent": 1},
        writes_of={"work": frozenset({"work"}), "parent": frozenset({"work"})},
    )


def broken(history: History) -> set[str]:
    """Which invariants do not hold."""
    return {verdict.code for verdict in check(history) if not verdict.holds}


def test_a_run_that_is_right_passes() -> None:
    """No invariant speaks against a history in which all went as it should."""
    assert broken(right()) == set()


def with_claims(history: History, *claims: Claim) -> History:
    """The history with claims more."""
    return replace(history, claims=[*history.claims, *claims])


BREACHES: dict[str, Callable[[History], History]] = {
    "I1": lambda run: replace(run, overlaps=[JOB]),
    "I1 by time": lambda run: with_claims(run, claim(CHILD, 2, FIRST, 106.9, 107.5)),
    "I2": lambda run: with_claims(run, claim(CHILD, 1, FIRST, 107.5, 108.0)),
    "I2 after the end": lambda run: with_claims(run, claim(CHILD, 2, FIRST, 107.5, 108.0)),
    "I3": lambda run: replace(run, writes=[*run.writes[1:], replace(run.writes[0], held_fence=3)]),
    "I3 unclaimed": lambda run: replace(run, writes=[*run.writes, write(4, OTHER, "more", 7, FIRST, 105.0)]),
    "I4": lambda run: replace(run, writes=[*run.writes, write(4, JOB, "more", 1, FIRST, 105.7)]),
    "I5": lambda run: replace(run, ends=[*run.ends, run.ends[0]]),
    "I6": lambda run: replace(run, ends=[*run.ends[:2], replace(run.ends[2], attempt=4)]),
    "I6 crashes": lambda run: replace(run, ends=[*run.ends[:2], replace(run.ends[2], crash_count=4)]),
    "I7": lambda run: replace(run, claims=[*run.claims[:3], replace(run.claims[3], is_daemon_dead=True)]),
    "I8 twice": lambda run: replace(run, ticks=[*run.ticks, Tick("s", 103.0, JOB)]),
    "I8 never": lambda run: replace(run, schedules=["s", "other"]),
    "I9 nowhere": lambda run: replace(run, acks=[*run.acks, Ack("c", UUID(int=77), "work", 101.0)]),
    "I9 two ids": lambda run: replace(run, acks=[*run.acks, Ack("a", OTHER, "work", 101.0)]),
    "I9 two jobs": lambda run: replace(run, ends=[*run.ends[:2], replace(run.ends[2], key="a")]),
    "I10": lambda run: replace(run, bounds={"type:limited:account": 1}),
    "I10 unique": lambda run: replace(
        run, claims=[run.claims[0], replace(run.claims[1], unique_key="k"), *run.claims[2:]]
    ),
    "I11": lambda run: replace(run, left=[Left(UUID(int=78), "work", "crmd.job")]),
    "I12": lambda run: replace(run, writes=[*run.writes[:2], replace(run.writes[2], seen_count=2)]),
    "I12 another's": lambda run: replace(run, writes=[*run.writes[:2], replace(run.writes[2], held_workspace_id=JOB)]),
    "I13": lambda run: replace(run, taken=[*run.taken, Taken("b", 104.9)]),
    "I13 never": lambda run: replace(run, taken=[]),
    "I14 status": lambda run: replace(run, ends=[*run.ends[:2], replace(run.ends[2], status="dead")]),
    "I14 writes": lambda run: replace(run, writes=run.writes[:2]),
    "I14 children": lambda run: replace(run, children_of={"parent": 2}),
    "C1": lambda run: replace(run, writes=[*run.writes, replace(run.writes[0], id=4)]),
    "C2 lost": lambda run: replace(run, marks=[*run.marks, Mark("written", OTHER, 1, THIRD, 10, 105.0, "gone")]),
    "C2 unclaimed": lambda run: replace(run, marks=[*run.marks, Mark("begin", OTHER, 9, THIRD, 10, 105.0)]),
    "C2 twice": lambda run: replace(run, marks=[*run.marks, run.marks[0]]),
    "C3": lambda run: replace(run, deaths=[*run.deaths, Death(11, 111.0, 1, "")]),
    "C3 crash": lambda run: replace(run, deaths=[*run.deaths, Death(11, 111.0, -11, "")]),
    "C3 unreachable": lambda run: replace(run, deaths=[*run.deaths, Death(11, 111.0, 4, "")]),
}


@pytest.mark.parametrize("name", BREACHES)
def test_each_breach_is_caught(name: str) -> None:
    """What one invariant forbids is found by it, whatever else speaks up as well."""
    assert name.split(maxsplit=1)[0] in broken(BREACHES[name](right()))


def test_every_invariant_can_be_broken() -> None:
    """There is a made-up breach for each invariant."""
    assert {name.split()[0] for name in BREACHES} == set(INVARIANTS)


def test_only_whoever_was_asked_may_be_cancelled() -> None:
    """A cancelled job is right where the client asked for it, and else not."""
    run = right()
    cancelled = replace(run, ends=[*run.ends[:2], replace(run.ends[2], status="cancelled")])
    assert broken(cancelled) == {"I14"}
    assert broken(replace(cancelled, cancels=frozenset({CHILD}))) == set()


def test_a_daemon_that_finds_no_database_may_end() -> None:
    """A daemon that never worked may end as unreachable, or by the signal that stops it."""
    run = right()
    assert broken(replace(run, deaths=[*run.deaths, Death(12, 111.0, -15, "stop")])) == set()
    assert broken(replace(run, deaths=[*run.deaths, Death(11, 111.0, -15, "stop")])) == {"C3"}
    assert broken(replace(run, deaths=[*run.deaths, Death(12, 111.0, 4, "")])) == set()


def test_leases_that_touch_do_not_overlap() -> None:
    """A lease that begins when another ends is none beside it."""
    touching = [claim(JOB, 1, FIRST, 1.0, 2.0), claim(OTHER, 1, SECOND, 2.0, 3.0)]
    assert most_at_once(touching)[0] == 1
    assert most_at_once([*touching, claim(CHILD, 1, THIRD, 1.5, None)]) == (2, CHILD)


def test_the_timeline_tells_all_sides_in_order() -> None:
    """What client, lease, ledger, table, archive and nemesis know of a job stands in the order of time."""
    lines = timeline(right(), JOB)
    sides = ["acknowledged a", "taken by process 10, fence 1", "kill daemon 0", "taken by process 11, fence 2"]
    sides += ["begin  in process 11", "work, fence 2", "parent completed"]
    places = [next(place for place, line in enumerate(lines) if side in line) for side in sides]
    assert places == sorted(places)
    times = [float(line.split(" s ")[0]) for line in lines]
    assert times == sorted(times)
    assert timeline(right(), UUID(int=55)) == ["nothing at all is known of it"]


def test_recovery_is_taken_from_the_claims() -> None:
    """A kill has recovered when what ran is claimed again; a link, when its daemon claims."""
    found = {one.kind: one for one in recoveries(right())}
    assert (found["kill"].count, found["kill"].p99) == (1, 4.0)
    assert found["cut"].p99 == 2.5
    disturbed = replace(right(), struck=[*right().struck, Struck("database-stop", -1, None, 101.0, 103.0)])
    assert {one.kind: one.count for one in recoveries(disturbed)}["cut"] == 0
    assert {one.kind: one.p99 for one in recoveries(disturbed)}["database-stop"] == 1.5


def peaceful(*struck: Struck, births: Sequence[Birth] = (Birth(10, 0.0), Birth(11, 0.0))) -> Peace:
    """Two daemons, 10 at place 0 and 11 at place 1, of which nobody dies by itself."""
    deaths = [Death(10, 100.0, 0, "close", 0), Death(11, 100.0, 0, "close", 1)]
    return Peace(History(struck=struck, births=births, deaths=deaths))


PAUSED = Struck("suspend", 0, 10, 2.0, 6.0)
HUSHED = Struck("blackhole", 1, 11, 4.0, 8.0)


@pytest.mark.parametrize(
    ("struck", "seconds"),
    [
        ([], 10.0),
        ([PAUSED], 10.0),
        ([PAUSED, HUSHED], 8.0),
        ([PAUSED, Struck("blackhole", 2, 11, 4.0, 8.0)], 10.0),  # the client's link
        ([PAUSED, Struck("stop", 1, 11, 1.0, 1.0)], 6.0),
        ([Struck("database-stop", -1, None, 3.0, 5.0)], 8.0),
        ([Struck("freeze", -1, None, 3.0, 5.0), Struck("database-crash", -1, None, 4.0, 6.0)], 7.0),
        ([PAUSED, Struck("slow", 1, 11, 0.0, 10.0), Struck("cut", 1, 11, 3.0, 3.0)], 10.0),
        ([Struck("terminate", -1, None, 3.0, 5.0), Struck("clock", -1, None, 3.0, 5.0)], 10.0),
    ],
)
def test_only_time_counts_in_which_somebody_could_work(struck: list[Struck], seconds: float) -> None:
    """Of ten seconds those count in which one daemon lives, is not paused, and has an open link to a running server."""
    assert peaceful(*struck).seconds(0.0, 10.0) == pytest.approx(seconds)


def test_a_daemon_counts_from_its_first_word() -> None:
    """A process that is still starting takes nothing over, and one that died does not either."""
    assert peaceful(births=[Birth(11, 7.0)]).seconds(0.0, 10.0) == pytest.approx(3.0)
    assert peaceful().seconds(95.0, 110.0) == pytest.approx(5.0)


def test_a_recovery_has_two_times() -> None:
    """By the wall, and what somebody could have used; a restart begins it anew, a turned clock tells nothing."""
    gap = replace(right(), struck=[*right().struck, Struck("suspend", 1, 11, 101.0, 103.0)])
    [kill] = [one for one in recoveries(gap) if one.kind == "kill"]
    assert (kill.count, kill.p99, kill.wall_p99) == (1, 2.0, 4.0)
    restarted = replace(right(), struck=[*right().struck, Struck("database-stop", -1, None, 101.0, 103.0)])
    [kill] = [one for one in recoveries(restarted) if one.kind == "kill"]
    assert (kill.p99, kill.wall_p99) == (1.5, 4.0)
    turned = replace(right(), struck=[*right().struck, Struck("clock", -1, None, 98.0, 99.0)])
    assert {one.kind: one.count for one in recoveries(turned)}["kill"] == 0


def test_the_slowest_are_told_with_all_that_went_on() -> None:
    """One job of each daemon that was replaced too late, the slowest first; what was in time is not told."""
    late = [Succession("kill", UUID(int=number), pid, 20.0, 4.0 + number) for number, pid in ((1, 7), (2, 7), (3, 8))]
    in_time = [Succession("kill", JOB, 9, 30.0, 4.0), Succession("stop", JOB, 9, 30.0, 9.0)]
    assert slowest([*late, *in_time], "kill", 4.0, 2) == [late[2], late[1]]
    assert slowest([*late, *in_time], "kill", 4.0, 1) == [late[2]]
    facts = Facts(seed=1, seconds=1, settle_seconds=1, connections_most=0, connections_allowed=50, doubts=0, skipped=0)
    assert make_report(right(), facts).timelines == {}
    slow = replace(right(), lease_seconds=2.0)
    [(name, lines)] = make_report(slow, facts).timelines.items()
    assert name == f"kill 4.00 s, 4.00 s on the wall: {JOB}"
    assert any("kill daemon 0" in line for line in lines)


def test_what_was_given_back_is_told_from_what_retries() -> None:
    """Only an attempt that keeps its number was handed over, and it waits from when it is due again."""
    stopped = replace(
        right(),
        struck=[Struck("stop", 0, 10, 103.5, 103.5)],
        deaths=[Death(10, 104.2, 0, "stop", 0)],
    )
    assert {one.kind: (one.count, one.p99) for one in recoveries(stopped)}["stop"] == (1, 0.5)
    asleep = replace(stopped, claims=[stopped.claims[0], replace(stopped.claims[1], due_at=104.3), *stopped.claims[2:]])
    [waited] = [one for one in recoveries(asleep) if one.kind == "stop"]
    assert waited.p99 == pytest.approx(stopped.claims[1].claimed_at - 104.3)
    retried = replace(stopped, claims=[stopped.claims[0], replace(stopped.claims[1], attempt=2), *stopped.claims[2:]])
    assert {one.kind: one.count for one in recoveries(retried)}["stop"] == 0


def test_percentiles_are_of_what_there_is() -> None:
    """The value that so many do not exceed; of one value it is that one."""
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([float(number) for number in range(100)], 0.5) == 50.0
    assert percentile([float(number) for number in range(100)], 0.99) == 99.0
