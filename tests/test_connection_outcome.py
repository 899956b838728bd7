"""A sync that fails shows beside its connection, and one that goes well clears it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

import crmd
from crmd.connections.keeping import Consent, keep
from crmd.secret import Secret

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


class Sync(crmd.Payload, frozen=True):
    """Which account, and how it goes."""

    connection_id: str
    ending: str = "well"


@crmd.job("sync-account", connection="connectionId")
async def sync_account(ctx: crmd.Context, payload: Sync) -> object:
    """Ends as it is told."""
    match payload.ending:
        case "retry":
            raise crmd.RetryJob("the bank is down")
        case "fail":
            raise crmd.FailJob("a letter cannot be read")
        case "crash":
            raise ValueError("secret of mine")
        case "gate":
            raise crmd.GateClosed("k", after_seconds=5, reason="429")
        case "synced":
            async with ctx.transaction() as tx:
                await tx.mark_synced(UUID(payload.connection_id))
            return None
        case _:
            return {"items": 1}


async def _connection(workbench: Workbench, workspace_id: UUID | None = None) -> UUID:
    consent = Consent(
        workspace_id=workspace_id or workbench.workspace_id,
        provider="bank",
        account="ann@bank.example",
        refresh_token=Secret("word"),
    )
    return await keep(workbench._pool, workbench.everything.vault, consent)


async def _last_error(workbench: Workbench, connection_id: UUID) -> str | None:
    error: str | None = await workbench._pool.fetchval(
        "SELECT last_error FROM crmd.connection WHERE id = $1", connection_id
    )
    return error


ENDINGS = [("retry", "the bank is down"), ("fail", "a letter cannot be read"), ("crash", "secret of mine")]


@pytest.mark.parametrize(("ending", "reason"), ENDINGS)
@pytest.mark.parametrize("mended", ["well", "synced"])
async def test_a_failing_sync_shows_beside_its_connection(
    workbench: Workbench, ending: str, reason: str, mended: str
) -> None:
    """What the newest job of a connection failed with is its last error, until one goes well."""
    connection_id = await _connection(workbench)
    await workbench.run_job("sync-account", {"connectionId": str(connection_id), "ending": ending})
    assert await _last_error(workbench, connection_id) == reason
    await workbench.run_job("sync-account", {"connectionId": str(connection_id), "ending": "gate"})
    assert await _last_error(workbench, connection_id) == reason
    await workbench.run_job("sync-account", {"connectionId": str(connection_id), "ending": mended})
    assert await _last_error(workbench, connection_id) is None


async def test_nobody_marks_anothers_connection(workbench: Workbench) -> None:
    """A payload that names a connection of another workspace, or none at all, changes nothing there."""
    theirs = await _connection(workbench, uuid4())
    await workbench.run_job("sync-account", {"connectionId": str(theirs), "ending": "fail"})
    assert await _last_error(workbench, theirs) is None
    done = await workbench.run_job("sync-account", {"connectionId": "no id / at all", "ending": "fail"})
    assert done.status == "failed"


async def test_a_lost_grant_keeps_its_reason(workbench: Workbench) -> None:
    """A connection that waits for a consent says so, whatever its last job came to."""
    connection_id = await _connection(workbench)
    await workbench._pool.execute("UPDATE crmd.connection SET state = 'needs_reauth', last_error = 'consent'")
    await workbench.run_job("sync-account", {"connectionId": str(connection_id), "ending": "fail"})
    assert await _last_error(workbench, connection_id) == "consent"


async def test_settling_waits_for_no_plugin(workbench: Workbench) -> None:
    """A transaction that holds the connection's row does not keep outcomes from being written."""
    connection_id = await _connection(workbench)
    async with workbench.everything.pools.plugins.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM crmd.connection WHERE id = $1 FOR UPDATE", connection_id)
        done = await workbench.run_job("sync-account", {"connectionId": str(connection_id), "ending": "fail"})
    assert done.status == "failed"
    assert await _last_error(workbench, connection_id) is None
