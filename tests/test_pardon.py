"""An attempt whose session with the database was lost is given back, a few times; what a job does itself counts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

import crmd
from crmd.engine.pardon import PARDONS_MAX, is_of

if TYPE_CHECKING:
    from crmd.store.pools import Pool
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
ONCE = crmd.Backoff(first_seconds=0.001, jitter=0)
CUT = "SELECT pg_terminate_backend($1)"


class Ways(crmd.Payload, frozen=True):
    """What the job does, and when it leaves off."""

    how: str = ""
    cuts: int = 1000


TRIES: list[int] = []
OUTSIDE: dict[str, Pool] = {}


@pytest.fixture(autouse=True)
def outside(workbench: Workbench) -> None:
    """Who ends sessions from outside; and no test sees the tries of another."""
    OUTSIDE["pool"] = workbench._pool
    TRIES.clear()


@crmd.job("cut-off", queue="fast", max_attempts=2, backoff=ONCE)
async def cut_off(ctx: crmd.Context, payload: Ways) -> int:
    """Its session ends under it, as often as it was told; what it makes of that is its way."""
    TRIES.append(ctx.job.attempt)
    if len(TRIES) > payload.cuts:
        return len(TRIES)
    try:
        async with ctx.transaction() as tx:
            await OUTSIDE["pool"].execute(CUT, await tx.fetchval("SELECT pg_backend_pid()"))
            await tx.execute("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        match payload.how:
            case "wraps":
                raise RuntimeError("the books are closed") from error
            case "gives up":
                raise crmd.FailJob("no database, no job") from error
            case "goes on":
                pass
            case _:
                raise
    raise ValueError("something else")


@pytest.mark.parametrize("how", ["", "wraps"])
async def test_a_lost_session_costs_no_attempt(workbench: Workbench, how: str) -> None:
    """The job runs again as the same attempt, with the reason in its record, however the plugin words it."""
    job_id = (await workbench.enqueue("cut-off", {"how": how, "cuts": 2})).id
    await workbench.drain(is_time_moved=True)
    done = await workbench.finished(job_id)
    assert (done.status, done.result, TRIES) == ("completed", 3, [1, 1, 1])
    assert [error["class"] for error in done.errors] == ["SessionLost", "SessionLost"]


async def test_who_ends_its_own_session_does_not_go_on_for_ever(workbench: Workbench) -> None:
    """After a few in a row an attempt counts, so that the job ends dead like any other that never goes well."""
    job_id = (await workbench.enqueue("cut-off")).id
    await workbench.drain(is_time_moved=True)
    assert (await workbench.finished(job_id)).status == "dead"
    assert TRIES == [1] * (PARDONS_MAX + 1) + [2] * (PARDONS_MAX + 1)


@pytest.mark.parametrize(
    ("how", "status", "tries", "word"),
    [("gives up", "failed", [1], "FailJob"), ("goes on", "dead", [1, 2], "ValueError")],
)
async def test_a_jobs_own_word_stands(workbench: Workbench, how: str, status: str, tries: list[int], word: str) -> None:
    """A handler that orders what is to become of it is obeyed, and one that fails of something else has failed."""
    job_id = (await workbench.enqueue("cut-off", {"how": how})).id
    await workbench.drain(is_time_moved=True)
    done = await workbench.finished(job_id)
    assert (done.status, TRIES, done.errors[-1]["class"]) == (status, tries, word)


def test_a_cause_is_found_where_it_is() -> None:
    """Behind `from`, behind a context, in a group; not where it was left out, nor in a circle of errors."""
    cut = ConnectionResetError()
    wrapped = RuntimeError()
    wrapped.__cause__ = cut
    assert is_of(cut, cut)
    assert is_of(wrapped, cut)
    assert is_of(ExceptionGroup("", [ValueError(), wrapped]), cut)
    hidden = ValueError()
    hidden.__context__ = cut
    assert is_of(hidden, cut)
    hidden.__suppress_context__ = True
    assert not is_of(hidden, cut)
    circle, other = ValueError(), ValueError()
    circle.__cause__, other.__cause__ = other, circle
    assert not is_of(circle, cut)
