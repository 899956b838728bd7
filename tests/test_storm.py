"""Everything at once, on two real daemons: whatever meets whatever, each job comes to its end and nothing is left."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
from fleet import install_plugin, running_fleet

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from uuid import UUID

    Outside = asyncpg.Connection[asyncpg.Record]
    Action = Callable[[], Awaitable[list[UUID]]]

SQL = load_queries("crmd.store")
pytestmark = pytest.mark.slow
SECONDS = float(os.environ.get("CRMD_TEST_STORM_SECONDS", "10"))
DRIVERS = 4
NUMBERS = 12
STORM = {"plugins__enabled": '["storm"]'}
ENQUEUE = """
SELECT id FROM crmd.enqueue_many($1, ARRAY[jsonb_build_object('number', $2::int)], after => $3, is_after_any => $9,
    expires_in_seconds => $4, unique_keys => $5, unique_scope => $6, on_conflict => $7, max_delay_seconds => 1,
    priority => $8)
WHERE answer = 'created'
"""
LEFT = """
SELECT 'waiting' FROM crmd.waiting UNION ALL SELECT 'dependency' FROM crmd.dependency
UNION ALL SELECT 'unique_key' FROM crmd.unique_key WHERE expires_at = 'infinity'
UNION ALL SELECT 'family' FROM crmd.family WHERE pending <> 0
UNION ALL SELECT 'twice' FROM crmd.archive GROUP BY id HAVING count(*) > 1
UNION ALL SELECT 'lost tick' FROM crmd.tick t WHERE t.job_id NOT IN (SELECT id FROM crmd.archive)
UNION ALL SELECT 'errors: ' || (errors -> -1 ->> 'class') FROM crmd.archive
    WHERE errors -> -1 ->> 'class' NOT IN ('Cancelled', 'Expired', 'FailJob', 'RetryJob', 'DeadlockDetectedError')
