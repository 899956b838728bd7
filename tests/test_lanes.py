"""Whose turn it is, in the plan alone; and what a claim takes of it, inside every key's limit."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crmd
from crmd import lanes
from crmd.engine.handover import admitted
from crmd.engine.heartbeat import register
from crmd.lanes import Turn, Turns, is_paused
from crmd.store import lane_claims, leases
from crmd.store.leases import RequeuedRow, Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.testing import Workbench

CLAIMERS = 4
ROUNDS = 60
FULL = Turn(granted=-1, got=0)


def row(lane: str, workspace: int | None = None, **values: object) -> dict[str, Any]:
    """A row of lanes_due.sql."""
    workspace_id = None if workspace is None else UUID(int=workspace)
    return {"lane": lane, "type": "x", "workspace_id": workspace_id, "is_due": True, "wait_seconds": -1.0, **values}


def owner(workspace: int) -> str:
    """A workspace as the owner of lanes."""
    return f"workspace/{UUID(int=workspace)}"


def knowing(*rows: dict[str, Any]) -> Turns:
    """The turns of lanes that were looked at in one round."""
    turns = Turns()
    turns.begin(0.0)
    turns.see(sorted(rows, key=lambda row: row["lane"]), 1000, ())
    return turns


def claim(turns: Turns, slots: int, work: Counter[str], weights: Mapping[str, float] | None = None) -> Counter[str]:
    """One claim in a world where nothing but work and slots bounds what lanes get."""
    granted = Counter[str]()
    for lane, wanted in turns.plan(slots, weights or {}):
        granted[lane] += min(wanted, slots - sum(min(count, work[name]) for name, count in granted.items()))
    got = Counter({lane: min(count, work[lane]) for lane, count in granted.items()})
    work.subtract(got)
    turns.settle({lane: Turn(count, got[lane]) for lane, count in granted.items()}, weights or {})
    return got


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(1, 300), st.data())
def test_owners_take_fair_turns(lane_counts: list[int], slots: int, data: st.DataObject) -> None:
    """However many lanes each has, owners with work get the same, give or take a turn, and each lane its part of it."""
    rows = [row(f"lane {n}/{i}", n) for n, count in enumerate(lane_counts) for i in range(count)]
    turns = knowing(*data.draw(st.permutations(rows)))
    work = Counter({row["lane"]: 10**9 for row in rows})
    total: Counter[str] = Counter()
    for _ in range(20):
        total += claim(turns, slots, work)
    per_turn = -(-slots // lanes.LANES_PER_CLAIM)
    owned = Counter({n: sum(total[f"lane {n}/{i}"] for i in range(count)) for n, count in enumerate(lane_counts)})
    assert sum(total.values()) == 20 * slots
    assert max(owned.values()) - min(owned[n] for n in range(len(lane_counts))) <= 2 * per_turn
    for n, count in enumerate(lane_counts):
        parts = [total[f"lane {n}/{i}"] for i in range(count)]
        assert max(parts) - min(parts) <= 2 * per_turn


def test_a_weight_is_a_share_of_the_turns() -> None:
    """A workspace of weight 3 gets three times as much as one of weight 1."""
    turns = knowing(row("light", 1), row("heavy", 2))
    weights = {owner(2): 3.0}
    work = Counter({"light": 10**9, "heavy": 10**9})
    total = sum((claim(turns, 8, work, weights) for _ in range(100)), Counter[str]())
    assert total["heavy"] / total["light"] == pytest.approx(3, rel=0.02)


@given(st.integers(1, 9), st.integers(20, 90))
def test_no_work_is_left_while_slots_are_free(slots: int, jobs: int) -> None:
    """Lanes that run dry are left alone, and the slots go to the others until nothing waits."""
    work = Counter({f"lane {number}": 1 + jobs * (number == 0) for number in range(30)})
    turns = knowing(*(row(lane, number) for number, lane in enumerate(work)))
    done, claims = 0, 0
    while done < jobs + 30:
        done += sum(claim(turns, slots, work).values())
        claims += 1
    assert claims <= -(-(jobs + 30) // slots) + 30  # a lane that was emptied exactly is asked once more


def test_a_lane_that_is_full_has_no_turn_until_it_may_be_free() -> None:
    """It rests while others have work, and comes back when a job of it ends, without a credit."""
    turns = knowing(*(row(f"lane {number:03}", number) for number in range(100)))
    for _ in range(50):
        asked = turns.plan(10, {})
        turns.settle({lane: FULL if lane == "lane 000" else Turn(1, 1) for lane, _ in asked}, {})
    assert "lane 000" not in dict(turns.plan(200, {}))
    turns.settle({}, {})
    turns.freed("lane 000")
    work = Counter({f"lane {number:03}": 10**9 for number in range(100)})
    got = sum((claim(turns, 10, work) for _ in range(40)), Counter[str]())
    assert got["lane 000"] <= 5


def test_resting_lanes_are_asked_when_nothing_else_is_there() -> None:
    """When all lanes are full each claim asks them again, those first that were asked longest ago."""
    turns = knowing(*(row(f"lane {number:03}", number) for number in range(600)))
    seen: Counter[str] = Counter()
    for _ in range(60):
        asked = turns.plan(10, {})
        seen.update(lane for lane, _ in asked)
        turns.settle({lane: FULL for lane, _ in asked}, {})
    assert len(seen) == 600


def test_small_limits_make_a_claim_ask_more_lanes() -> None:
    """Where each lane is granted a few jobs, the next claim asks as many lanes as fill the slots; and back again."""
    turns = knowing(*[row(f"l{number:03}") for number in range(400)])

    def asked(limit: int) -> list[int]:
        plan = turns.plan(1000, {})
        turns.settle({lane: Turn(min(wanted, limit), min(wanted, limit)) for lane, wanted in plan}, {})
        return [wanted for _, wanted in plan]

    first = asked(5)
    assert sum(min(wanted, 5) for wanted in first) < 1000
    assert sum(min(wanted, 5) for wanted in asked(5)) >= 1000
    assert asked(1000)[0] == 10
    assert asked(1000)[0] == 20
    assert asked(1000) == first


def test_critical_work_comes_first_and_leaves_half() -> None:
    """Lanes that begin with critical work are asked before all turns, yet over time for half of the slots at most."""
    for slots in (1, 2, 7, 100):
        turns = knowing(*(row(f"lane {number:03}", number) for number in range(200)))
        work = Counter({f"lane {number:03}": 10**9 for number in range(200)})
        urgent = [row(f"lane {number:03}", number) for number in range(190, 200)]
        turns.see_urgent(urgent, 100, ())
        first = turns.plan(slots, {})[0][0]
        turns.settle({}, {})
        assert first == "lane 190"
        got: Counter[str] = Counter()
        for _ in range(200):
            turns.see_urgent(urgent, 100, ())
            got += claim(turns, slots, work)
        share = sum(got[row["lane"]] for row in urgent) / sum(got.values())
        assert share <= 0.56, slots


def test_what_rests_has_no_turn() -> None:
    """A lane is passed over when its key, its type or its workspace is paused."""
    one = row("connection/7 type:x:workspace/1", 1)
    for key in ("connection/7", "type:x:workspace/1", "type:x", owner(1)):
        assert is_paused(one, {key})
        turns = Turns()
        turns.begin(0.0)
        turns.see([one], 10, {key})
        assert turns.plan(10, {}) == []
    assert not is_paused(one, {"type:y", "connection/8", owner(2)})


def begun(turns: Turns, now: float) -> bool:
    """Whether a claim at that time looks for further lanes."""
    turns.begin(now)
    return turns.is_looking


def test_a_round_ends_and_begins_again_each_second() -> None:
    """While many lanes are known a round is begun once a second; while few are, with every claim."""
    turns = knowing(*(row(f"lane {number:03}", number) for number in range(100)))
    assert [begun(turns, now) for now in (0.0, 0.5, 1.5)] == [False, False, True]
    assert begun(knowing(row("a")), 0.1)


def test_what_was_forgotten_meanwhile_is_not_settled() -> None:
    """A pause that comes while a claim is under way lets it end: what it got counts with nobody."""
    turns = knowing(row("a", 1), row("b", 2))
    assert turns.plan(4, {})
    turns.forget()
    turns.settle({"a": FULL, "b": Turn(granted=2, got=1)}, {})
    assert turns.plan(4, {}) == []


def test_the_memory_of_lanes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most that is remembered, who was served makes room, and nobody waits for ever."""
    monkeypatch.setattr(lanes, "LANES_KNOWN_MAX", 50)
    names = [f"lane {number:04}" for number in range(1000)]
    turns, served, now = Turns(), set[str](), 0.0
    work = Counter(dict.fromkeys(names, 10**9))
    for _ in range(400):
        turns.begin(now := now + 0.1)
        if turns.is_looking:
            turns.see([row(name) for name in names if name > turns.after][:20], 20, ())
        served |= set(claim(turns, 10, work))
        assert len(turns._owner_of) <= 80
    assert served == set(names)


