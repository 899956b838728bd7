"""`crmd webhooks`, as an operator uses it when another system was away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ADD = "INSERT INTO crmd.webhook (workspace_id, url, event_types, created_by) VALUES ($1, $2, $3, 'test') RETURNING id"
FAIL = """
UPDATE crmd.webhook_delivery SET status = 'failed', attempt_count = 1,
    attempts = '[{"attempt": 1, "status": 500, "error": "it answered 500"}]'
"""


async def failed_once(dsn: str, workspace_id: UUID) -> str:
    """A webhook, and a message to it that failed."""
    connection = await asyncpg.connect(dsn)
    try:
        webhook_id = await connection.fetchval(ADD, workspace_id, "https://example.com/hook", ["contact.*"])
        await connection.execute("SELECT crmd.emit('contact.created', workspace_id => $1)", workspace_id)
        await connection.execute(FAIL)
    finally:
        await connection.close()
    return str(webhook_id)


def test_what_failed_is_seen_and_sent_again(crmd: Run, environment: dict[str, str]) -> None:
    """Webhooks and their messages are listed; what failed is sent again once; disabled ones are enabled."""
    assert crmd("migrate").code == 0
    assert "no webhooks" in crmd("webhooks").err
    assert crmd("run-once", "trial-greet").code == 0  # a daemon declares what messages are sent by
    workspace_id = uuid4()
    webhook = asyncio.run(failed_once(environment["CRMD__DATABASE__DSN"], workspace_id))
    [row] = crmd("webhooks", "list", "--workspace", str(workspace_id), "--json").json
    assert (row["id"], row["url"]) == (webhook, "https://example.com/hook")
    [failed] = crmd("webhooks", "deliveries", webhook, "--status", "failed", "--json").json
    assert (failed["event_type"], failed["answer"]) == ("contact.created", "it answered 500")
    assert crmd("webhooks", "replay", webhook, "--since", "2020-01-01T00:00Z", "--json").json["sent_again"] == 1
    assert crmd("webhooks", "replay", webhook, "--json").json["sent_again"] == 0
    assert crmd("webhooks", "replay", webhook, "--per-second", "0").code == 2
    assert crmd("webhooks", "disable", webhook, "--reason", "moving", "--json").json["is_changed"]
    assert crmd("webhooks", "list", "--json").json[0]["disabled_reason"] == "moving"
    assert crmd("webhooks", "enable", webhook, "--json").json["is_changed"]
    assert crmd("webhooks", "deliveries", str(uuid4())).code == 2
    done = {row["action"] for row in crmd("audit", "--json").json}
    assert {"webhooks.replay", "webhooks.disable", "webhooks.enable"} <= done