UNION ALL SELECT 'dead: ' || type FROM crmd.archive WHERE status = 'dead'
"""
UNENDED = "SELECT -(SELECT count(*) FROM crmd.job) - (SELECT count(*) FROM crmd.lease)"


class Driver:
    """One program that does whatever comes to its mind, a few things in each transaction."""

    def __init__(self, connection: Outside, seed: int) -> None:
        self.connection = connection
        self.made: list[UUID] = []
        self.deadlocks = 0
        self._random = random.Random(seed)  # noqa: S311 - so that a storm can be repeated

    async def run(self, until: float) -> None:
        """Until that instant of the monotonic clock."""
        actions: list[Action] = [
            *[self.enqueue] * 6, *[self.emit] * 3, self.cancel, self.batch, self.pause, self.resume, self.schedule
        ]  # fmt: skip
        while time.monotonic() < until:
            try:
                made = await self._transaction(actions)
            except asyncpg.DeadlockDetectedError:
                self.deadlocks += 1
                continue
            self.made += made

    async def _transaction(self, actions: list[Action]) -> list[UUID]:
        made: list[UUID] = []
        async with self.connection.transaction():
            for action in self._random.choices(actions, k=self._random.randint(1, 4)):
                made += await action()
        return made

    def _pick(self, *choices: Any) -> Any:  # noqa: ANN401 - one of whatever they are
        return self._random.choice(choices)

    async def enqueue(self) -> list[UUID]:
        """A job of some type, with some of the options."""
        job_type = self._pick("leaf", "leaf", "limited", "unique", "family", "gather", "wait")
        earlier = self._random.sample(self.made[-50:], min(len(self.made), self._pick(0, 0, 0, 0, 2))) or None
        is_keyed = earlier is None and job_type in {"leaf", "limited"} and self._random.random() < 0.5
        key = f"k{self._random.randrange(NUMBERS)}"
        rows = await self.connection.fetch(
            ENQUEUE,
            f"storm-{job_type}",
            self._random.randrange(NUMBERS),
            earlier,
            self._pick(None, None, 0.05, 30.0),
            [key] if is_keyed else None,
            self._pick("waiting", "unfinished") if is_keyed else None,
            self._pick("return", "replace", "merge", "push_back", "keep_time") if is_keyed else earlier and "return",
            self._pick(None, "low", "critical"),
            self._pick(True, False),
        )
        return [row["id"] for row in rows]

    async def emit(self) -> list[UUID]:
        """What somebody may wait for."""
        await self.connection.execute(
            "SELECT crmd.emit('storm.told', jsonb_build_object('number', $1::int))", self._random.randrange(NUMBERS)
        )
        return []

    async def cancel(self) -> list[UUID]:
        """A job of our own, wherever it stands."""
        if self.made:
            await self.connection.execute("SELECT crmd.cancel($1)", self._random.choice(self.made[-100:]))
        return []

    async def batch(self) -> list[UUID]:
        """Jobs with callbacks."""
        jobs = '[{"type": "storm-leaf"}, {"type": "storm-limited"}, {"type": "storm-wait", "payload": {"number": 1}}]'
        last = '{"type": "storm-leaf"}'
        return [await self.connection.fetchval("SELECT crmd.batch($1::jsonb, $2::jsonb, $2::jsonb)", jobs, last)]

    async def pause(self) -> list[UUID]:
        """Something rests for a moment."""
        key = self._pick("queue:fast", "type:storm-limited", "type:storm-leaf", "storm-limited/3")
        await self.connection.execute("SELECT crmd.pause($1, 'the storm', 0.5)", key)
        return []

    async def resume(self) -> list[UUID]:
        """Something goes on."""
        await self.connection.execute("SELECT crmd.resume($1)", self._pick("queue:fast", "type:storm-leaf"))
        return []

    async def schedule(self) -> list[UUID]:
        """A schedule is made or changed."""
        await self.connection.execute(
            "SELECT crmd.schedule($1, $2, $3, overlap => $4)",
            f"s{self._random.randrange(10)}",
            self._pick("storm-leaf", "storm-unique", "storm-limited"),
            self._pick("every 1s", "every 2s"),
            self._pick("skip", "queue_one", "allow"),
        )
        return []


async def calm(connection: Outside) -> None:
    """Nothing new is made; what waits for somebody is told."""
    await connection.execute("SELECT count(crmd.unschedule(s.id)) FROM crmd.schedule s WHERE s.origin = 'runtime'")
    await connection.execute("SELECT count(crmd.resume(t.key)) FROM crmd.tuning t")
    for number in range(NUMBERS):
        await connection.execute("SELECT crmd.emit('storm.told', jsonb_build_object('number', $1::int))", number)


async def test_each_job_of_a_storm_comes_to_its_end(crmd_dsn: str, tmp_path: Path) -> None:
    """Keys, limits, children, dependencies, waits, expiry, pauses, schedules and cancels at once: nothing is lost."""
    install_plugin(tmp_path / "site", "storm", "storm_plugin")
    async with running_fleet(crmd_dsn, tmp_path, 2, **STORM) as fleet:
        drivers = [Driver(await asyncpg.connect(crmd_dsn), seed) for seed in range(DRIVERS)]
        async with anyio.create_task_group() as group:
            for driver in drivers:
                group.start_soon(driver.run, time.monotonic() + SECONDS)
        deadline = time.monotonic() + 120
        while await fleet.connection.fetchval(UNENDED) < 0:
            assert time.monotonic() < deadline, await fleet.connection.fetch("SELECT * FROM crmd.jobs LIMIT 20")
            await calm(fleet.connection)
            await anyio.sleep(0.5)
        made = [job_id for driver in drivers for job_id in driver.made]
        assert made
        lost = await fleet.connection.fetch(
            "SELECT id FROM unnest($1::uuid[]) AS m(id) WHERE id NOT IN (SELECT id FROM crmd.archive)", made
        )
        assert lost == []
        assert {row[0] for row in await fleet.connection.fetch(LEFT)} <= {"waiting", "unique_key"}
        # What an emitter or an enqueuer just holds of a job in the moment in which it ends is left to the upkeep.
        await fleet.connection.fetch(SQL.upkeep_sweep, 30, 5000)
        assert {row[0] for row in await fleet.connection.fetch(LEFT)} == set()
        deadlocks = await fleet.connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        jobs = await fleet.connection.fetchval("SELECT count(*) FROM crmd.archive")
        # Transactions of several such statements meet in a circle now and then; whoever loses tries again.
        assert deadlocks <= jobs / 20, f"{deadlocks} deadlocks among {jobs} jobs"
        assert "failed and goes on" not in "".join(daemon.text() for daemon in fleet.daemons)
        for driver in drivers:
            await driver.connection.close()
