"""Suspects are claimed for the processes that are free: none twice, none too many, none forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
import sample_jobs

from crmd.engine import suspect_claimer
from crmd.engine.audit import audit_once
from crmd.engine.handover import claim_suspects
from crmd.engine.heartbeat import register
from crmd.engine.queue import Queue
from crmd.engine.suspect_claimer import SuspectClaimer
from crmd.store import leases

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.housekeeping import House
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SLOTS = 2


class Taker:
    """Takes what is claimed, as an executor does, and runs nothing."""

    def __init__(self) -> None:
        self.suspects = Queue("suspects", SLOTS)
        self.queues = {name: Queue(name, 1) for name in ("fast", "normal", "slow")}
        self.runs: dict[UUID, Any] = {}

    def accept(self, queue: Queue, rows: list[Any], _claim_id: UUID, _types: object) -> None:
        """Keep them."""
        queue.taken += len(rows)
        self.runs |= {row["id"]: row for row in rows}

    def end(self) -> None:
        """All that runs is over."""
        self.suspects.taken = 0
        self.suspects.make_room()


def house_of(workbench: Workbench, taker: Taker) -> Any:  # noqa: ANN401 - a house with what a claim looks at
    """A daemon's house on the workbench's database."""
    everything = workbench.everything
    services = SimpleNamespace(pools=everything.pools, places=object(), suspect_types=everything.services.job_types)
    return SimpleNamespace(
        services=services,
        executor=taker,
        options=SimpleNamespace(local_limits=[]),
        daemon_id=workbench._daemon_id,
        may_claim=True,
    )


async def suspected(workbench: Workbench, count: int) -> None:
    """So many jobs that ran when a daemon died."""
    for _ in range(count):
        await workbench.enqueue("add-one", {"number": 1})
    await workbench._pool.execute("UPDATE crmd.job SET held = 'suspect'")


async def test_no_more_suspects_than_processes(workbench: Workbench) -> None:
    """However many ask at once, as the loop and the reaper may, only what there is room for is claimed."""
    await suspected(workbench, 5)
    taker = Taker()
    claimer = SuspectClaimer(cast("House", house_of(workbench, taker)))
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(claimer.claim_once)
    assert len(taker.runs) == await workbench._pool.fetchval("SELECT count(*) FROM crmd.lease") == SLOTS


async def test_the_next_suspects_come_when_there_is_room(workbench: Workbench) -> None:
    """A process that is free again takes the next suspect at once, not with the next look."""
    await suspected(workbench, 3)
    taker = Taker()
    claimer = SuspectClaimer(cast("House", house_of(workbench, taker)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(claimer.look_once)
        while len(taker.runs) < SLOTS:  # noqa: ASYNC110 - a claim on a real server, which nobody announces
            await anyio.sleep(0.001)
        await anyio.wait_all_tasks_blocked()
        taker.end()
    assert await claimer.look_once() == suspect_claimer.LOOK_SECONDS
    assert len(taker.runs) == SLOTS + 1


async def test_a_lost_answer_loses_no_suspect(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim whose answer is lost is looked up with the next one; until then the audit leaves its leases alone."""

    async def cut(*arguments: Any, **more: Any) -> list[Any]:  # noqa: ANN401 - those of the claim itself
        await claim_suspects(*arguments, **more)
        raise ConnectionResetError

    await suspected(workbench, SLOTS)
    taker = Taker()
    house = house_of(workbench, taker)
    claimer = SuspectClaimer(cast("House", house))
    monkeypatch.setattr(suspect_claimer, "claim_suspects", cut)
    with pytest.raises(ConnectionResetError):
        await claimer.claim_once()
    assert taker.runs == {}
    await workbench._pool.execute("UPDATE crmd.lease SET claimed_at = claimed_at - interval '1 hour'")
    settler = cast("Any", SimpleNamespace(backlog=0))
    assert await audit_once(workbench._pool, workbench._daemon_id, cast("Any", taker), settler) == 0
    monkeypatch.setattr(suspect_claimer, "claim_suspects", claim_suspects)
    await claimer.claim_once()
    assert len(taker.runs) == SLOTS


async def test_a_life_that_ended_gives_suspects_back(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was claimed while the daemon began to drain goes back as it was: a suspect, with no attempt counted."""

    async def late(*arguments: Any, **more: Any) -> list[Any]:  # noqa: ANN401 - those of the claim itself
        rows = await claim_suspects(*arguments, **more)
        house.may_claim = False
        return rows

    await suspected(workbench, 1)
    taker = Taker()
    house = house_of(workbench, taker)
    monkeypatch.setattr(suspect_claimer, "claim_suspects", late)
    await SuspectClaimer(cast("House", house)).claim_once()
    assert taker.runs == {}
    row = await workbench._pool.fetchrow("SELECT held, attempt, crash_count FROM crmd.job")
    assert row is not None
    assert tuple(row) == ("suspect", 0, 0)


async def test_hosts_are_made_ready_for_the_jobs_of_a_late_daemon(workbench: Workbench) -> None:
    """Once half of a daemon's lease is gone others start what its jobs would need; for one in time nobody does."""
    ready: list[str] = []

    async def make_ready(plugins: set[str]) -> None:
        ready.extend(sorted(plugins))

    house = house_of(workbench, Taker())
    house.services.places = SimpleNamespace(make_ready=make_ready)
    claimer = SuspectClaimer(cast("House", house))
    await workbench.enqueue("add-one", {"number": 1})
    await workbench._claim()
    other = await register(workbench._pool, "test", ["fast"], 3600.0)
    mine, house.daemon_id = house.daemon_id, other
    await claimer.make_ready_once()
    assert ready == []
    late = "beat_at = crmd.clock() - interval '40 min', lease_until = crmd.clock() + interval '20 min'"
    await workbench._pool.execute(f"UPDATE crmd.daemon SET {late} WHERE id = $1", mine)
    await claimer.make_ready_once()
    assert ready == ["sample_jobs"]
    house.daemon_id = mine  # its own jobs concern no daemon
    await claimer.make_ready_once()
    assert ready == ["sample_jobs"]


async def test_full_limits_stand_before_nobody(workbench: Workbench) -> None:
    """Suspects whose limits are full do not keep those behind them from the process that is free."""
    pool = workbench._pool
    await suspected(workbench, 4)
    last = "(SELECT id FROM crmd.job ORDER BY rank_at DESC, id DESC LIMIT 1)"
    await pool.execute(f"UPDATE crmd.job SET lane = 'mine/1' WHERE id <> {last}")
    rows = await claim_suspects(
        pool, workbench._daemon_id, ["add-one"], ["fast", "normal"],
        claim_id=leases.new_claim_id(), slots=1, local_free={"mine": 0},
    )  # fmt: skip
    assert [row["lane"] == "mine/1" for row in rows] == [False]
