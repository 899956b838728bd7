from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import crmd_health
import pytest
from crmd_health.connection_probe import staleness
from crmd_health.finding import findings_of
from crmd_health.settings import HealthSettings
from crmd_health.sync_health import probe_of

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(crmd_health)

WELL: dict[str, Any] = {
    "queues": [{"queue": "fast", "due": 3, "scheduled": 0, "held": 0, "oldest_due_seconds": 2}],
    "running": 1,
    "orphaned": 0,
    "dead_last_day": [],
    "unknown_types": [],
    "schedules_late": 0,
    "schedules_broken": [],
}


def kinds(**changes: object) -> list[str]:
    """The kinds of findings in a status that is well but for `changes`."""
    return [finding.kind for finding in findings_of({**WELL, **changes}, HealthSettings())]


def test_a_healthy_engine_has_no_findings() -> None:
    """Figures inside every threshold give nothing to report."""
    assert kinds() == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"queues": [{"queue": "slow", "due": 1, "oldest_due_seconds": 901}]}, "old"),
        ({"queues": [{"queue": "slow", "due": 100_001, "oldest_due_seconds": 1}]}, "long"),
        ({"orphaned": 2}, "orphaned"),
        ({"dead_last_day": [{"type": "a", "status": "dead", "jobs": 21, "example": "x"}]}, "dead"),
        ({"unknown_types": ["gone"]}, "unknown"),
        ({"schedules_late": 1}, "late"),
        ({"schedules_broken": [{"id": "a/b", "error": "x"}]}, "broken"),
    ],
)
def test_each_kind_of_trouble_is_found(changes: dict[str, object], kind: str) -> None:
    """Each figure beyond its threshold is one finding of its kind."""
    assert kinds(**changes) == [kind]


def test_a_sync_is_stale_only_after_the_hours_of_the_setting() -> None:
    """The last sync may be as old as `stale_hours`; one that never was is not stale."""
    assert staleness(None, 24) is None
    assert staleness(24 * 3600, 24) is None
    assert staleness(25 * 3600, 24) == "it was last synced 25 hours ago"


def test_a_lost_grant_is_known_without_asking() -> None:
    """The test of a connection that needs a new consent carries the reason; an active one's carries none."""
    row = {"id": str(uuid4()), "provider": "p", "account": "a", "last_error": "revoked", "synced_seconds": None}
    assert probe_of({**row, "state": "needs_reauth"}).known_reason == "revoked"
    assert probe_of({**row, "state": "active"}).known_reason is None


async def test_a_healthy_queue_check_emits_nothing(workbench: Workbench) -> None:
    """On an idle engine the check ends well and tells of nothing."""
    finished = await workbench.run_job("check-job-queues")
    assert finished.status == "completed"
    assert finished.result["findings"] == []
    assert await workbench.events("job.queue_unhealthy") == []


async def test_an_old_queue_is_told_by_an_event(workbench: Workbench) -> None:
    """A job that has been due for an hour makes the check emit job.queue_unhealthy with the queue's name."""
    await workbench.enqueue("check-sync-health")
    await workbench.clock.advance(3600)
    finished = await workbench.run_job("check-job-queues")
    [event] = await workbench.events("job.queue_unhealthy")
    assert event["findings"] == finished.result["findings"]
    assert ("old", "normal") in {(finding["kind"], finding["name"]) for finding in event["findings"]}


async def test_every_connection_is_tested_in_its_own_workspace(workbench: Workbench) -> None:
    """A connection that cannot be opened is told by an event of its workspace; a disabled one is left alone."""
    connections = [await connect(workbench, workspace_id) for workspace_id in (uuid4(), uuid4())]
    await disable(workbench, await connect(workbench, uuid4()))
    parent = await start_without_workspace(workbench)
    await workbench.drain()
    finished = await workbench.finished(parent)
    assert finished.result["tests"] == 2
    assert finished.result["disabled"] == 1
    assert finished.result["children"]["sums"] == {"healthy": 0, "unhealthy": 2}
    events = await workbench.events("sync.unhealthy")
    assert {UUID(event["connectionId"]) for event in events} == set(connections)
    assert {event["reason"] for event in events} == {"No loaded plugin declares the provider nobody."}


async def test_a_test_of_a_lost_grant_asks_nobody(workbench: Workbench) -> None:
    """What is known to be broken is told at once, with the reason that is known."""
    payload = {"connectionId": str(uuid4()), "provider": "p", "account": "a", "knownReason": "revoked"}
    finished = await workbench.run_job("probe-connection", payload)
    assert finished.result == {"healthy": 0, "unhealthy": 1, "reason": "revoked"}
    [event] = await workbench.events("sync.unhealthy")
    assert event["reason"] == "revoked"


async def connect(workbench: Workbench, workspace_id: UUID) -> UUID:
    """A connection at a provider that no plugin declares."""
    connection_id: UUID = await workbench.everything.pools.control.fetchval(
        "INSERT INTO crmd.connection (workspace_id, provider, account) VALUES ($1, 'nobody', 'a@b.example')"
        " RETURNING id",
        workspace_id,
    )
    return connection_id


async def disable(workbench: Workbench, connection_id: UUID) -> None:
    """Stop a connection, as an operator does."""
    await workbench.everything.pools.control.execute(
        "UPDATE crmd.connection SET state = 'disabled' WHERE id = $1", connection_id
    )


async def start_without_workspace(workbench: Workbench) -> UUID:
    """The check as its schedule starts it: for no workspace, so over all."""
    job_id: UUID = await workbench.everything.pools.control.fetchval("SELECT crmd.enqueue('check-sync-health')")
    return job_id
