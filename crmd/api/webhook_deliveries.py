"""Messages to the webhooks of one workspace: what became of each, and sending them again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.problem import Problem, invalid, not_found
from crmd.api.reading import uuid_in
from crmd.api.route import Call, Route, routed
from crmd.api.webhook_view import Deliveries, Delivery, DeliveryStatus, delivery_of
from crmd.api.webhooks import ONE, seen, workspace_of
from crmd.store import webhooks


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages are wanted."""

    status: DeliveryStatus | None = None
    before: Annotated[UUID | None, Meta(description="older than this one")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Replaying(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which messages are sent again."""

    since: Annotated[Annotated[datetime, Meta(tz=True)] | None, Meta(description="of events since then; all")] = None
    includes_missed: Annotated[
        bool, Meta(description="also events since then that were not sent, as while the webhook was disabled")
    ] = False
    per_second: Annotated[float, Meta(gt=0, le=1000)] = 10.0


class Replayed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is sent again."""

    count: int
    delivery_ids: Annotated[list[UUID], Meta(description="the first 1,000")]


@routed("POST", ONE + "/test", scope="manage", tag="webhooks", status=201)
async def test_webhook(call: Call) -> Delivery:
    """Send a message of the type `webhook.test`, also to a webhook that is disabled."""
    webhook = await seen(call)
    async with call.state.acting(call.identity, "webhooks.test", webhook.id, workspace_id=call.workspace_id):
        delivery_id = await webhooks.test(call.state.pool, webhook.id)
    if delivery_id is None:
        raise not_found("webhook")
    return await _message(call, webhook.id, delivery_id)


@routed("GET", ONE + "/deliveries", scope="manage", tag="webhooks")
async def list_deliveries(call: Call, query: Page) -> Deliveries:
    """List the messages to a webhook with every try, newest first."""
    webhook = await seen(call)
    async with call.state.sight(call.workspace_id) as connection:
        rows = await webhooks.deliveries(
            connection,
            call.workspace_id,
            webhook.id,
            status=query.status,
            before=query.before,
            limit=query.limit + 1,
        )
    found = [delivery_of(dict(row)) for row in rows]
    return Deliveries(deliveries=found[: query.limit], has_more=len(found) > query.limit)


@routed("POST", ONE + "/deliveries/{deliveryId}/replay", scope="manage", tag="webhooks", problems=(409,))
async def replay_delivery(call: Call) -> Delivery:
    """Send one message again, with its old id, whatever became of it."""
    webhook = await seen(call)
    delivery_id = uuid_in(call.path["deliveryId"], "message")
    await _message(call, webhook.id, delivery_id)
    async with call.state.acting(call.identity, "webhooks.replay", delivery_id, workspace_id=call.workspace_id):
        sent = await webhooks.replay(
            call.state.pool, workspace_of(call), webhook.id, webhooks.Replayed(delivery_id=delivery_id)
        )
        if not sent:
            raise Problem(409, "conflict", "The message is on its way already.")
    return await _message(call, webhook.id, delivery_id)


@routed("POST", ONE + "/replay", scope="manage", tag="webhooks")
async def replay_failed(call: Call, body: Replaying) -> Replayed:
    """Send the messages again that failed, at most 10,000 at a time, oldest first, each with its old id.

    With `includesMissed` also what happened while the webhook was disabled, for which `since` has to be given.
    """
    webhook = await seen(call)
    if body.includes_missed and body.since is None:
        raise invalid("$.since", "Say since when messages may have been missed.")
    wanted = webhooks.Replayed(since=body.since, includes_missed=body.includes_missed, per_second=body.per_second)
    async with call.state.acting(
        call.identity, "webhooks.replay", webhook.id, workspace_id=call.workspace_id, perSecond=body.per_second
    ) as found:
        sent = await webhooks.replay(call.state.pool, workspace_of(call), webhook.id, wanted)
        found["count"] = len(sent)
    return Replayed(count=len(sent), delivery_ids=sent[:1000])


async def _message(call: Call, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    async with call.state.sight(call.workspace_id) as connection:
        rows = await webhooks.deliveries(connection, call.workspace_id, webhook_id, delivery_id=delivery_id)
    if not rows:
        raise not_found("message")
    return delivery_of(dict(rows[0]))


ROUTES: tuple[Route, ...] = (test_webhook, list_deliveries, replay_delivery, replay_failed)
