from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crmd
from crmd.engine.heartbeat import register
from crmd.lanes import plan_turns
from crmd.store import leases
from crmd.store.leases import LaneTurn, RequeuedRow, Token

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Workbench

LANES = ("a", "b", "c", "d")
KEYS = ("type:x", "type:x:workspace/1", "connection/7")
ROOM = st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers(0, 5))
OF_LANE = st.dictionaries(st.sampled_from(LANES), st.sets(st.sampled_from(KEYS), min_size=1), min_size=1)
CLAIMERS = 4
ROUNDS = 60


def rows(lanes: dict[str, set[str]], room: dict[str, int | None]) -> list[tuple[str, str, int | None]]:
    """What lanes_room.sql answers: each key of a lane with its room."""
    return [(lane, key, room.get(key)) for lane, keys in lanes.items() for key in sorted(keys)]


@given(OF_LANE, ROOM, st.integers(0, 20))
def test_no_key_is_overdrawn(lanes: dict[str, set[str]], room: dict[str, int | None], slots: int) -> None:
    """The plan never starts more than a key's room, over all lanes that share it, nor more than there are slots."""
    turns = plan_turns(list(lanes), rows(lanes, room), slots)
    assert sum(turns.values()) <= max(slots, 0)
    for key, left in room.items():
        if left is not None:
            assert sum(count for lane, count in turns.items() if key in lanes[lane]) <= left


@given(OF_LANE, ROOM, st.integers(1, 20))
def test_no_slot_is_wasted(lanes: dict[str, set[str]], room: dict[str, int | None], slots: int) -> None:
    """While slots are left, every lane has come to the end of one of its keys."""
    turns = plan_turns(list(lanes), rows(lanes, room), slots)
    if sum(turns.values()) == slots:
        return
    used = Counter({key: sum(n for lane, n in turns.items() if key in lanes[lane]) for key in KEYS})
    for lane, keys in lanes.items():
        bounds = {key: left for key in keys if (left := room.get(key)) is not None}
        assert not bounds or any(used[key] >= left for key, left in bounds.items()), lane


def test_lanes_take_turns() -> None:
    """One job each in turn: the first lane does not take what is everybody's."""
    lanes = {lane: {"type:x"} for lane in LANES}
    assert plan_turns(LANES, rows(lanes, {"type:x": 6}), 100) == {"a": 2, "b": 2, "c": 1, "d": 1}


@crmd.job("shared", concurrency=(crmd.Concurrency(max=3, per="workspace"), crmd.Concurrency(max=7)))
async def shared(ctx: crmd.Context) -> None:
    """Bounded per workspace and in all."""


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

    async def claim(daemon_id: UUID) -> None:
        nonlocal claimed
        turn = LaneTurn()
        for _ in range(ROUNDS):
            found = await leases.claim_lanes(pool, daemon_id, "normal", 3, turn, {}, leases.new_claim_id())
            claimed += len(found)
            await anyio.lowlevel.checkpoint()
            tokens = [Token(row["id"], row["fence"], row["claim_id"]) for row in found]
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
                claimers.start_soon(claim, await register(pool, "test", ["normal"], 600))
        done.set()
    assert claimed >= 100
    assert most["all"] <= 7
    assert most["one"] <= 3