def test_a_handful_is_admitted_in_order_and_inside_each_key() -> None:
    """Each job takes one of every key of its lane; one that finds a key used up leaves the others to the next."""
    assert admitted(["a t", "a t", None, "b t", "b t"], {"a": 1, "b": None, "t": 2}) == [True, False, True, True, False]


@crmd.job("shared", concurrency=(crmd.Concurrency(max=3, per="workspace"), crmd.Concurrency(max=7)))
async def shared(ctx: crmd.Context) -> None:
    """Bounded per workspace and in all."""


ASK = "SELECT turn, granted, id FROM crmd.take_lanes('normal', $1, $2, $3, $4, $5, '{}', $6, $7)"


@pytest.mark.crmd_plugins(sys.modules[__name__])
async def test_no_key_is_overdrawn(workbench: Workbench) -> None:
    """Whatever is asked, no key gets more than its room over all lanes, and something starts if anything can."""
    pool = workbench.everything.pools.control
    chance = random.Random(7)  # noqa: S311 - to vary what is asked, the same each time
    keys = ["red/1", "red/2", "blue/1", "blue/2", "local:x", "free"]
    await pool.execute(
        "INSERT INTO crmd.concurrency (name, max, is_local, floor) VALUES ('red', 2, false, 1), ('blue', 4, false, 0), "
        "('local:x', 9, true, 0); INSERT INTO crmd.tuning (key, max, changed_at) VALUES ('red/2', 5, crmd.clock())"
    )
    most: dict[str, int | None] = {"red/1": 2, "red/2": 5, "blue/1": 4, "blue/2": 4, "free": None}
    for _ in range(60):
        await pool.execute("DELETE FROM crmd.job; DELETE FROM crmd.lease")
        found = list({" ".join(sorted(chance.sample(keys, chance.randint(1, 3)))) for _ in range(chance.randint(1, 6))})
        waiting = {lane: chance.randint(0, 6) for lane in found}
        for lane, count in waiting.items():
            await pool.execute("SELECT crmd.enqueue('shared') FROM generate_series(1, $1)", count)
            await pool.execute("UPDATE crmd.job SET lane = $1 WHERE lane = 'type:shared'", lane)
        room = {**most, "local:x": chance.randint(0, 4)}
        for _ in range(3):
            slots = chance.randint(1, 8)
            found = [lane for lane in found if waiting[lane]]
            asked = [chance.randint(1, 6) for _ in found]
            rows = await pool.fetch(
                ASK, found, asked, slots, uuid4(), workbench._daemon_id, ["local:x"], [room["local:x"]]
            )
            got = Counter(found[row["turn"] - 1] for row in rows if row["id"] is not None)
            for lane, count in got.items():
                assert count <= asked[found.index(lane)]
                waiting[lane] -= count
                for key in lane.split():
                    room[key] = None if (left := room[key]) is None else left - count
            assert sum(got.values()) <= slots
            assert all(left is None or left >= 0 for left in room.values()), (found, room)
            could = [ln for ln in found if waiting[ln] and all(room[k] != 0 for k in ln.split())]
            assert got or not could


