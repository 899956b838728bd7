"""What a process knows of its primary: the newest timeline counts, and claims of older ones count for nothing."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sample_jobs

from crmd.engine.housekeeping import FOLLOW_SECONDS
from crmd.engine.incarnation import IDLE_SECONDS
from crmd.store.pools import is_pooled
from crmd.store.primary import HOST_SECONDS, Primary
from crmd.store.timeline import OldPrimaryError, Timeline, read_timeline

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from crmd.testing import Workbench

FIRST, SECOND = Timeline(7, 1), Timeline(7, 2)


def test_the_newest_timeline_counts() -> None:
    """A newer one is told to whoever watches, an older one is refused, the same one is nothing new."""
    primary, told = Primary(), []
    primary.note(FIRST)
    with primary.watched(lambda: told.append(primary.known)):
        primary.note(FIRST)
        primary.note(None)
        assert told == []
        primary.note(SECOND)
        assert told == [SECOND]
        with pytest.raises(OldPrimaryError):
            primary.note(FIRST)
    primary.note(Timeline(8, 1))
    assert primary.known == Timeline(8, 1)
    assert told == [SECOND]


def test_the_process_of_a_job_does_not_cross() -> None:
    """What a job wrote on one timeline may be missing on the next, so the process that wrote it ends with it."""
    primary = Primary(may_cross=False)
    primary.note(FIRST)
    with pytest.raises(OldPrimaryError):
        primary.note(SECOND)
    assert primary.known == FIRST


def test_an_old_primary_is_left_within_ten_seconds() -> None:
    """A look for a newer one, all that it may wait for, and the next look of the daemon at its own life."""
    assert FOLLOW_SECONDS + 2 * HOST_SECONDS + IDLE_SECONDS < 10


def test_another_process_sees_for_itself() -> None:
    """Nothing that was seen here goes along with a blueprint."""
    primary = Primary()
    primary.note(FIRST)
    assert pickle.loads(pickle.dumps(primary)).known is None  # noqa: S301 - our own bytes


@pytest.mark.crmd_plugins(sample_jobs)
async def test_a_claim_of_another_timeline_is_made_worthless(workbench: Workbench) -> None:
    """Before a connection is handed out, the claims that its daemon brought from an old timeline are void there."""
    server = workbench.everything.pools.server
    pool = workbench.everything.pools.control
    await workbench.enqueue("add-one")
    mine, other = uuid4(), uuid4()
    move = "INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt,"
    move += " max_attempts, crash_count, snooze_count, type, queue, priority, payload, started_at)"
    move += " SELECT crmd.uuid7(), $1, $2, now(), now(), now(), now(), 1, 1, 3, 1, 0, 'x', 'fast', 'low', '{}', now()"
    claims = {daemon_id: uuid4() for daemon_id in (mine, other)}
    for daemon_id, claim_id in claims.items():
        await pool.execute(move, claim_id, daemon_id)
    primary = Primary()
    primary.live(mine, FIRST)
    connection = await primary.connect(server.dsn, timeout=10)
    now = await claims_in(connection)
    assert now[other] == claims[other]
    assert now[mine] != claims[mine]
    primary.forget(mine)
    primary.live(other, await read_timeline(connection))
    await primary.disown(connection, primary.known)
    assert await claims_in(connection) == now
    assert not await is_pooled(connection)
    await connection.close()


async def claims_in(connection: asyncpg.Connection[asyncpg.Record]) -> dict[UUID, UUID]:
    """Claim ids by daemon."""
    rows = await connection.fetch("SELECT daemon_id, claim_id FROM crmd.lease")
    return {row["daemon_id"]: row["claim_id"] for row in rows}
