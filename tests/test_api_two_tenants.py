from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sample_jobs
from api_server import ApiServer, api_over
from tenant_probe import CANARY, Probe

from crmd.api import server
from crmd.api.job_view import Job, job_of
from crmd.api.problem import not_found
from crmd.api.route import Call, Route, routed
from crmd.config.api_settings import Api

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
# Whatever a tenant has, with everything that a request could have changed of it.
STANDS = """
SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM (
    SELECT to_jsonb(j)::text AS row FROM crmd.job j WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(a)::text FROM crmd.archive a WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM crmd.template t WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(s)::text FROM crmd.schedule s WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(c)::text FROM crmd.connection c WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(e)::text FROM crmd.event e WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(w)::text FROM crmd.webhook w WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(d)::text FROM crmd.webhook_delivery d WHERE workspace_id = $1
) all_rows
"""
CONNECTION = """
INSERT INTO crmd.connection (id, workspace_id, provider, account, state)
VALUES (crmd.uuid7(), $1, 'google', $2, 'active') RETURNING id
"""
WEBHOOK = """
INSERT INTO crmd.webhook (workspace_id, url, event_types, created_by, description)
VALUES ($1, 'https://hooks.example.com/', ARRAY['canary.*'], 'test', $2) RETURNING id
"""
DELIVERY = """
INSERT INTO crmd.webhook_delivery (workspace_id, webhook_id, event_id, emitted_at, event_type)
VALUES ($1, $2, $3, crmd.clock(), 'canary.sang') RETURNING id
"""


@dataclass
class Tenant:
    """The other tenant, who has one of everything."""

    workspace_id: UUID = field(default_factory=uuid4)
    names: dict[str, str] = field(default_factory=dict)

    async def settle(self, workbench: Workbench, api: ApiServer) -> None:
        """Make one of everything; `names` says what it is called in addresses."""
        place = f"/api/workspaces/{self.workspace_id}"
        ended = await api.ask("POST", f"{place}/jobs", {"type": "gives-up"})
        await workbench.drain()
        waits = await api.ask("POST", f"{place}/jobs", {"type": "add-one", "payload": {"number": 1}})
        template = {"type": "add-one", "payload": {"number": 1}, "description": CANARY}
        assert (await api.ask("PUT", f"{place}/templates/{CANARY}", template)).status == 201
        schedule = {"name": CANARY, "type": "add-one", "expression": "@daily", "subject": CANARY}
        assert (await api.ask("POST", f"{place}/schedules", schedule)).status == 201
        event = await api.ask("POST", f"{place}/events", {"type": "canary.sang", "data": {"song": CANARY}})
        pool, mine = workbench._pool, self.workspace_id
        connection_id = await pool.fetchval(CONNECTION, mine, f"{CANARY}@example.com")
        webhook_id = await pool.fetchval(WEBHOOK, mine, CANARY)
        delivery_id = await pool.fetchval(DELIVERY, mine, webhook_id, UUID(event.body["eventId"]))
        self.names = {
            "jobId": waits.body["jobId"],
            "endedJobId": ended.body["jobId"],
            "templates/name": CANARY,
            "schedules/name": CANARY,
            "eventId": event.body["eventId"],
            "connectionId": str(connection_id),
            "webhookId": str(webhook_id),
            "deliveryId": str(delivery_id),
        }

    def bodies(self) -> dict[str, Any]:
        """Bodies that operations need; where one can name a thing, it is this tenant's."""
        ids = [self.names["jobId"], self.names["endedJobId"]]
        job = {"type": "add-one", "dependsOn": [self.names["jobId"]]}
        return {
            "create_job": job,
            "create_jobs": {"jobs": [job]},
            "cancel_jobs": {"ids": ids},
            "retry_jobs": {"ids": ids},
            "save_template": {"type": "add-one"},
            "create_schedule": {
                "name": "mine", "type": "add-one", "expression": "@daily", "connectionId": self.names["connectionId"]
            },
            "backfill_schedule": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
            "begin_consent": {"provider": "nobody"},
            "emit_event": {"type": "own.word"},
            "create_webhook": {"url": "https://hooks.example.com/mine", "eventTypes": ["*"]},
        }  # fmt: skip


async def probed(workbench: Workbench, routes: tuple[Route, ...], *, has_role: bool = True) -> Probe:
    """What an attacker finds at these routes; without the role no policy stands behind the statements."""
    async with api_over(workbench, Api(requests_per_minute=100_000, metrics="key")) as api:
        assert api.state is not None
        api.state.has_role = has_role
        tenant = Tenant()
        await tenant.settle(workbench, api)
        marks = (CANARY, str(tenant.workspace_id), *(name for name in tenant.names.values()))
        probe = Probe(api, tenant.workspace_id, tenant.names, tenant.bodies(), marks=marks)
        before = await workbench._pool.fetchval(STANDS, tenant.workspace_id)
        await probe.attack(routes)
        if await workbench._pool.fetchval(STANDS, tenant.workspace_id) != before:
            probe.faults.append("something of the other tenant was changed")
        return probe


@pytest.mark.parametrize("has_role", [True, False])
async def test_no_route_tells_or_touches_what_is_another_tenants(workbench: Workbench, has_role: bool) -> None:  # noqa: FBT001 - a case of the test
    """Every route there is, with another tenant's workspace and ids, under each scope: 401, 403 or 404, and no leak.

    It holds by the statements alone, and by row-level security behind them.
    """
    probe = await probed(workbench, server.ROUTES, has_role=has_role)
    assert not probe.faults, "\n".join(probe.faults)
    assert probe.asked == {route.name for route in server.ROUTES}


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/forgetful", scope="read", tag="jobs")
async def forgetful(call: Call) -> Job:
    """Look at a job without asking whose it is."""
    async with call.state.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT *, errors -> -1 AS last_error FROM crmd.jobs WHERE id = $1", UUID(call.path["jobId"])
        )
    if row is None:
        raise not_found("job")
    return job_of(dict(row))


async def test_a_forgotten_check_is_found(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that reads past row-level security without naming the workspace is told, with what it leaks."""
    monkeypatch.setattr(server, "ROUTES", (*server.ROUTES, forgetful))
    probe = await probed(workbench, (forgetful,))
    assert any("200 in place of 404" in fault for fault in probe.faults)
    assert any("it tells" in fault for fault in probe.faults)