@pytest.mark.crmd_plugins(sys.modules[__name__])
async def test_a_key_below_its_floor_comes_first(workbench: Workbench) -> None:
    """While fewer of its jobs run than its floor says, a key's turn comes before all others."""
    pool = workbench.everything.pools.control
    await pool.execute("UPDATE crmd.concurrency SET floor = 1 WHERE name = 'type:shared:workspace'")
    names = []
    for number in (1, 2, 3):
        workspace_id = UUID(int=number)
        for _ in range(5):
            await workbench.enqueue("shared", workspace_id=workspace_id)
        names.append(f"type:shared:workspace/{workspace_id} type:shared")
    first = await pool.fetch(ASK, names[:1], [2], 9, uuid4(), workbench._daemon_id, [], [])
    assert sum(row["id"] is not None for row in first) == 2
    await pool.execute("UPDATE crmd.concurrency SET max = 4 WHERE name = 'type:shared'")
    then = await pool.fetch(ASK, names, [1, 1, 1], 9, uuid4(), workbench._daemon_id, [], [])
    assert sorted(row["turn"] for row in then if row["id"] is not None) == [2, 3]


@pytest.mark.crmd_plugins(sys.modules[__name__])
async def test_claimers_never_pass_a_limit_together(workbench: Workbench) -> None:
    """Four claimers at once hammer the same lanes; at no instant are there more leases than a limit allows."""
    workspaces = [uuid4() for _ in range(5)]
    for workspace_id in workspaces:
        for _ in range(20):
            await workbench.enqueue("shared", workspace_id=workspace_id)
    pool = workbench.everything.pools.control
    most: Counter[str] = Counter()
    claimed = 0
    done = anyio.Event()

    async def claim_and_return(daemon_id: UUID) -> None:
        nonlocal claimed
        turns = Turns()
        for _ in range(ROUNDS):
            claim_id = leases.new_claim_id()
            found = await lane_claims.claim_lanes(pool, daemon_id, "normal", 3, turns, {}, claim_id)
            claimed += len(found)
            await anyio.lowlevel.checkpoint()
            tokens = [Token(row["id"], row["fence"], claim_id) for row in found]
            if tokens:
                async with pool.acquire() as connection:
                    back = [RequeuedRow(token, 0.0, is_attempt_given_back=True) for token in tokens]
                    assert len(await leases.settle_requeued(connection, back)) == len(tokens)

    async def watch() -> None:
        async with workbench.everything.pools.plugins.acquire() as connection:
            while not done.is_set():
                rows = await connection.fetch("SELECT workspace_id, count(*) FROM crmd.lease GROUP BY workspace_id")
                most["all"] = max(most["all"], sum(row["count"] for row in rows))
                most["one"] = max(most["one"], *(row["count"] for row in rows), 0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        async with anyio.create_task_group() as claimers:
            for _ in range(CLAIMERS):
                claimers.start_soon(claim_and_return, await register(pool, "test", ["normal"], 600))
        done.set()
    assert claimed >= 100
    assert most["all"] <= 7
    assert most["one"] <= 3
