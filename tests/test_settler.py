from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import sample_jobs

from crmd.engine.executor import Executor
from crmd.engine.progress_writer import write_progress_once
from crmd.engine.run import Progress, Run
from crmd.engine.settler import Settler
from crmd.outcome import Ended, Outcome
from crmd.store import families, leases
from crmd.store.leases import Token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crmd.store.leases import EndedRow
    from crmd.store.pools import Connection
    from crmd.testing import Workbench

    Settle = Callable[[Connection, Sequence[EndedRow]], Awaitable[set[Any]]]

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
STATUSES = "SELECT status, count(*) FROM crmd.archive GROUP BY status"
NUL = b'"\\u0000"'


async def claimed(workbench: Workbench, count: int) -> list[Run]:
    """So many jobs that run."""
    for number in range(count):
        await workbench.enqueue("add-one", {"number": number})
    job_type = workbench.everything.services.job_types["add-one"]
    return [Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"])) for row in await workbench._claim()]


async def statuses(workbench: Workbench) -> dict[str, int]:
    """How many jobs ended how."""
    return {row["status"]: row["count"] for row in await workbench._pool.fetch(STATUSES)}


def settler_of(workbench: Workbench, runs: Sequence[Run], outcome: Callable[[int], Outcome]) -> Settler:
    """A settler that has these outcomes to write."""
    settler = Settler(workbench._pool, lambda _: None)
    for place, run in enumerate(runs):
        settler.add(run, outcome(place))
    return settler


async def test_one_bad_row_costs_only_itself(workbench: Workbench) -> None:
    """Of 500 outcomes one that PostgreSQL refuses is found by halving and ends as failed; all others commit at once."""
    runs = [run for _ in range(5) for run in await claimed(workbench, 100)]
    settler = settler_of(workbench, runs, lambda place: Ended("completed", NUL if place == 170 else b"1"))
    await settler.settle_once()
    assert await statuses(workbench) == {"completed": 499, "failed": 1}
    failed = await workbench.finished(runs[170].token.id)
    assert (failed.errors[-1]["class"], settler.backlog) == ("Unstorable", 0)


async def test_bad_progress_is_dropped_with_its_job(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that cannot be stored fails its own job and is not what keeps the failure from being written."""
    runs = await claimed(workbench, 3)
    runs[1].progress = Progress()
    monkeypatch.setattr(Progress, "as_json", lambda _: NUL)
    await settler_of(workbench, runs, lambda _: Ended("completed", b"1")).settle_once()
    assert await statuses(workbench) == {"completed": 2, "failed": 1}


async def test_what_can_never_be_stored_holds_nothing_up(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outcome that is refused in every form is left alone; the others are written and the settler goes on."""
    runs = await claimed(workbench, 8)
    cursed = runs[2].token.id
    settle = leases.settle_ended

    async def refuse(connection: Connection, rows: Sequence[EndedRow]) -> set[Any]:
        if any(row.token.id == cursed for row in rows):
            raise asyncpg.DataError("refused")
        return await settle(connection, rows)

    monkeypatch.setattr(leases, "settle_ended", refuse)
    settler = settler_of(workbench, runs, lambda _: Ended("completed", b"1"))
    await settler.settle_once()
    assert (await statuses(workbench), settler.backlog) == ({"completed": 7}, 0)
    assert await workbench._pool.fetchval("SELECT id FROM crmd.lease") == cursed


async def test_an_outage_keeps_outcomes_for_later(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written while the database is away is written once it is back, each once."""
    runs = await claimed(workbench, 5)
    settler = settler_of(workbench, runs, lambda _: Ended("completed", b"1"))

    async def away(_connection: Connection, _rows: Sequence[EndedRow]) -> set[Any]:
        raise asyncpg.ConnectionDoesNotExistError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(leases, "settle_ended", away)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await settler.settle_once()
    assert (await statuses(workbench), settler.backlog) == ({}, 5)
    await settler.settle_once()
    assert (await statuses(workbench), settler.backlog) == ({"completed": 5}, 0)


async def test_an_unknown_commit_is_not_doubled(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that committed although its answer was lost is asked for again and moves nothing a second time."""
    runs = await claimed(workbench, 5)
    settler = settler_of(workbench, runs, lambda _: Ended("completed", b"1"))
    settle = leases.settle_ended

    async def cut_after_commit(_connection: Connection, rows: Sequence[EndedRow]) -> set[Any]:
        async with workbench.everything.pools.control.acquire() as other:
            await settle(other, rows)
        raise asyncpg.ConnectionDoesNotExistError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(leases, "settle_ended", cut_after_commit)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await settler.settle_once()
    await settler.settle_once()
    assert (await statuses(workbench), settler.backlog) == ({"completed": 5}, 0)


async def test_a_foreign_token_moves_nothing(workbench: Workbench) -> None:
    """An old fence or another claim ends no job and gives none back."""
    [run] = await claimed(workbench, 1)
    token = run.token
    for stale in (
        Token(token.id, token.fence - 1, token.claim_id),
        Token(token.id, token.fence, leases.new_claim_id()),
    ):
        async with workbench._pool.acquire() as connection:
            assert await leases.settle_ended(connection, [leases.EndedRow(stale, "completed")]) == set()
            back = leases.RequeuedRow(stale, 0.0, is_attempt_given_back=True)
            assert await leases.settle_requeued(connection, [back]) == set()
            assert not await families.settle_parent(connection, leases.EndedRow(stale, "completed"))
            assert not await leases.is_held(connection, stale)
            assert not await leases.write_checkpoint(connection, stale, b"1")
            await leases.write_items(connection, stale, [("a", "succeeded", None)])
            await leases.write_progress(connection, [(stale, b"1")])
    [row] = await workbench._pool.fetch("SELECT fence, checkpoint, progress FROM crmd.lease")
    assert tuple(row) == (token.fence, None, None)
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.item") == 0


async def test_items_outlive_an_outage(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of items stays until it is written, through a failed write and through the end of its job."""
    runs = await claimed(workbench, 1)
    progress = runs[0].progress = Progress()
    progress.book("one", "succeeded", None)
    executor = Executor.__new__(Executor)
    executor.watchers = workbench.everything.services.watchers
    executor.runs = {runs[0].token.id: runs[0]}

    async def away(*_: object) -> None:
        raise asyncpg.ConnectionDoesNotExistError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(leases, "write_items", away)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await write_progress_once(workbench._pool, executor)
    assert (progress.is_dirty, len(progress.items)) == (True, 1)
    await write_progress_once(workbench._pool, executor)
    assert (progress.is_dirty, progress.items) == (False, [])
    progress.book("two", "blocked", "no address")
    await settler_of(workbench, runs, lambda _: Ended("completed", b"1")).settle_once()
    found = await workbench._pool.fetch("SELECT item, outcome, reason FROM crmd.item ORDER BY item")
    assert [tuple(row) for row in found] == [("one", "succeeded", None), ("two", "blocked", "no address")]
