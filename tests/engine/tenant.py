"""A tenant of the API with one of everything, for tests of who may see and change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from tenant_probe import CANARY

if TYPE_CHECKING:
    from api_server import ApiServer

    from crmd.testing import Workbench

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
